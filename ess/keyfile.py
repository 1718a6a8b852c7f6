"""KEY=VALUE files of layer 2: one assignment a line, `#` begins a comment line.

A pair of quotes around a value is taken off and nothing else is read into it, so that a password
may hold anything but a line break. A wrong line is reported and the others count. Pure.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

LARGEST = 65536
_ASSIGNMENT = re.compile(r"([A-Z_][A-Z0-9_]*)=(.*)", re.ASCII)


def parse(
    data: bytes, path: str, problems: list[str], wrong: Callable[[str, str], str]
) -> dict[str, str]:
    """Return the assignments in `data`, and add what is wrong to `problems`.

    `wrong` returns what is wrong with a key and its value, "" when nothing is.
    """
    if len(data) > LARGEST:
        problems.append(f"{path}: larger than {LARGEST} bytes; nothing of it is used")
        return {}
    found: dict[str, str] = {}
    for number, raw in enumerate(data.split(b"\n"), start=1):
        line = raw.decode("utf-8", "replace").strip()
        if not line or line.startswith(("#", ";")):
            continue
        match = _ASSIGNMENT.fullmatch(line)
        key, value = (match[1], _unquoted(match[2])) if match else ("", "")
        if not match:
            said = "not KEY=VALUE; no spaces around ="
        elif key in found:
            said = f"{key} is set a second time; the first counts"
        elif not value.isprintable():
            said = f"{key}: control characters in the value"
        else:
            said = wrong(key, value)
        if said:
            problems.append(f"{path}:{number}: {said}")
        else:
            found[key] = value
    return found


def _unquoted(value: str) -> str:
    if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
        return value[1:-1]
    return value
