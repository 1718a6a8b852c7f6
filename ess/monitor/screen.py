"""The screen of the monitor: a picture, as lines. Pure.

The first line answers the question, the next says what to do; the worst is always at the top.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ess import report
from ess.audit import history
from ess.monitor import limits
from ess.monitor.layout import Line, fit, stamp, wrap
from ess.monitor.picture import Role

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ess.monitor.picture import Past, Picture, Unit

WIDTH = report.WIDTH
_REASONS = 2
_UNITS = 12


def lines(picture: Picture, width: int = WIDTH) -> list[Line]:
    """Return the screen, no line longer than `width` columns (40 at least)."""
    now = picture.view.now
    parts = [
        _status(picture),
        limits.lines(picture.watch, now, width),
        list(_units(picture)),
        _past(picture.past, width),
        [Line(f"As of {stamp(now)}")],
    ]
    found: list[Line] = []
    for part in parts:
        found += [Line(""), *part] if part and found else part
    return [each for line in found for each in fit(line, width)]


def _status(picture: Picture) -> list[Line]:
    tones: dict[str, str] = {}

    def note(text: str, tone: str) -> str:
        tones[text] = tone
        return text

    # The watcher has a part of its own.
    text = report.status_text(picture.view._replace(watch=None), note, _REASONS)
    return [Line(line, tones.get(line, "")) for line in text.split("\n")]


def _units(picture: Picture) -> Iterator[Line]:
    yield Line("UNITS")
    for role in Role:
        mine = [unit for unit in picture.units if unit.role is role]
        rows = [(unit, _tone(unit, latched=picture.view.active)) for unit in mine]
        # Sorting keeps the order of those that are alike.
        rows.sort(key=lambda row: not row[1])
        for unit, tone in rows[:_UNITS]:
            yield _unit(unit, tone)
        if rest := [unit for unit, _ in rows[_UNITS:]]:
            yield Line(f"  {role.value:<8} ... and {len(rest)} more{_alive(rest)}")


def _alive(units: Sequence[Unit]) -> str:
    return f", {sum(unit.alive is True for unit in units)} of them alive"


def _unit(unit: Unit, tone: str) -> Line:
    word = {True: "alive", False: "down", None: "UNKNOWN"}[unit.alive]
    usual = ("active (running)", "inactive (dead)")
    state = f"  {unit.state}" if unit.state and unit.state not in usual else ""
    return Line(f"  {unit.role.value:<8} {word:<8} {unit.name}{state}", tone)


def _tone(unit: Unit, *, latched: bool) -> str:
    if unit.role is Role.TRADING and latched:
        return "" if unit.alive is False else "bad"
    return "" if unit.alive else "warn"


def _past(past: Past | None, width: int) -> list[Line]:
    if past is None:
        return []
    head = Line("LAST STOPS")
    if past.trouble:
        return wrap(f"not known: {past.trouble}", width, "LAST STOPS: ")
    return [head, *map(Line, history.text(list(past.activations)).split("\n"))]
