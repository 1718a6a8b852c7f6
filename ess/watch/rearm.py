"""Which verdicts trip now, given the latch, and what a person has released in spite of. Pure.

While the latch is on nothing trips, and what is broken then is what a person releases in spite of:
after the release it trips again when it gets worse, or when it is still broken `pause` s later.
What was not broken at the release trips at once; but whoever writes was stopped, too, so silence
counts for as long again as its limit allows, for `pause` at most.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ess.latch import State
from ess.watch import stored
from ess.watch.clock import Clock
from ess.watch.verdict import Mood, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ess.watch.sample import Now

# A trip that did not become a latch is asked for again after so many s.
RETRY = 10.0
# Below this part of its limit it is over, and the next time is another one.
_OVER = 0.8
_INPUTS = 20
_NEVER = float("-inf")


@dataclass(frozen=True, slots=True)
class Trip:
    """One trip: `reason` is one line, `inputs` what it was decided by, as text."""

    reason: str
    inputs: Mapping[str, str]
    verdicts: tuple[Verdict, ...]


class Rearm:
    """Remembers what was released in spite of; `pause`: s."""

    def __init__(self, pause: float) -> None:
        self._pause = pause
        self._clock = Clock()
        self._latched = False
        self._released = _NEVER
        self._accepted: dict[str, Verdict] = {}
        self._rehearsed: set[str] = set()
        self._asked: dict[str, tuple[float, Verdict]] = {}
        # Of that, what has been broken ever since, as it was when it was asked for last.
        self._open: dict[str, Verdict] = {}

    def decide(self, verdicts: Iterable[Verdict], latch: State, now: Now) -> Trip | None:
        """Return the trip to ask for now, None when there is no reason to.

        `verdicts` may be those of some evaluators only. A latch of which nothing is known does not
        keep from tripping.
        """
        self._clock.see(now)
        verdicts = tuple(verdicts)
        if latch is State.LATCHED:
            self._hold(verdicts)
            return None
        if self._latched and latch is State.CLEAR:
            self._latched, self._released = False, now.boottime
        due = tuple(verdict for verdict in verdicts if self._is_due(verdict, now))
        for verdict in due:
            self._asked[verdict.evaluator] = (now.boottime, verdict)
            self._open[verdict.evaluator] = verdict
        return _trip(due, now) if due else None

    def released(self, now: Now) -> None:
        """Count what was asked for, and is still broken, as released in spite of.

        For a latch that was on since it was asked for and is off again, without that decide() was
        told. What it was at the release is not known, so it counts as it was when asked for.
        """
        self._accepted |= self._open
        self._open.clear()
        self._asked.clear()
        self._latched, self._released = False, now.boottime

    def accept(self, verdicts: Iterable[Verdict], now: Now) -> None:
        """Count these as if a person had released in spite of them: a dry run trips nothing."""
        self._released = now.boottime
        broken = {one.evaluator: one for one in verdicts if one.trips}
        self._accepted |= broken
        self._rehearsed.update(broken)

    def end_rehearsal(self) -> None:
        """Forget what only a dry run has accepted: no person has released in spite of it."""
        for name in self._rehearsed:
            self._accepted.pop(name, None)
        if self._rehearsed:
            self._released = _NEVER
        self._rehearsed.clear()

    def remember(self) -> dict[str, object]:
        """Return what has to outlive a restart."""
        return {
            "clock": self._clock.remember(),
            "latched": self._latched,
            "released": None if self._released == _NEVER else self._released,
            "accepted": _kept(self._accepted),
            "open": _kept(self._open),
            "rehearsed": dict.fromkeys(sorted(self._rehearsed), True),
        }

    def recall(self, state: Mapping[str, object], now: Now) -> None:
        """Take it up. Raises ValueError, and changes nothing."""
        accepted = _recalled(state, "accepted")
        still_open = _recalled(state, "open") if "open" in state else {}
        released = stored.maybe(state, "released")
        self._clock, shift = Clock.recalled(stored.table(state, "clock"), now)
        self._accepted, self._open = accepted, still_open
        self._rehearsed = set(stored.table(state, "rehearsed") if "rehearsed" in state else ())
        self._latched = state.get("latched") is True
        if released is not None:
            self._released = min(released + shift, now.boottime)

    def _hold(self, verdicts: tuple[Verdict, ...]) -> None:
        self._latched = True
        self._asked.clear()
        # What a person releases in spite of from now on is no rehearsal.
        self._rehearsed.clear()
        # Also when only others are judged while it is on.
        self._accepted |= self._open
        self._open.clear()
        for verdict in verdicts:
            if verdict.trips:
                self._accepted[verdict.evaluator] = verdict
            else:
                self._accepted.pop(verdict.evaluator, None)

    def _is_due(self, verdict: Verdict, now: Now) -> bool:
        name = verdict.evaluator
        if not verdict.trips:
            self._open.pop(name, None)
            if verdict.nearness <= _OVER:
                self._accepted.pop(name, None)
            return False
        since = now.boottime - self._released
        if verdict.mood is Mood.BLIND and since <= min(verdict.limit or 0.0, self._pause):
            return False
        accepted = self._accepted.get(name)
        if accepted and not verdict.worse_than(accepted):
            if since < self._pause:
                return False
            del self._accepted[name]
        asked = self._asked.get(name)
        waits = asked is not None and now.boottime - asked[0] < RETRY
        return not waits or (asked is not None and verdict.worse_than(asked[1]))


def _kept(verdicts: Mapping[str, Verdict]) -> dict[str, object]:
    return {
        name: {"mood": one.mood.value, "severity": one.severity} for name, one in verdicts.items()
    }


def _recalled(state: Mapping[str, object], key: str) -> dict[str, Verdict]:
    verdicts = {}
    for name, found in stored.table(state, key).items():
        if not isinstance(found, dict):
            message = f"{key} is no object of objects"
            raise ValueError(message)
        mood, bad = Mood(stored.word(found, "mood")), stored.real(found, "severity")
        verdicts[name] = Verdict(name, mood, "", severity=bad)
    return verdicts


def _trip(due: tuple[Verdict, ...], now: Now) -> Trip:
    worst = sorted(due, key=lambda verdict: verdict.mood is not Mood.BREACH)
    more = f" (and {len(worst) - 1} more)" if len(worst) > 1 else ""
    inputs: dict[str, str] = {}
    for verdict in worst:
        inputs[verdict.evaluator] = verdict.reason
        for sample in verdict.inputs[: _INPUTS - len(inputs)]:
            dated = "" if sample.at is None else f", dated {now.wall - sample.at:.1f} s ago"
            age = max(0.0, now.boottime - sample.heard)
            inputs[f"input {sample.name}"] = (
                f"{sample.raw or sample.value}, heard {age:.1f} s ago{dated}"
            )
    return Trip(f"{worst[0].evaluator}: {worst[0].reason}{more}", inputs, tuple(worst))
