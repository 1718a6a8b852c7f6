"""Lines of so many columns, without relying on colour. Pure."""

from __future__ import annotations

import textwrap
import time
import unicodedata
from typing import NamedTuple

_AGES = ((86400.0, "days"), (3600.0, "h"), (60.0, "min"))
_LONGEST = 1000 * 86400.0
_WIDE = "WF"
# Follows each character that takes two columns while text is measured.
_SECOND = "\0"


class Line(NamedTuple):
    """`tone`: bad, warn, good, strong or ""; it never says what the text does not."""

    text: str
    tone: str = ""


def wrap(text: str, width: int, first: str = "", tone: str = "") -> list[Line]:
    """Return the text in lines of at most `width` columns, the first one begun with `first`."""
    measured = _measured(text)
    found = textwrap.wrap(
        measured,
        # A line may end between a wide character and its second column.
        width - (_SECOND in measured),
        initial_indent=_measured(first),
        subsequent_indent=" " * columns(first),
        break_on_hyphens=False,
    )
    return [Line(line.replace(_SECOND, ""), tone) for line in found or [first]]


def fit(line: Line, width: int) -> list[Line]:
    """Return the line, or as many as it takes."""
    if columns(line.text) <= width:
        return [line]
    text = line.text.lstrip()
    return wrap(text, width, line.text[: len(line.text) - len(text)], line.tone)


def columns(text: str) -> int:
    """Return how many columns of a terminal the text takes, at most."""
    return len(_measured(text))


def cut(text: str, most: int) -> str:
    """Return the text, or its beginning, in at most `most` columns."""
    if columns(text) <= most:
        return text
    return f"{_measured(text)[: most - 4].replace(_SECOND, '')}..."


def bar(nearness: float, width: int = 10) -> str:
    """Return how close to a limit (1.0) it is; full at the limit only."""
    full = int(nearness * width)
    return f"[{'#' * full}{'-' * (width - full)}]"


def percent(nearness: float) -> str:
    """Return the same as a figure; 100 % at the limit only."""
    return f"{int(nearness * 100):>3} %"


def span(seconds: float) -> str:
    """Return an age, however absurd, in the unit a person would use."""
    if seconds >= _LONGEST:
        return "more than 1000 days"
    for size, unit in _AGES:
        if seconds >= size:
            return f"{seconds // size:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


def stamp(moment: float) -> str:
    """Return a moment (s since the epoch) for a person, in UTC."""
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(moment))
    except (ValueError, OverflowError, OSError):
        return "an unknown time"


def crop(lines: list[Line], height: int) -> list[Line]:
    """Return what goes on `height` lines: from the top, with the last line always there."""
    if len(lines) <= height:
        return lines
    left_out = len(lines) - height + 1
    note = Line(f"... {left_out} more lines; without --watch all are shown", "warn")
    return [*lines[: max(0, height - 2)], note, lines[-1]][-height:]


def _measured(text: str) -> str:
    return "".join(
        char + _SECOND if unicodedata.east_asian_width(char) in _WIDE else char for char in text
    )
