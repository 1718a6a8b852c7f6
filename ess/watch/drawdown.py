"""Trips when equity is too far below its peak, which outlives every restart. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ess.watch import stored
from ess.watch.equity import Equity
from ess.watch.hearing import Weight
from ess.watch.verdict import Mood, Verdict
from ess.watch.words import beyond, near, percent, plain, severity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ess.watch.sample import Now, Sample


class Drawdown:
    """Equity must not be more than `limit` % below the highest credible figure ever heard."""

    name = "drawdown"
    wants = frozenset({"equity"})

    def __init__(self, limit: float, silence: float) -> None:
        self._limit = limit
        self._equity = Equity(silence)
        self._peak: float | None = None

    def hear(self, sample: Sample, now: Now) -> None:
        """Take in a figure."""
        self._equity.clock.see(now)
        weight, level = self._equity.take(sample, now), self._equity.level
        if weight is Weight.NEWS and level is not None:
            self._peak = max(self._peak or level, level)

    def judge(self, now: Now) -> Verdict:
        """Return how it stands."""
        self._equity.clock.see(now)
        figure, peak = self._equity.figure, self._peak
        blind = self._equity.hearing.verdict(self.name, "equity", now)
        if figure is None or peak is None:
            return blind or Verdict(
                self.name, Mood.LEARNING, "no figure yet to measure a drawdown by"
            )
        down = (peak - figure) / peak * 100
        text = f"drawdown {percent(down, self._limit)} ({plain(figure)} of a peak of {plain(peak)})"
        if beyond(down, self._limit):
            return self._say(Mood.BREACH, f"{text} is beyond the limit of", down)
        return blind or self._say(Mood.QUIET, f"{text}, limit", down)

    def remember(self) -> dict[str, object]:
        """Return the peak, and what was heard."""
        return {"equity": self._equity.remember(), "peak": self._peak}

    def recall(self, state: Mapping[str, object], now: Now) -> None:
        """Take it up. Raises ValueError."""
        peak = stored.maybe(state, "peak")
        if peak is not None and peak <= 0:
            message = "peak is not above zero"
            raise ValueError(message)
        silence = self._equity.hearing.limit
        self._equity, _ = Equity.recalled(silence, stored.table(state, "equity"), now)
        self._peak = peak

    def rebase(self) -> None:
        """Take the last credible figure for the peak: a person's word, never a sample's."""
        level = self._equity.level
        self._peak = level if level is not None and level > 0 else None

    def _say(self, mood: Mood, text: str, down: float) -> Verdict:
        heard = self._equity.hearing.sample
        return Verdict(
            self.name,
            mood,
            f"{text} {self._limit:g} %",
            down,
            self._limit,
            near(down, self._limit),
            (heard,) if heard else (),
            severity(down, self._limit),
        )
