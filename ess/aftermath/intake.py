"""What follows events, after the stop and never during it: each is recorded in the audit log once.

Run by quantum-ess-aftermath.service. Killed at any point it loses nothing and records nothing
twice: an event leaves the spool only when its record is on disk and the case it belongs to says so,
and a record names the event's file, so that the next run knows it again. Telling people is another
service's (ess/aftermath/deliver.py): no network may hold up the record.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from enum import Enum
from typing import TYPE_CHECKING

from ess import event, journal, spool
from ess.aftermath import case_store, course, figures
from ess.audit import log as audit
from ess.errors import AftermathError
from ess.exits import ExitCode
from ess.watch import places

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ess.audit.chain import Record
    from ess.event import Event
    from ess.paths import Paths
    from ess.spool import Bad

# While we stay, how often the spool is looked at (s).
_POLL = 0.1
# Events that come without end are left to the next run after so long (s).
_LONGEST = 30.0
# The figures are written once it was quiet for so long (s).
_QUIET = 0.3


def run(paths: Paths, linger: float = 0.0) -> ExitCode:
    """Take all that lies in the spool, and what comes before it was empty for `linger` s.

    Raises AftermathError when the log cannot be written.
    """
    with _lock(paths) as mine:
        if mine:
            _dry_run(paths)
            try:
                _stay(paths, linger)
            except OSError as error:
                what = f"{error.filename or paths.audit}: {error.strerror or error}"
                raise AftermathError(
                    f"events wait in {paths.spools[0]}: {what}", "is the disk full or read-only?"
                ) from error
    return ExitCode.DONE


def content(one: Event) -> dict[str, object]:
    """Return what the audit log says of an event."""
    known: dict[str, object] = {
        **one.fields,
        "event": one.kind,
        "at": audit.stamp(one.us),
        "boot": one.boot,
        "boot_ms": one.ms,
        "spool": one.name,
    }
    if one.id:
        known["activation"] = one.id
    if one.units:
        known["units"] = [_unit(text) for text in one.units]
    return known


def _stay(paths: Paths, linger: float) -> None:
    """Take what comes in a burst: a start costs a thousand times what a look at the spool does.

    The last look comes right before the end: the path unit does not see what changes while we run,
    and only the sentry, 10 s later, what comes after that.
    """
    begun = time.monotonic()
    busy, stale = begun - linger, True
    while True:
        found, stuck = _take_all(paths)
        now = time.monotonic()
        if found:
            busy, stale = now, True
        over = now >= begun + _LONGEST
        # What cannot be moved out of the way would be reported at each look.
        ended = over or stuck or now >= busy + linger
        if stale and (ended or now >= busy + _QUIET):
            stale = False
            figures.refresh(paths)
            if not (over or stuck):
                continue
        if ended:
            return
        time.sleep(_POLL)


def _dry_run(paths: Paths) -> None:
    if not os.path.lexists(places.would_trip(paths)):
        return
    from ess.aftermath import dry_run  # noqa: PLC0415 - on most hosts no watcher is in a dry run

    try:
        dry_run.look(paths)
    except OSError as error:
        journal.error(f"watcher: what its dry run says cannot be told: {error}")


def _take_all(paths: Paths) -> tuple[bool, bool]:
    """Return whether there was something, and whether something bad is still there."""
    found = stuck = False
    while (taken := spool.take(paths)).events or taken.bad:
        found = True
        with contextlib.closing(audit.Log(paths)) as log:
            before = log.head.seq
            known = _Known(log.tail)
            for bad in taken.bad:
                stuck |= not _report(log, bad)
            for one, path in taken.events:
                seen = known.look(one)
                if seen is _Seen.NEVER:
                    log.append(content(one))
                if seen is not _Seen.ELSEWHERE:
                    _put_down(paths, one, log.tally.activations)
                spool.done(path)
            if log.head.seq > before:
                journal.checkpoint(log.head.seq, log.head.hash)
        if not (taken.more and taken.events):
            break
    return found, stuck


def _put_down(paths: Paths, one: Event, count: int) -> None:
    """Bring the cases up to date, before the event is forgotten."""
    with case_store.locked(paths):
        cases = case_store.load(paths)
        for case in course.advance(cases, one, os.uname().nodename, count):
            case_store.put(paths, case)
            cases[case.id] = case
        for old in course.superseded(cases):
            case_store.drop(paths, old)


class _Seen(Enum):
    """Whether an event is recorded, and from which file."""

    NEVER = "never"
    HERE = "here"  # and we were killed before the file was gone
    ELSEWHERE = "elsewhere"


class _Known:
    """What the end of the log says already: a run that was killed left its last event behind."""

    def __init__(self, tail: Iterable[Record]) -> None:
        self._files: set[object] = set()
        self._once: set[object] = set()
        for found in tail:
            self._files.add(found.get("spool"))
            self._once |= {_once_key(found)} - {None}

    def look(self, one: Event) -> _Seen:
        """Tell whether the event is recorded; from then on it counts as recorded."""
        if one.name in self._files:
            return _Seen.HERE
        self._files.add(one.name)
        if one.once_key in self._once:
            return _Seen.ELSEWHERE
        self._once |= {one.once_key} - {None}
        return _Seen.NEVER


def _once_key(found: Record) -> tuple[str, str] | None:
    kind, activation = str(found.get("event")), str(found.get("activation", ""))
    return event.once_key(kind, activation, str(found.get("delivery", "")))


def _report(log: audit.Log, bad: Bad) -> bool:
    """Say that a file is no event; tell whether it lies where it can do no more harm."""
    try:
        kept = spool.set_aside(bad)
    except OSError as error:
        journal.error(f"spool: {bad.path}: {bad.what}; cannot be set aside: {error.strerror}")
        return False
    what = {"event": "spool-bad", "at": audit.stamp(), "file": kept, "what": bad.what}
    log.append(what)
    journal.error(f"spool: {kept}: {bad.what}; set aside")
    return True


def _unit(text: str) -> Mapping[str, str]:
    name, *words = text.split(" ")
    pairs = (word.partition("=") for word in words)
    return {"unit": name} | {key: value for key, _, value in pairs if key}


@contextlib.contextmanager
def _lock(paths: Paths) -> Iterator[bool]:
    """Hold the lock; false when somebody else does: he takes what is there."""
    os.makedirs(os.path.dirname(paths.aftermath_lock), mode=0o755, exist_ok=True)
    with open(paths.aftermath_lock, "ab") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
