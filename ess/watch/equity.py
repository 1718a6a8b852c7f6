"""The account's equity as heard: which figure is judged, and which one is credible. Pure.

A fall is believed at once. A rise of more than a tenth from one figure to the next is believed when
three in a row say so, and then by the lowest of them: a single wild figure becomes no peak, no
day's start and no high of a window from which the next true figure would look like a crash.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ess.watch import stored
from ess.watch.clock import Clock
from ess.watch.hearing import Hearing, Weight

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ess.watch.sample import Now, Sample

SPIKE = 0.10
CONFIRM = 3


class Equity:
    """`figure`: what is judged now; `level`: the last credible one. None before the first."""

    def __init__(self, silence: float) -> None:
        self.clock = Clock()
        self.hearing = Hearing(silence)
        self.figure: float | None = None
        self.level: float | None = None
        self._rising: list[float] = []

    def take(self, sample: Sample, now: Now) -> Weight:
        """Take in one sample; return NEWS of `level`, or that it ACCUSES with a lower `figure`."""
        value = sample.value
        if not isinstance(value, int | float):
            self.hearing.garbage(f"no figure: {sample.raw}" if sample.raw else "", now)
            return Weight.NOTHING
        if self.level is None and value <= 0:
            return self.hearing.garbage(f"not above zero: {sample.raw or value}", now)
        weight = self.hearing.take(sample, now, self.clock)
        if weight is Weight.ACCUSES and self.figure is not None:
            self.figure = min(self.figure, value)
        if weight is Weight.NEWS and not self._settle(value):
            return Weight.NOTHING
        return weight

    def remember(self) -> dict[str, object]:
        """Return what has to outlive a restart."""
        return {
            "clock": self.clock.remember(),
            "hearing": self.hearing.remember(),
            "figure": self.figure,
            "level": self.level,
            "rising": list(self._rising),
        }

    @classmethod
    def recalled(
        cls, silence: float, state: Mapping[str, object], now: Now
    ) -> tuple[Equity, float]:
        """Return what goes on from an earlier process, and what to add to its boottimes.

        Raises ValueError.
        """
        equity = cls(silence)
        equity.clock, shift = Clock.recalled(stored.table(state, "clock"), now)
        heard = stored.table(state, "hearing")
        equity.hearing = Hearing.recalled(silence, heard, equity.clock, (shift, now))
        equity.figure, equity.level = stored.maybe(state, "figure"), stored.maybe(state, "level")
        equity._rising = stored.reals(state, "rising", CONFIRM - 1)
        if (equity.level is None) is not (equity.figure is None):
            message = "a figure without a level"
            raise ValueError(message)
        return equity, shift

    def _settle(self, value: float) -> bool:
        if self.level is not None and value > self.level + abs(self.level) * SPIKE:
            self._rising.append(value)
            if len(self._rising) < CONFIRM:
                return False
            value = min(self._rising)
        self._rising.clear()
        self.figure = self.level = value
        return True
