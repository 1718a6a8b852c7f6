"""All evaluators together: who hears what, and that a broken one breaks no other. Pure."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from typing import TYPE_CHECKING

from ess.text import VALUE_BYTES, clean
from ess.watch.sample import RAW_BYTES, figure, moment
from ess.watch.verdict import Mood, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ess.watch.sample import Now, Sample
    from ess.watch.verdict import Evaluator

_ERROR_BYTES = 200


class Judge:
    """The evaluators, by name. One that fails for longer than `patience` s is BLIND."""

    def __init__(self, evaluators: Iterable[Evaluator], patience: float) -> None:
        self._patience = patience
        self._evaluators: dict[str, Evaluator] = {}
        self._named: dict[str, list[Evaluator]] = {}
        self._prefixed: list[tuple[str, Evaluator]] = []
        # Since when: one that no longer hears may go on to judge by what it heard long ago.
        self._deaf: dict[str, tuple[float, str]] = {}
        self._failing: dict[str, tuple[float, str]] = {}
        self._last: dict[str, Verdict] = {}
        self._kept: dict[str, object] = {}
        for evaluator in evaluators:
            self._add(evaluator)

    @property
    def names(self) -> tuple[str, ...]:
        """Return what the evaluators are called."""
        return tuple(self._evaluators)

    def hear(self, sample: Sample, now: Now) -> tuple[Verdict, ...]:
        """Tell the sample to all who want it; return how they stand now, at once."""
        sample, heard = _believable(sample, now), []
        for evaluator in self._wanting(sample.name):
            try:
                evaluator.hear(sample, now)
            except Exception as error:  # noqa: BLE001 - one that is broken is one that is blind
                self._deaf[evaluator.name] = self._since(self._deaf, evaluator, error, now)
            else:
                self._deaf.pop(evaluator.name, None)
            heard.append(self._judge(evaluator, now))
        return tuple(heard)

    def judge(self, now: Now) -> tuple[Verdict, ...]:
        """Return how every evaluator stands."""
        return tuple(self._judge(evaluator, now) for evaluator in self._evaluators.values())

    def remember(self) -> dict[str, object]:
        """Return what has to outlive a restart, by evaluator, as JSON.

        One that fails keeps what it remembered last, one that is not there now what was recalled.
        """
        for name, evaluator in self._evaluators.items():
            with contextlib.suppress(Exception):
                state = evaluator.remember()
                json.dumps(state, allow_nan=False)
                self._kept[name] = state
        return dict(self._kept)

    def recall(self, states: Mapping[str, object], now: Now) -> tuple[str, ...]:
        """Take up what was remembered; return what could not be, which has to learn anew.

        What belongs to evaluators that are switched off is kept for when they are back.
        """
        problems = []
        self._kept |= {name: states[name] for name in states if name not in self._evaluators}
        for name, evaluator in self._evaluators.items():
            state = states.get(name)
            if state is None:
                continue
            try:
                evaluator.recall(state if isinstance(state, dict) else {}, now)
            except Exception as error:  # noqa: BLE001 - garbage may raise anything in a plug-in
                problems.append(f"{name}: what it remembered is lost: {_said(error)}")
        return tuple(problems)

    def rebase(self, name: str) -> bool:
        """Let one evaluator measure anew; return whether there is one that measures."""
        measure_anew = getattr(self._evaluators.get(name), "rebase", None)
        if not callable(measure_anew):
            return False
        measure_anew()
        return True

    def _add(self, evaluator: Evaluator) -> None:
        if evaluator.name in self._evaluators:
            message = f"two evaluators are called {evaluator.name}"
            raise ValueError(message)
        self._evaluators[evaluator.name] = evaluator
        for name in evaluator.wants:
            if name.endswith(":"):
                self._prefixed.append((name, evaluator))
            else:
                self._named.setdefault(name, []).append(evaluator)

    def _wanting(self, name: str) -> list[Evaluator]:
        wanting = list(self._named.get(name, ()))
        wanting += [one for prefix, one in self._prefixed if name.startswith(prefix)]
        return wanting

    def _judge(self, evaluator: Evaluator, now: Now) -> Verdict:
        try:
            verdict = evaluator.judge(now)
            if not isinstance(verdict, Verdict):
                raise TypeError(type(verdict).__name__ + " is no verdict")
        except Exception as error:  # noqa: BLE001 - see hear
            self._failing[evaluator.name] = self._since(self._failing, evaluator, error, now)
            return self._failed(evaluator.name, self._failing[evaluator.name], now)
        self._failing.pop(evaluator.name, None)
        if len(verdict.reason) > VALUE_BYTES or not verdict.reason.isprintable():
            verdict = replace(verdict, reason=clean(verdict.reason))
        self._last[evaluator.name] = verdict
        if evaluator.name in self._deaf and not verdict.trips:
            return self._failed(evaluator.name, self._deaf[evaluator.name], now)
        return verdict

    @staticmethod
    def _since(
        known: Mapping[str, tuple[float, str]], evaluator: Evaluator, error: Exception, now: Now
    ) -> tuple[float, str]:
        since = known[evaluator.name][0] if evaluator.name in known else now.boottime
        return since, _said(error)

    def _failed(self, name: str, failing: tuple[float, str], now: Now) -> Verdict:
        last = self._last.get(name)
        if last is not None and last.mood is Mood.BREACH:
            return last
        age = now.boottime - failing[0]
        text = f"evaluator fails for {age:.0f} s, limit {self._patience:g} s: {failing[1]}"
        mood = Mood.BLIND if age > self._patience else Mood.QUIET
        near = min(1.0, age / self._patience)
        return Verdict(name, mood, text, age, self._patience, near, (), 1.0)


def _believable(sample: Sample, now: Now) -> Sample:
    """Return the sample as its makers promise it: no NaN, no time to come, nothing unprintable."""
    value = sample.value if isinstance(sample.value, str) else figure(sample.value)
    if value is None and sample.value is not None and not sample.raw:
        sample = replace(sample, raw=str(sample.value))
    return replace(
        sample,
        value=value,
        at=moment(sample.at),
        heard=min(sample.heard, now.boottime),
        raw=sample.raw if len(sample.raw) <= RAW_BYTES else clean(sample.raw, RAW_BYTES),
    )


def _said(error: Exception) -> str:
    return clean(f"{type(error).__name__}: {error}", _ERROR_BYTES)
