"""One member of a JSON object, replaced in its text: every other byte stays as it was. Pure.

Reading the whole and writing it anew would change what belongs to others: long numbers lose digits,
doubled names vanish, the layout goes.
"""

from __future__ import annotations

import json
import re

_SPACE = re.compile(r"[ \t\n\r]*")
# Others' numbers are skipped over, never calculated with: any length will do.
_DECODER = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str)


class NoObjectError(ValueError):
    """The text is no JSON object."""


def parsed(text: str) -> object:
    """Return the value of a JSON text; None where it is none."""
    try:
        return json.loads(text)
    # RecursionError: nested too deep; ValueError also for more digits than Python converts.
    except (ValueError, RecursionError):
        return None


def member(text: str, name: str) -> object:
    """Return the member `name`, None when there is none. Raises NoObjectError."""
    span = _find(text, name)[0]
    return parsed(text[slice(*span)]) if span else None


def with_member(text: str, name: str, value: str) -> str:
    """Return `text` with its member `name` being the JSON `value`. Raises NoObjectError.

    Where the name is there twice, the last is replaced: it is the one that readers take.
    """
    span, end, empty = _find(text, name)
    if span:
        return text[: span[0]] + value + text[span[1] :]
    comma = "" if empty else ", "
    return f"{text[:end]}{comma}{json.dumps(name)}: {value}{text[end:]}"


def _find(text: str, name: str) -> tuple[tuple[int, int] | None, int, bool]:
    """Return where the value of `name` is, where the last member ends, and if there is none."""
    try:
        return _scan(text, name)
    except (ValueError, RecursionError):
        raise NoObjectError("no JSON object") from None


def _scan(text: str, name: str) -> tuple[tuple[int, int] | None, int, bool]:
    span = None
    at = end = _after(text, _space(text, 0), "{")
    first = _space(text, at)
    empty = text[first : first + 1] == "}"
    while not empty:
        at = _space(text, at)
        _after(text, at, '"')
        key, at = _DECODER.raw_decode(text, at)
        start = _space(text, _after(text, _space(text, at), ":"))
        _, end = _DECODER.raw_decode(text, start)
        if key == name:
            span = (start, end)
        at = _space(text, end)
        if text[at : at + 1] != ",":
            break
        at += 1
    at = _after(text, _space(text, at), "}")
    if _space(text, at) != len(text):
        raise ValueError("more than one value")
    return span, end, empty


def _space(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _after(text: str, at: int, expected: str) -> int:
    if text[at : at + 1] != expected:
        raise ValueError(f"no {expected}")
    return at + 1
