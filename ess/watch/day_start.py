"""What the account was worth when the day began, and that a wrong clock does not hide a loss. Pure.

A day begins with the last credible figure of the day before, or with its own first one where the
day before had none. A jump of the clock over the start of a day, either way, starts no new count:
the higher of the old start and the last figure stays the start, so that a loss never gets smaller
by it, and the same holds for every start of a day within 24 h after a jump. A reboot over
the start of a day is taken for a jump, nobody can tell how long the host was off, and so is another
start of the day in the settings.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ess.watch import stored

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ess.watch.day import Calendar
    from ess.watch.sample import Now

_LATER = 86_400.0
_NEVER = float("-inf")


class DayStart:
    """`worth`: at the start of the day, None until a figure is known; `carried`: see above."""

    def __init__(self, calendar: Calendar) -> None:
        self._calendar = calendar
        self.worth: float | None = None
        self.carried = False
        self._day: int | None = None
        self._before: tuple[int, float] | None = None
        self._level: tuple[int, float] | None = None
        self._jumped = _NEVER
        self._doubt = False

    def turn(self, now: Now, jump: float) -> None:
        """Take note of the time; `jump`: how far the wall clock has just jumped, in s."""
        day = self._calendar.day(now.wall)
        if jump:
            self._jumped = now.boottime
        doubt = jump != 0 or self._doubt
        self._doubt = False
        if self._day is None or day == self._day:
            self._day = day
        elif doubt or (day > self._day and now.boottime - self._jumped <= _LATER):
            self._carry(day)
        elif day > self._day:
            self._begin(day)

    def level(self, value: float) -> None:
        """Take note of a credible figure, after the time it came at."""
        if self._day is None or value <= 0:
            return
        self._level = (self._day, value)
        if self.worth is None:
            self.worth = value

    def restart(self) -> None:
        """Begin the day anew, with the last credible figure."""
        self.worth = self._level[1] if self._level else None
        self._before, self.carried = None, False

    def remember(self) -> dict[str, object]:
        """Return what has to outlive a restart."""
        return {
            "calendar": self._calendar.key,
            "day": self._day,
            "worth": self.worth,
            "carried": self.carried,
            "before": self._before,
            "level": self._level,
            "jumped": None if self._jumped == _NEVER else self._jumped,
        }

    @classmethod
    def recalled(
        cls, calendar: Calendar, state: Mapping[str, object], shift: float, *, rebooted: bool
    ) -> DayStart:
        """Return what goes on from an earlier process. Raises ValueError."""
        start = cls(calendar)
        day, jumped = stored.maybe(state, "day"), stored.maybe(state, "jumped")
        start._day = None if day is None else int(day)
        start.worth = stored.maybe(state, "worth")
        if start.worth is not None and start.worth <= 0:
            message = "worth is not above zero"
            raise ValueError(message)
        start._before, start._level = _dated(state, "before"), _dated(state, "level")
        start.carried = state.get("carried") is True
        start._jumped = _NEVER if jumped is None else jumped + shift
        start._doubt = rebooted or state.get("calendar") != calendar.key
        return start

    def _begin(self, day: int) -> None:
        if self._day is not None and self.worth is not None:
            self._before = (self._day, self.worth)
        known = self._level is not None and self._level[0] == day - 1
        self.worth = self._level[1] if known and self._level else None
        self._day, self.carried = day, False

    def _carry(self, day: int) -> None:
        known = [self.worth, self._level and self._level[1]]
        if self._before and self._before[0] == day:
            known.append(self._before[1])
        worths = [worth for worth in known if worth is not None]
        self.worth = max(worths, default=None)
        if self._level:
            self._level = (day, self._level[1])
        self._day, self.carried = day, True


def _dated(state: Mapping[str, object], key: str) -> tuple[int, float] | None:
    if state.get(key) is None:
        return None
    values = stored.reals(state, key, 2)
    if len(values) != 2 or values[1] <= 0:  # noqa: PLR2004 - a day and a figure
        message = f"{key} is no day with a figure"
        raise ValueError(message)
    return int(values[0]), values[1]
