"""How the two clocks go together: jumps of the wall clock, and moments of an earlier process. Pure.

All time that passes is measured on the boottime clock, which nobody can set. The wall clock serves
for what is dated by others, for the calendar day, and for what passed while the host was off:

- Within a boot, also over a restart of the watcher, a jump of the wall clock changes no age.
- Over a reboot, the time the host was off is what the wall clock says it was. Set back meanwhile,
  it counts as none; set forward, things look older than they are, which a boot cannot tell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ess.watch import stored
from ess.watch.sample import Now

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ess.watch.sample import Sample

# Clocks of two hosts may be apart by so many s, and ours may be slewed.
TOLERANCE = 5.0
_STEP = 2.0


class Clock:
    """Follows both clocks from one moment to the next."""

    def __init__(self) -> None:
        self._last: Now | None = None
        self._step = 0.0
        self._before = 0.0
        self.rebooted = False

    def see(self, now: Now) -> float:
        """Return by how many s the wall clock has jumped since the last look; 0.0: it has not."""
        last, self._last = self._last, now
        if last is None:
            return 0.0
        expected = last.wall + now.boottime - last.boottime
        step = now.wall - expected
        if abs(step) <= _STEP:
            return 0.0
        self._step, self._before = step, expected
        return step

    def ahead(self, sample: Sample, now: Now) -> float:
        """Return by how many s the sample is dated in the future; 0.0 within the tolerance."""
        if sample.at is None:
            return 0.0
        ahead = sample.at - self._wall_when_heard(sample, now)
        return ahead if ahead > TOLERANCE else 0.0

    def written(self, sample: Sample, now: Now) -> float:
        """Return when it was written, on the boottime clock; what is not dated was when heard.

        What is dated in the future was written when we heard it. What was dated before the clock
        was last set forward did not grow older by that.
        """
        if sample.at is None:
            return sample.heard
        age = self._wall_when_heard(sample, now) - sample.at
        if self._step > 0 and sample.at <= self._before:
            age -= self._step
        return sample.heard - max(0.0, age)

    def remember(self) -> dict[str, object]:
        """Return the last moment seen."""
        last = self._last or Now(0.0, 0.0)
        return {"wall": last.wall, "boottime": last.boottime, "boot": last.boot}

    @classmethod
    def recalled(cls, state: Mapping[str, object], now: Now) -> tuple[Clock, float]:
        """Return the clock that goes on from an earlier process, and what to add to its boottimes.

        Raises ValueError.
        """
        clock = cls()
        then = Now(
            stored.real(state, "wall"), stored.real(state, "boottime"), stored.word(state, "boot")
        )
        if then.boot and then.boot == now.boot and then.boottime <= now.boottime:
            clock._last = then
            return clock, 0.0
        # What is moved to this boot's time is remembered in it, however soon that is.
        clock._last, clock.rebooted = now, True
        return clock, now.boottime - then.boottime - max(0.0, now.wall - then.wall)

    @staticmethod
    def _wall_when_heard(sample: Sample, now: Now) -> float:
        return now.wall - max(0.0, now.boottime - sample.heard)
