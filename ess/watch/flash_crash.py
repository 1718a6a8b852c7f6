"""Trips when equity falls too much within a short time. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ess.watch import stored
from ess.watch.equity import Equity
from ess.watch.hearing import Weight
from ess.watch.verdict import Mood, Verdict
from ess.watch.window import MOST_STEPS, Step, Window
from ess.watch.words import beyond, near, percent, plain, severity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ess.watch.sample import Now, Sample


class FlashCrash:
    """Equity must not fall by more than `limit` % within `span` s.

    Every figure is judged as it comes, against the highest credible one that stood in the `span` s
    before it was written; a figure stands until the next one, for at most `silence` s. A crash
    stands for `span` s, also when equity recovers meanwhile: it is seen however seldom one looks.
    """

    name = "flash-crash"
    wants = frozenset({"equity"})

    def __init__(self, limit: float, span: float, silence: float) -> None:
        self._limit = limit
        self._span = span
        self._equity = Equity(silence)
        self._highs = Window(span, silence)
        self._falls = Window(span, 0.0)

    def hear(self, sample: Sample, now: Now) -> None:
        """Take in a figure."""
        self._equity.clock.see(now)
        weight, figure = self._equity.take(sample, now), self._equity.figure
        if weight is Weight.NOTHING or figure is None:
            return
        if weight is Weight.NEWS:
            written = self._equity.hearing.written or now.boottime
        else:
            # An older figure heard once more, after a rise, is no fall.
            written = self._equity.clock.written(sample, now)
        self._measure(figure, written, now)
        if weight is Weight.NEWS:
            self._highs.push(written, figure)

    def judge(self, now: Now) -> Verdict:
        """Return how it stands."""
        self._equity.clock.see(now)
        blind = self._equity.hearing.verdict(self.name, "equity", now)
        if self._equity.figure is None:
            return blind or Verdict(self.name, Mood.LEARNING, "no figure yet to measure a fall by")
        worst = self._falls.highest(now.boottime)
        fall, high = (worst.value, worst.of) if worst else (0.0, self._equity.figure)
        text = (
            f"equity fell by {percent(fall, self._limit)} within {self._span:g} s "
            f"({plain(high)} to {plain(high * (1 - fall / 100))})"
        )
        if beyond(fall, self._limit):
            return self._say(Mood.BREACH, f"{text}, beyond the limit of", fall)
        return blind or self._say(Mood.QUIET, f"{text}, limit", fall)

    def remember(self) -> dict[str, object]:
        """Return the window, and what was heard."""
        return {
            "equity": self._equity.remember(),
            "highs": [list(step) for step in self._highs.steps()],
            "falls": [list(step) for step in self._falls.steps()],
        }

    def recall(self, state: Mapping[str, object], now: Now) -> None:
        """Take it up. Raises ValueError."""
        highs, falls = _steps(state, "highs"), _steps(state, "falls")
        silence = self._equity.hearing.limit
        self._equity, shift = Equity.recalled(silence, stored.table(state, "equity"), now)
        self._highs.restore(_moved(highs, shift, now))
        self._falls.restore(_moved(falls, shift, now))

    def rebase(self) -> None:
        """Begin to measure anew: a person's word, never a sample's."""
        self._highs = Window(self._span, self._equity.hearing.limit)
        self._falls = Window(self._span, 0.0)

    def _measure(self, figure: float, moment: float, now: Now) -> None:
        high = self._highs.highest(moment)
        if high is not None and high.value > 0:
            fall = (high.value - figure) / high.value * 100
            self._falls.push(now.boottime, fall, high.value)

    def _say(self, mood: Mood, text: str, fall: float) -> Verdict:
        heard = self._equity.hearing.sample
        return Verdict(
            self.name,
            mood,
            f"{text} {self._limit:g} %",
            fall,
            self._limit,
            near(fall, self._limit),
            (heard,) if heard else (),
            severity(fall, self._limit),
        )


def _steps(state: Mapping[str, object], key: str) -> list[Step]:
    found = state.get(key)
    if not isinstance(found, list) or len(found) > MOST_STEPS:
        message = f"{key} is no list of steps"
        raise ValueError(message)
    steps = [stored.reals({key: step}, key, len(Step._fields)) for step in found]
    if any(len(step) != len(Step._fields) for step in steps):
        message = f"{key} has what is no step"
        raise ValueError(message)
    return [Step(*step) for step in steps]


def _moved(steps: list[Step], shift: float, now: Now) -> list[Step]:
    return [
        step._replace(since=min(step.since + shift, now.boottime), until=step.until + shift)
        for step in steps
    ]
