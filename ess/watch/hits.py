"""Trips when something happens too often in a short time: stop-losses, order errors. Pure."""

from __future__ import annotations

from bisect import insort
from typing import TYPE_CHECKING

from ess.watch import stored
from ess.watch.clock import Clock
from ess.watch.verdict import Mood, Verdict
from ess.watch.words import near, severity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ess.watch.sample import Now, Sample

# Kept beyond the limit, so that the count says something.
_MORE = 1000


class Hits:
    """There must be no more than `limit` events within `period` s; the limit itself is allowed.

    Every sample is one event, whatever its value; only one without value and text is none. It
    counts for `period` s from when it was written, from now when it is dated in the future or not
    at all. None happening is what should be: there is no silence here, and the first one counts.
    """

    def __init__(self, name: str, sample: str, what: str, limit: int, period: float) -> None:
        self.name = name
        self.wants = frozenset({sample})
        self._what = what
        self._limit = limit
        self._period = period
        self._clock = Clock()
        self._moments: list[float] = []
        self._last: Sample | None = None

    def hear(self, sample: Sample, now: Now) -> None:
        """Take in an event."""
        self._clock.see(now)
        if sample.value is None and not sample.raw:
            return
        written = min(self._clock.written(sample, now), now.boottime)
        if now.boottime - written > self._period:
            return
        self._last = sample
        insort(self._moments, written)
        self._forget(now)

    def judge(self, now: Now) -> Verdict:
        """Return how it stands."""
        self._clock.see(now)
        self._forget(now)
        count, minutes = len(self._moments), self._period / 60
        more = " or more" if count >= self._most else ""
        text = f"{count}{more} {self._what} within {minutes:g} min, "
        text += "beyond the limit of" if count > self._limit else "limit"
        return Verdict(
            self.name,
            Mood.BREACH if count > self._limit else Mood.QUIET,
            f"{text} {self._limit}",
            count,
            self._limit,
            near(count, self._limit),
            (self._last,) if self._last and count else (),
            severity(count, self._limit),
        )

    def remember(self) -> dict[str, object]:
        """Return the events of the window."""
        return {"clock": self._clock.remember(), "moments": list(self._moments)}

    def recall(self, state: Mapping[str, object], now: Now) -> None:
        """Take it up. Raises ValueError."""
        # A higher limit of the process before kept more of them.
        moments = sorted(stored.reals(state, "moments", 1_000_000))[-self._most :]
        clock, shift = Clock.recalled(stored.table(state, "clock"), now)
        self._moments = [min(moment + shift, now.boottime) for moment in moments]
        self._clock = clock

    @property
    def _most(self) -> int:
        return self._limit + _MORE

    def _forget(self, now: Now) -> None:
        gone = 0
        while gone < len(self._moments) and now.boottime - self._moments[gone] > self._period:
            gone += 1
        del self._moments[: max(gone, len(self._moments) - self._most)]
