"""What follows events, after the stop and never during it: each is recorded in the audit log once.

Run by quantum-ess-aftermath.service. Killed at any point it loses nothing and records nothing
twice: an event leaves the spool only when its record is on disk, and a record names the event's
file, so that the next run knows it again.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import TYPE_CHECKING

from ess import journal, spool
from ess.audit import log as audit
from ess.errors import AftermathError
from ess.exits import ExitCode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ess.audit.chain import Record
    from ess.event import Event
    from ess.paths import Paths
    from ess.spool import Bad


def run(paths: Paths) -> ExitCode:
    """Take all that lies in the spool. Raises AftermathError when the log cannot be written."""
    with _lock(paths) as mine:
        if mine:
            try:
                _take_all(paths)
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


def _take_all(paths: Paths) -> None:
    while (taken := spool.take(paths)).events or taken.bad:
        with contextlib.closing(audit.Log(paths)) as log:
            before = log.head.seq
            known = _Known(log.tail)
            for bad in taken.bad:
                _report(log, bad)
            for one, path in taken.events:
                if known.is_new(one):
                    log.append(content(one))
                spool.done(path)
            if log.head.seq > before:
                journal.checkpoint(log.head.seq, log.head.hash)
        if not (taken.more and taken.events):
            return


class _Known:
    """What the end of the log says already: a run that was killed left its last event behind."""

    def __init__(self, tail: Iterable[Record]) -> None:
        self._seen: set[object] = set()
        for found in tail:
            self._seen |= {found.get("spool"), (found.get("event"), found.get("activation"))}

    def is_new(self, one: Event) -> bool:
        """Tell whether the event is not recorded yet; from then on it counts as recorded."""
        keys = {one.name, one.once_key} - {None}
        new = self._seen.isdisjoint(keys)
        self._seen |= keys
        return new


def _report(log: audit.Log, bad: Bad) -> None:
    """Say that a file is no event, once it lies where it can do no more harm."""
    try:
        kept = spool.set_aside(bad)
    except OSError as error:
        journal.error(f"spool: {bad.path}: {bad.what}; cannot be set aside: {error.strerror}")
        return
    what = {"event": "spool-bad", "at": audit.stamp(), "file": kept, "what": bad.what}
    log.append(what)
    journal.error(f"spool: {kept}: {bad.what}; set aside")


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
