"""Sees to it that every channel tells what it has to, each in a child of its own.

Run by quantum-ess-deliver.service whenever a case changes, and by the sentry when something is due.
A channel that hangs holds up itself only, and is ended after its time.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sys
import time
from functools import partial
from typing import TYPE_CHECKING

from ess import latch, spool
from ess.aftermath import (
    case_store,
    channels,
    course,
    delivery,
    delivery_store,
    settings,
    tell,
)
from ess.errors import AftermathError, EssError
from ess.exits import ExitCode
from ess.latch import State

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from threading import Thread

    from ess.aftermath.channel import Case
    from ess.aftermath.reply import Replies
    from ess.paths import Paths
    from ess.process import Result

# How long one channel may take for one turn (s).
PATIENCE = 25.0
# How long we stay for what is soon due, rather than be started again (s).
_SOON = 6.0
_LONGEST = 240.0
_POLL = 0.1
_REST = 2.0
# How often a mirror is looked after while latched (s).
_KEEP = 10.0
# How long a latch may be off without anybody saying that he released it (s).
_UNEXPLAINED = 60.0


def run(paths: Paths) -> ExitCode:
    """Deliver until nothing is due soon. Raises AftermathError when the disk does not take it."""
    with _lock(paths) as mine:
        if mine:
            try:
                _Round(paths).run()
            except OSError as error:
                what = f"{error.filename or paths.deliveries}: {error.strerror or error}"
                raise AftermathError(f"not delivered: {what}", "is the disk full?") from error
    return ExitCode.DONE


def turn(paths: Paths, name: str) -> ExitCode:
    """Let one channel tell what it has to. Raises EssError for one that is not configured."""
    configuration = settings.load(paths)
    every = channels.configured(configuration, paths)
    channel = every.named(name)
    if channel is None:
        raise EssError(f"no channel {name} is configured", "see: ess doctor")
    tell.Turn(paths, configuration, every, channel).run()
    return ExitCode.DONE


class _Round:
    """From the first look until nothing is due soon."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._settings = settings.load(paths)
        self._channels = channels.configured(self._settings, paths)
        self._busy: dict[str, Thread] = {}
        self._replies: Replies | None = None
        self._kept = 0
        self._explained = False

    def run(self) -> None:
        """Start turns as they fall due, close what everybody knows, note when to come back."""
        until = time.monotonic() + _LONGEST
        while True:
            seen = tell.now()
            if time.monotonic() < until:
                self._reply()
            cases = case_store.load(self._paths)
            self._start(cases)
            self._close(cases)
            self._explain(cases)
            moment = self._next(cases)
            soon = moment is not None and moment - tell.now() < _SOON * delivery.SECOND
            idle = not self._busy and not (self._replies and self._replies.busy)
            if idle and (not soon or time.monotonic() > until):
                delivery_store.say_next(self._paths, moment, seen)
                # The path unit does not see what changes while we run.
                if case_store.load(self._paths) == cases:
                    break
            time.sleep(_POLL)
            self._busy = {name: one for name, one in self._busy.items() if one.is_alive()}
        delivery_store.forget_others(self._paths, cases.values())

    def _reply(self) -> None:
        """Begin to answer what is asked."""
        if self._replies is None and _asked(self._paths):
            from ess.aftermath import reply  # noqa: PLC0415 - mostly nobody asks

            self._replies = reply.Replies(self._paths)
        if self._replies is not None:
            self._replies.take()

    def _start(self, cases: dict[str, Case]) -> None:
        for channel in self._channels.every:
            name = channel.name
            if name not in self._busy and self._has_work(name, cases):
                self._begin(name)

    def _begin(self, name: str) -> None:
        from threading import Thread  # noqa: PLC0415 - many a host has no channel

        from ess import process  # noqa: PLC0415 - here, where it is seen when that fails

        turn = partial(self._turn, name, process.run)
        self._busy[name] = Thread(target=turn, daemon=True)
        self._busy[name].start()

    def _has_work(self, name: str, cases: dict[str, Case]) -> bool:
        if self._keeps(name, cases) and tell.now() - self._kept >= _KEEP * delivery.SECOND:
            self._kept = tell.now()
            return True
        return any(self._is_due(case, name) for case in cases.values())

    def _keeps(self, name: str, cases: dict[str, Case]) -> bool:
        return name == delivery.MIRROR and any(case.latched for case in cases.values())

    def _is_due(self, case: Case, name: str) -> bool:
        state = delivery_store.load(self._paths, case, name)
        return bool(state.report) or delivery.is_due(
            case, state, self._want(case, name), name, tell.now()
        )

    def _want(self, case: Case, name: str) -> delivery.Want:
        return tell.want(case, name, self._channels, self._settings)

    def _turn(self, name: str, run_child: Callable[[list[str], float], Result]) -> None:
        argv = [sys.executable, "-I", "-m", "ess", "deliver", name]
        done = run_child(argv, PATIENCE)
        if done.ok:
            return
        channel = self._channels.named(name)
        with contextlib.suppress(OSError):
            if channel is not None:
                turn = tell.Turn(self._paths, self._settings, self._channels, channel)
                turn.ended(done.error or "its turn failed")
        # What cannot even be written down must not be tried without a pause.
        time.sleep(_REST)

    def _close(self, cases: dict[str, Case]) -> None:
        for case in list(cases.values()):
            if not (course.is_ended(case) and self._everybody_knows(case)):
                continue
            with case_store.locked(self._paths):
                if case_store.load(self._paths).get(case.id) == case:
                    case_store.drop(self._paths, case.id)
                    del cases[case.id]

    def _everybody_knows(self, case: Case) -> bool:
        for channel in self._channels.every:
            state = delivery_store.load(self._paths, case, channel.name)
            if state.report or not delivery.is_settled(state, self._want(case, channel.name)):
                return False
        return True

    def _explain(self, cases: dict[str, Case]) -> None:
        """End the case of a latch that is off though nobody is known to have released it, as after
        a reboot that clears it: nobody shall be reminded of it for ever.
        """
        if self._explained or latch.state(self._paths) is not State.CLEAR:
            return
        marks = (self._paths.running, self._paths.releasing)
        since = tell.now() - _UNEXPLAINED * delivery.SECOND
        old = [case for case in cases.values() if case.latched and case.changed < since]
        if old and not any(map(os.path.lexists, marks)):
            self._explained = True
            said = {"operator": "unknown", "reason": "the latch is off; no release was recorded"}
            for case in old:
                activation = "" if case.id == course.NAMELESS else case.id
                spool.put(self._paths, "release-finished", said, activation)

    def _next(self, cases: dict[str, Case]) -> int | None:
        names = [channel.name for channel in self._channels.every]
        people = [channel.name for channel in self._channels.people]
        repeat = self._settings.seconds("QT_ESS_ALERT_REPEAT")
        found: list[int | None] = []
        for case in cases.values():
            for name in names:
                state = delivery_store.load(self._paths, case, name)
                found.append(delivery.next_look(case, state, self._want(case, name), name))
            # It comes in a moment, whether somebody is to be told of it or not.
            found.append(delivery.outcome_due(case, tell.now()))
            found.append(delivery.next_reminder(case, people, repeat, tell.now()))
            if case.latched:
                pause = _KEEP if self._channels.mirror else _UNEXPLAINED
                found.append(tell.now() + int(pause * delivery.SECOND))
        return min((moment for moment in found if moment is not None), default=None)


def _asked(paths: Paths) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return bool(os.listdir(paths.questions))
    return False


@contextlib.contextmanager
def _lock(paths: Paths) -> Iterator[bool]:
    """Hold the lock; false when somebody else does: he delivers what is there."""
    os.makedirs(paths.deliveries, mode=0o700, exist_ok=True)
    with open(f"{paths.deliveries}/.lock", "ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
