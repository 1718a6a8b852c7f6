"""Trips when equity falls too much within a short time. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ess.watch import stored
from ess.watch.equity import Equity
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
        self._fall: tuple[float, float, float, float] | None = None

    def hear(self, sample: Sample, now: Now) -> None:
        """Take in a figure."""
        self._equity.clock.see(now)
        if self._equity.take(sample, now) and self._equity.level is not None:
            written = self._equity.hearing.written
            self._measure(self._equity.level, now.boottime if written is None else written, now)
            self._highs.push(now.boottime if written is None else written, self._equity.level)
        elif self._equity.figure is not None and self._equity.figure != self._equity.level:
            self._measure(self._equity.figure, now.boottime, now)

    def judge(self, now: Now) -> Verdict:
        """Return how it stands."""
        self._equity.clock.see(now)
        if self._equity.figure is None:
            return Verdict(self.name, Mood.LEARNING, "no figure yet to measure a fall by")
        seen = self._standing(now)
        fall, high, figure = seen or (0.0, self._equity.figure, self._equity.figure)
        text = (
            f"equity fell by {percent(fall, self._limit)} within {self._span:g} s "
            f"({plain(high)} to {plain(figure)})"
        )
        if beyond(fall, self._limit):
            return self._say(Mood.BREACH, f"{text}, beyond the limit of", fall)
        if blind := self._equity.hearing.verdict(self.name, "equity", now):
            return blind
        return self._say(Mood.QUIET, f"{text}, limit", fall)

    def remember(self) -> dict[str, object]:
        """Return the window, and what was heard."""
        return {
            "equity": self._equity.remember(),
            "highs": [list(step) for step in self._highs.steps()],
            "fall": self._fall,
        }

    def recall(self, state: Mapping[str, object], now: Now) -> None:
        """Take it up. Raises ValueError."""
        steps = _steps(state)
        fall = None if state.get("fall") is None else stored.reals(state, "fall", 4)
        if fall is not None and len(fall) != 4:  # noqa: PLR2004 - when, how much, from, to
            message = "fall is no fall"
            raise ValueError(message)
        silence = self._equity.hearing.limit
        self._equity, shift = Equity.recalled(silence, stored.table(state, "equity"), now)
        self._highs.restore(
            [Step(value, since + shift, until + shift) for value, since, until in steps]
        )
        if fall:
            self._fall = (min(fall[0] + shift, now.boottime), fall[1], fall[2], fall[3])

    def rebase(self) -> None:
        """Begin to measure anew: a person's word, never a sample's."""
        self._highs = Window(self._span, self._equity.hearing.limit)
        self._fall = None

    def _measure(self, figure: float, moment: float, now: Now) -> None:
        high = self._highs.highest(moment)
        if high is None or high <= 0:
            return
        fall = (high - figure) / high * 100
        standing = self._standing(now)
        if standing is None or fall >= standing[0]:
            self._fall = (now.boottime, fall, high, figure)

    def _standing(self, now: Now) -> tuple[float, float, float] | None:
        if self._fall is None or now.boottime - self._fall[0] > self._span:
            return None
        return self._fall[1:]

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


def _steps(state: Mapping[str, object]) -> list[Step]:
    found = state.get("highs")
    if not isinstance(found, list) or len(found) > MOST_STEPS:
        message = "highs is no list of steps"
        raise ValueError(message)
    steps = [Step(*stored.reals({"step": step}, "step", 3)) for step in found if len(step) == 3]  # noqa: PLR2004 - a step has three
    if len(steps) != len(found) or any(step.value <= 0 for step in steps):
        message = "highs has what is no step"
        raise ValueError(message)
    return steps
