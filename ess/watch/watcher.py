"""The loop: what the sources deliver is judged at once, everything is judged once an interval.

It can ask for a stop and nothing else. Whatever it cannot do any more, it does not say: then
systemd hears no WATCHDOG=1, and what follows from that is not decided here.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ess import journal
from ess.latch import State
from ess.watch import detail, source, standing
from ess.watch.boot import boot
from ess.watch.latch_look import LatchLook
from ess.watch.sample import Now
from ess.watch.standing import Standing, Trouble
from ess.watch.would_trip import WouldTrip

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from ess.paths import Paths
    from ess.watch.judge import Judge
    from ess.watch.memory import Memory
    from ess.watch.notify import Notify
    from ess.watch.rearm import Rearm
    from ess.watch.rearm import Trip as Decision
    from ess.watch.sample import Sample
    from ess.watch.source import Report, Source
    from ess.watch.trip_request import Trip
    from ess.watch.verdict import Verdict

_DRY_RUN = "what a dry run would stop for"


@dataclass(frozen=True, slots=True)
class Parts:
    """What a watcher is made of. `directory`: where it tells others how it stands.

    `latched` is called while the latch is on, `cursor` with how far a source has been judged,
    `reports` with what each source reports into; `feeds` returns the age of each feed (s).
    `interval`, `pause`: s; `edition`: of the settings.
    """

    judge: Judge
    rearm: Rearm
    memory: Memory
    sources: tuple[Source, ...]
    trip: Trip
    directory: str
    interval: float
    pause: float
    dry_run: bool
    latched: Callable[[], None]
    cursor: Callable[[str], None]
    feeds: Callable[[Now], Mapping[str, float]]
    reports: Callable[[Sequence[Report]], None]
    edition: str


def moment(boot_id: str) -> Now:
    """Return this moment."""
    return Now(time.time(), source.heard_now(), boot_id)


class Watcher:
    """One run of the watcher; run() does not return."""

    def __init__(self, paths: Paths, parts: Parts, notify: Notify) -> None:
        self._latch = LatchLook(paths)
        self._parts = parts
        self._notify = notify
        self._boot = boot()
        self._reports: list[Report] = []
        self._unwritten: dict[str, str] = {}
        self._would_trip = WouldTrip(parts.directory, moment(self._boot))

    async def run(self) -> None:
        """Watch for ever. Raises EssError when a stop cannot be asked for."""
        loop = asyncio.get_running_loop()
        failed: asyncio.Future[None] = loop.create_future()
        take = functools.partial(self._take_or_fail, failed)

        def deliver(samples: Sequence[Sample], cursor: str) -> None:
            loop.call_soon_threadsafe(take, samples, cursor)

        if not self._parts.dry_run:
            self._write(_DRY_RUN, lambda: self._would_trip.ended(moment(self._boot)))
        self._round()
        self._notify.ready(self._status(()))
        self._reports = [source.start(one, deliver) for one in self._parts.sources]
        self._parts.reports(self._reports)
        due = loop.time()
        while True:
            due = max(due + self._parts.interval, loop.time())
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(failed), due - loop.time())
            verdicts = self._round()
            self._notify.alive(self._status(verdicts))

    def _take_or_fail(
        self, failed: asyncio.Future[None], samples: Sequence[Sample], cursor: str
    ) -> None:
        try:
            self.take(samples, cursor)
        except Exception as error:  # noqa: BLE001 - run() raises it, and the process ends
            if not failed.done():
                failed.set_exception(error)

    def take(self, samples: Sequence[Sample], cursor: str) -> None:
        """Judge what was heard, at once. Raises EssError when a stop cannot be asked for."""
        now = moment(self._boot)
        self._settle(now)
        verdicts: dict[str, Verdict] = {}
        for sample in samples:
            for verdict in self._parts.judge.hear(sample, now):
                before = verdicts.get(verdict.evaluator)
                if before is None or verdict.trips or not before.trips:
                    verdicts[verdict.evaluator] = verdict
        self._decide(verdicts.values(), self._latch.at_once(), now)
        if cursor:
            self._parts.cursor(cursor)

    def _round(self) -> tuple[Verdict, ...]:
        """Judge everything once, and write down how it stands."""
        now = moment(self._boot)
        self._settle(now)
        self._write("the baselines", lambda: self._measure_anew(now))
        verdicts = self._parts.judge.judge(now)
        self._decide(verdicts, self._latch.look(), now)
        if self._parts.dry_run:
            self._write(_DRY_RUN, lambda: self._would_trip.settle(verdicts, now))
        self._write("how it stands", lambda: self._tell(verdicts, now))
        self._write("the baselines", lambda: self._parts.memory.keep(now))
        return verdicts

    def _settle(self, now: Now) -> None:
        """Take note of a release that came before anybody looked at the latch it was of.

        Before anything new is judged: only what was asked for has been released.
        """
        parts = self._parts
        # The look comes last, everywhere: what the traces tell was before it.
        if not parts.trip.was_latched() or self._latch.look() is not State.CLEAR:
            return
        parts.trip.settle()
        parts.latched()
        parts.rearm.released(now)
        self._write("the baselines", lambda: parts.memory.keep_now(now))

    def _decide(self, verdicts: Iterable[Verdict], state: State, now: Now) -> None:
        decision = self._parts.rearm.decide(verdicts, state, now)
        if state is State.LATCHED:
            self._parts.trip.settle()
            self._parts.latched()
        if decision is None:
            return
        if self._parts.dry_run:
            self._parts.rearm.accept(decision.verdicts, now)
            self._write(_DRY_RUN, lambda: self._would_trip.decided(decision.verdicts, now))
            _log("DRY RUN, nothing is stopped. It would be: ", decision)
            return
        # Before anything else: nothing that comes after it can fail it.
        self._parts.trip.trip(decision.reason, _detail(decision, now))
        _log("stop asked for: ", decision)
        self._write("the baselines", lambda: self._parts.memory.keep_now(now))

    def _measure_anew(self, now: Now) -> None:
        for line in self._parts.memory.rebase(now):
            journal.notice(f"watcher: {line}")

    def _tell(self, verdicts: tuple[Verdict, ...], now: Now) -> None:
        parts = self._parts
        feeds = parts.feeds(now)
        # Before the first round none has been asked yet.
        sources = dict.fromkeys((one.name for one in parts.sources), Trouble())
        sources |= {one.name: Trouble(one.trouble, one.lasts) for one in self._reports}
        told = Standing(
            parts.interval,
            parts.pause,
            parts.dry_run,
            verdicts,
            feeds,
            sources=sources,
            edition=parts.edition,
        )
        standing.write(parts.directory, told, now)

    def _write(self, what: str, write: Callable[[], object]) -> None:
        """What cannot be written down is told once; the watch goes on."""
        trouble = ""
        try:
            write()
        except OSError as error:
            trouble = error.strerror or str(error)
        if trouble and trouble != self._unwritten.get(what):
            journal.error(
                f"watcher: {what} cannot be written to {self._parts.directory}: {trouble}"
            )
        self._unwritten[what] = trouble

    def _status(self, verdicts: Sequence[Verdict]) -> str:
        words = [f"{len(self._parts.judge.names)} evaluators"]
        if self._parts.dry_run:
            words.append("DRY RUN")
        if broken := [one for one in verdicts if one.trips]:
            words.append(f"BROKEN: {', '.join(one.evaluator for one in broken)}")
        elif verdicts and (worst := max(verdicts, key=lambda one: one.nearness)).nearness:
            words.append(f"nearest to its limit: {worst.evaluator}, {worst.nearness:.0%}")
        words += [f"{one.name}: {one.trouble}" for one in self._reports if one.trouble]
        return "; ".join(words)


def _detail(decision: Decision, now: Now) -> str:
    try:
        return detail.line(decision.verdicts, now)
    except Exception as error:  # noqa: BLE001 - no stop fails for what is to be recorded of it
        return f"not known: {type(error).__name__}"


def _log(what: str, decision: Decision) -> None:
    journal.error(f"watcher: {what}{decision.reason}")
    for name, text in decision.inputs.items():
        journal.error(f"watcher: {name}: {text}")
