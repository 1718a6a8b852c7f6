"""Policy: what is to be told to whom now, how often it is tried and when it is given up. Pure.

Every moment is wall clock, us since the epoch: a case outlives a boot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ess.aftermath.channel import Phase

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ess.aftermath.channel import Case

SECOND = 1_000_000
# A trip is told with its outcome; one that takes longer is told without.
_OUTCOME = 3 * SECOND
_FIRST_PAUSE = 5 * SECOND
_LONGEST_PAUSE = 300 * SECOND
MIRROR = "redis"


class Want(NamedTuple):
    """What a channel should have told: this phase, as reminder number `repeat` (0: as news)."""

    phase: Phase
    repeat: int = 0

    def __str__(self) -> str:
        return f"{self.phase}+{self.repeat}" if self.repeat else str(self.phase)


class State(NamedTuple):
    """How far one channel has got with one case.

    `told`: what it has told last, as str(Want), or "" ; `given_up`: what it will not try again;
    `trying`: what it is at, since the moment `since`, `attempts` times, next at `next`;
    `report`: the event that the audit log has yet to hear of, about `trying`; `answer`: what came
    back last.
    """

    told: str = ""
    given_up: str = ""
    trying: str = ""
    since: int = 0
    attempts: int = 0
    next: int = 0
    report: str = ""
    answer: str = ""


def want(case: Case, channel: str, people: Sequence[str], repeat_s: int, now: int) -> Want:
    """Return what `channel` should have told by now.

    The news go to everybody at once. Reminders of a stop that nobody has acknowledged go to one
    addressee each, in turn: to the first of `people` after `repeat_s`, to the second after twice
    that, and so on for as long as it lasts. 0 switches them off.
    """
    waits = case.latched and "acked_by" not in case.facts and repeat_s > 0
    if not waits or channel not in people:
        return Want(case.phase)
    number = max(0, now - case.begun) // (repeat_s * SECOND)
    place = people.index(channel)
    turns = (number - place - 1) // len(people) if number > place else -1
    return Want(case.phase, place + 1 + turns * len(people) if turns >= 0 else 0)


def is_due(case: Case, state: State, wanted: Want, channel: str, now: int) -> bool:
    """Tell whether it is to be tried now."""
    return not is_settled(state, wanted) and not _waits(case, state, wanted, channel, now)


def is_settled(state: State, wanted: Want) -> bool:
    """Tell whether that was told, or was given up."""
    return any(_covers(done, wanted) for done in (state.told, state.given_up))


def next_look(case: Case, state: State, wanted: Want, channel: str) -> int | None:
    """Return when to look again; None when only a change of the case gives reason to."""
    if is_settled(state, wanted):
        return None
    earliest = case.begun + _OUTCOME if _hopes_for_outcome(case, channel) else 0
    return max(earliest, state.next if state.trying == str(wanted) else 0)


def outcome_due(case: Case, now: int) -> int | None:
    """Return until when the outcome of a trip is waited for; None when it is known, or is late."""
    due = case.begun + _OUTCOME
    return due if case.phase is Phase.TRIPPED and case.begun <= now < due else None


def next_reminder(case: Case, people: Sequence[str], repeat_s: int, now: int) -> int | None:
    """Return when the next reminder of the case is due; None when there will be none."""
    if not case.latched or "acked_by" in case.facts or repeat_s <= 0 or not people:
        return None
    step = repeat_s * SECOND
    return case.begun + (max(0, now - case.begun) // step + 1) * step


def attempt(state: State, wanted: Want, now: int) -> State:
    """Return the state to write down before a try: whatever becomes of us, the next is later."""
    same = state.trying == str(wanted)
    attempts = state.attempts + 1 if same else 1
    pause = min(_FIRST_PAUSE << min(attempts - 1, 10), _LONGEST_PAUSE)
    return state._replace(
        trying=str(wanted),
        since=state.since if same else now,
        attempts=attempts,
        next=now + pause,
    )


def succeeded(state: State, answer: str) -> State:
    """Return the state after the answer to what it is at."""
    return state._replace(told=state.trying, report="alert-sent", answer=answer)


def failed(state: State, why: str, give_up_s: int, now: int) -> State:
    """Return the state after a try that failed: the first one is reported, and the last."""
    if now - state.since >= give_up_s * SECOND:
        return state._replace(given_up=state.trying, report="alert-given-up", answer=why)
    report = "alert-failed" if state.attempts == 1 else state.report
    return state._replace(report=report, answer=why)


def reported(state: State) -> State:
    """Return the state once the audit log will hear of it."""
    return state._replace(report="")


def _waits(case: Case, state: State, wanted: Want, channel: str, now: int) -> bool:
    # A clock that was set back must not hold up an alert for longer than the longest pause.
    pausing = state.trying == str(wanted) and now < state.next <= now + _LONGEST_PAUSE
    hoping = channel != MIRROR and outcome_due(case, now) is not None
    return pausing or hoping


def _hopes_for_outcome(case: Case, channel: str) -> bool:
    return case.phase is Phase.TRIPPED and channel != MIRROR


def _covers(done: str, wanted: Want) -> bool:
    """Whoever was reminded knows the news, too: an ack must not bring them once more."""
    phase, _, repeat = done.partition("+")
    return phase == wanted.phase and int(repeat or 0) >= wanted.repeat
