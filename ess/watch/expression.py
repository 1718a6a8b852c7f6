"""Trips when a figure of Prometheus compares to a number as it should not. Pure."""

from __future__ import annotations

import math
import operator
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ess.watch import stored
from ess.watch.clock import Clock
from ess.watch.hearing import Hearing, Weight
from ess.watch.verdict import Mood, Verdict
from ess.watch.words import near, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ess.watch.sample import Now, Sample

_HOLDS: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
}
_COMPARISON = re.compile(
    r"(?P<query>.*\S)\s*(?P<sign>>=|<=|==|!=|>|<)\s*"
    r"(?P<limit>[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)",
    re.ASCII,
)
_QUOTED = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|`[^`]*`")
_INNERMOST = re.compile(r"\([^()]*\)|\{[^{}]*\}|\[[^\[\]]*\]")
_LONGEST = 1000
_SIGN = re.compile(r"[<>]|==|!=")


@dataclass(frozen=True, slots=True)
class Comparison:
    """`query` is asked of Prometheus; its answer breaks the limit when `sign` holds against it."""

    query: str
    sign: str
    limit: float

    def holds(self, value: float) -> bool:
        """Tell whether the limit is broken."""
        return _HOLDS[self.sign](value, self.limit)

    def worst(self, values: Iterable[float]) -> float | None:
        """Return the value of several series that is to be judged; None when there is none."""
        known = [value for value in values if not math.isnan(value)]
        if not known:
            return None
        if self.sign in (">", ">="):
            return max(known)
        if self.sign in ("<", "<="):
            return min(known)
        return next((value for value in known if self.holds(value)), known[0])


def parse(text: str) -> Comparison:
    """Return the comparison `PROMQL SIGN NUMBER`. Raises ValueError that says what is wrong.

    The comparison is taken off what is asked: to Prometheus, a comparison that is not true is a
    result that is not there, which could not be told from a figure that is missing.
    """
    if len(text) > _LONGEST:
        message = f"longer than {_LONGEST} characters"
        raise ValueError(message)
    match = _COMPARISON.fullmatch(text.strip())
    if match is None:
        message = "must end in a comparison with a number, like: up == 0"
        raise ValueError(message)
    unquoted = rest = _QUOTED.sub("", match["query"])
    while rest != (rest := _INNERMOST.sub("", rest)):
        pass
    if re.search(r"[\"'`]", unquoted) or re.search(r"[(){}\[\]]", rest):
        message = "brackets or quotes do not match"
        raise ValueError(message)
    if _SIGN.search(rest) or re.search(r"\b(?:and|or|unless)\b", rest):
        message = "compares more than once; put brackets around what is compared with the number"
        raise ValueError(message)
    limit = float(match["limit"])
    if not math.isfinite(limit):
        message = "the number is too large"
        raise ValueError(message)
    return Comparison(match["query"].strip(), match["sign"], limit)


class Expression:
    """The figure `expr:NAME` must not compare so; it must be heard every `silence` s."""

    def __init__(self, name: str, comparison: Comparison, silence: float) -> None:
        self.name = f"expr:{name}"
        self.comparison = comparison
        self.wants = frozenset({self.name})
        self._clock = Clock()
        self._hearing = Hearing(silence)
        self._figure: float | None = None

    def hear(self, sample: Sample, now: Now) -> None:
        """Take in a figure; the first one ever only arms."""
        self._clock.see(now)
        value, armed = sample.value, self._hearing.armed
        if isinstance(value, str):
            self._hearing.garbage(f"no figure: {sample.raw or value}", now)
            return
        weight = self._hearing.take(sample, now, self._clock)
        if value is None or not armed or weight is Weight.NOTHING:
            return
        if weight is Weight.NEWS or self.comparison.holds(value):
            self._figure = value

    def judge(self, now: Now) -> Verdict:
        """Return how it stands."""
        self._clock.see(now)
        figure, test = self._figure, self.comparison
        if figure is not None and test.holds(figure):
            text = f"{test.query} is {plain(figure)}, limit {test.sign} {plain(test.limit)}"
            return self._say(Mood.BREACH, text, figure)
        if blind := self._hearing.verdict(self.name, test.query, now):
            return blind
        if figure is None:
            return Verdict(self.name, Mood.LEARNING, f"{test.query}: no figure yet to judge")
        text = f"{test.query} is {plain(figure)}, limit {test.sign} {plain(test.limit)}"
        return self._say(Mood.QUIET, text, figure)

    def remember(self) -> dict[str, object]:
        """Return the last figure; of another comparison's it would be no figure."""
        return {
            "clock": self._clock.remember(),
            "hearing": self._hearing.remember(),
            "figure": self._figure,
            "query": self.comparison.query,
        }

    def recall(self, state: Mapping[str, object], now: Now) -> None:
        """Take it up, when it is about the same question. Raises ValueError."""
        figure, query = stored.maybe(state, "figure"), stored.word(state, "query")
        if query != self.comparison.query:
            return
        clock, shift = Clock.recalled(stored.table(state, "clock"), now)
        heard = stored.table(state, "hearing")
        self._hearing = Hearing.recalled(self._hearing.limit, heard, clock, (shift, now))
        self._clock, self._figure = clock, figure

    def _say(self, mood: Mood, text: str, figure: float) -> Verdict:
        limit, heard = self.comparison.limit, self._hearing.sample
        broken = mood is Mood.BREACH
        return Verdict(
            self.name,
            mood,
            text,
            figure,
            limit,
            1.0 if broken else self._near(figure),
            (heard,) if heard else (),
            1.0 + abs(figure - limit) / (abs(limit) or 1.0) if broken else 0.0,
        )

    def _near(self, figure: float) -> float:
        limit = self.comparison.limit
        if self.comparison.sign.startswith(">"):
            return near(figure, limit) if limit > 0 else 0.0
        if self.comparison.sign.startswith("<") and figure > 0:
            return near(limit, figure)
        return 0.0
