"""When a trading day begins: at one time of day in one zone, once for every date. Pure.

A time that a change to summer time skips is taken as many minutes after the change as it would have
been after it; one that comes twice counts the first time. A day is 23 or 25 hours long then.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import tzinfo

# Moments outside of these (1970 and 9998) are taken for the nearer of them.
_EARLIEST = 86_400.0 * 3
_LATEST = 253_370_764_800.0


class Calendar:
    """Tells the trading day of a moment, as the ordinal of its date; `key` tells it from others."""

    def __init__(self, starts: time, zone: tzinfo) -> None:
        self._starts = starts
        self._zone = zone
        self._known = (0.0, 0.0, 0)
        self.key = f"{starts:%H:%M} {zone}"

    def day(self, wall: float) -> int:
        """Return the day that `wall`, s since the epoch, belongs to."""
        begin, end, day = self._known
        if not begin <= wall < end:
            begin, end, day = self._known = self._look_up(min(max(wall, _EARLIEST), _LATEST))
        return day

    def start(self, day: int) -> float:
        """Return when that day begins, s since the epoch."""
        local = datetime.combine(date.fromordinal(day), self._starts, tzinfo=self._zone)
        return local.timestamp()

    def _look_up(self, wall: float) -> tuple[float, float, int]:
        local = datetime.fromtimestamp(wall, UTC).astimezone(self._zone).date()
        day = (local + timedelta(days=1)).toordinal()
        while self.start(day) > wall:
            day -= 1
        return self.start(day), self.start(day + 1), day
