"""Evaluators of the operator's own: Python entry points of the group quantum_ess.evaluators.

Each runs in a process of its own and is asked once an interval; one that crashes, hangs or talks
nonsense is ended and started anew, and says nothing meanwhile, which is judged like any silence.

An entry point is called without arguments and returns an object with

    check() -> tuple[bool, str | None]        may be `async def`

whose answer is whether trading is to be stopped, and why.
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from ess.errors import EssError
from ess.process import Partner, PartnerError
from ess.text import clean
from ess.watch.sample import Sample
from ess.watch.source import heard_now, repeat
from ess.watch.verdict import Mood, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ess.watch.sample import Now
    from ess.watch.source import Deliver, Report

GROUP = "quantum_ess.evaluators"
PATIENCE = 5.0  # s for one answer
_START = 15.0  # s for the first one, which comes after the start of a Python
_RAW = 80


class CustomError(EssError):
    """There is no evaluator of this name, or it cannot be loaded."""


def names() -> list[str]:
    """Return the names of the entry points that are installed."""
    return sorted({clean(one.name, 40) for one in entry_points(group=GROUP)})


class CustomSource:
    """Ask one evaluator every `interval` s; its process is ours and dies with us."""

    def __init__(self, name: str, interval: float, argv: tuple[str, ...] | None = None) -> None:
        self.name = f"custom, {name}"
        self._sample = f"custom:{name}"
        self._interval = interval
        own = (sys.executable, "-I", "-m", "ess", "watch", "evaluator", name)
        # Also when we are killed: an evaluator that ignores everything must not outlive us.
        self._argv = ("setpriv", "--pdeathsig", "KILL", *(argv or own))
        self._partner: Partner | None = None

    def run(self, deliver: Deliver, report: Report) -> None:
        """Deliver an answer every interval, for ever."""
        repeat(lambda: self.once(deliver, report), self._interval)

    def once(self, deliver: Deliver, report: Report) -> None:
        """Deliver one answer, or that there was none."""
        try:
            answer = self._ask()
        except PartnerError as error:
            self.end()
            report.wrong(str(error))
            deliver([self._made(None, str(error))], "")
            return
        if answer.value is None:
            report.wrong(answer.raw or "said neither true nor false")
        else:
            report.fine()
        deliver([answer], "")

    def end(self) -> None:
        """End the process."""
        if self._partner is not None:
            self._partner.end()
            self._partner = None

    def _ask(self) -> Sample:
        patience = PATIENCE
        if self._partner is None:
            self._partner = Partner(self._argv)
            patience = _START
        line = self._partner.ask("check", patience)
        try:
            trips, reason = json.loads(line)
        except (ValueError, TypeError, RecursionError):
            raise PartnerError("answered nonsense") from None
        return self._made(float(trips) if isinstance(trips, bool) else None, str(reason or ""))

    def _made(self, value: float | None, raw: str) -> Sample:
        return Sample(self._sample, value, None, heard_now(), clean(raw, _RAW))


class CustomEvaluator:
    """What an evaluator of the operator's says, and how long it has said nothing. `silence`: s."""

    def __init__(self, name: str, silence: float) -> None:
        self.name = f"custom:{name}"
        self.wants = frozenset({self.name})
        self._silence = silence
        self._last: Sample | None = None
        self._failure: Sample | None = None

    def hear(self, sample: Sample, now: Now) -> None:  # noqa: ARG002 - of the protocol
        """Take in an answer, or that there was none."""
        if sample.value is None:
            self._failure = sample
        else:
            self._last, self._failure = sample, None

    def judge(self, now: Now) -> Verdict:
        """Return what it said last, unless that is too old."""
        if self._last is None:
            why = f" ({self._failure.raw})" if self._failure else ""
            return Verdict(self.name, Mood.LEARNING, f"{self.name} has not answered yet{why}")
        inputs = (self._last,)
        if self._last.value:
            reason = f"{self.name}: {self._last.raw or 'no reason given'}"
            return Verdict(self.name, Mood.BREACH, reason, 1.0, 1.0, 1.0, inputs, 1.0)
        age = now.boottime - self._last.heard
        if age > self._silence:
            why = f": {self._failure.raw}" if self._failure else ""
            reason = f"{self.name} silent for {age:.0f} s, limit {self._silence:g} s{why}"
            severity = age / self._silence
            return Verdict(self.name, Mood.BLIND, reason, age, self._silence, 1.0, inputs, severity)
        reason = f"{self.name}: {self._last.raw or 'fine'}"
        return Verdict(self.name, Mood.QUIET, reason, 0.0, 1.0, 0.0, inputs)

    def remember(self) -> dict[str, object]:
        """Return whether it was ever heard: after a restart its silence is still a silence."""
        return {} if self._last is None else {"heard": self._last.heard}

    def recall(self, state: Mapping[str, object], now: Now) -> None:
        """Take up that it was heard. Garbage is a ValueError and changes nothing."""
        if "heard" not in state:
            return
        heard = state["heard"]
        if isinstance(heard, bool) or not isinstance(heard, int | float):
            raise ValueError(f"{self.name}: heard is no number")
        # Of another boot, or made up: it counts as heard now, and its silence begins.
        moment = heard if heard <= now.boottime else now.boottime
        self._last = Sample(self.name, 0.0, None, moment, "heard before the restart")
