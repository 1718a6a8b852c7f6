"""The spool on disk: events are dropped whole by rename, taken in order, and never block the rest.

A spool is a directory with `tmp` (being written), `new` (to be taken) and `bad` (no event, set
aside). The format of a file is that of ess/event.py.
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING, NamedTuple

from ess import durable, event, regular, wake
from ess.event import Event, TornError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ess.paths import Paths

_MODE = 0o700
# A spool that somebody floods is taken in portions (files).
_PORTION = 5000


class Bad(NamedTuple):
    """A file that is no event: where it lies, and what is wrong with it."""

    path: str
    what: str


class Taken(NamedTuple):
    """What was found: events in order, each with its path; files that are none; is there more."""

    events: tuple[tuple[Event, str], ...]
    bad: tuple[Bad, ...]
    more: bool


def put(paths: Paths, kind: str, fields: Mapping[str, str], activation: str = "") -> str:
    """Drop an event; return its path once it is on disk, or "" when no spool takes it.

    Raises nothing: what is done is not undone because it cannot be written down.
    """
    now = time.time_ns() // 1000
    name = f"{now:016d}-{os.getpid()}-{int.from_bytes(os.urandom(2), 'big'):05d}"
    ms = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1_000_000
    data = event.encode(Event(name, kind, now, ms, boot(), activation, dict(fields)))
    for spool in paths.spools:
        with contextlib.suppress(OSError):
            path = _drop(spool, name, data)
            wake.call(paths.wake_spool)
            return path
    return ""


def take(paths: Paths) -> Taken:
    """Return what lies in the spools, events in the order in which they happened."""
    found: list[tuple[Event, str]] = []
    bad: list[Bad] = []
    names = [(spool, name) for spool in paths.spools for name in _listing(f"{spool}/new")]
    for spool, name in sorted(names, key=lambda one: one[1])[:_PORTION]:
        path = f"{spool}/new/{name}"
        try:
            found.append((_read(path, name), path))
        except FileNotFoundError:
            continue
        except (OSError, TornError) as error:
            bad.append(Bad(path, getattr(error, "strerror", None) or str(error)))
    if not names:
        return Taken((), (), more=False)
    order = {one.name: place for place, one in enumerate(event.ordered(_events(found), boot()))}
    found.sort(key=lambda one: order[one[0].name])
    return Taken(tuple(found), tuple(bad), len(names) > _PORTION)


def done(path: str) -> None:
    """Take an event out of the spool for good. Raises OSError."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def set_aside(bad: Bad) -> str:
    """Move a file that is no event out of the way; return where it lies now. Raises OSError."""
    directory = f"{os.path.dirname(os.path.dirname(bad.path))}/bad"
    os.makedirs(directory, mode=_MODE, exist_ok=True)
    target = f"{directory}/{time.time_ns()}"
    os.rename(bad.path, target)
    return target


def boot() -> str:
    """Return the id of this boot, "" when the kernel does not tell."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def _events(found: Iterable[tuple[Event, str]]) -> list[Event]:
    return [one for one, _ in found]


def _read(path: str, name: str) -> Event:
    if not event.is_name(name):
        raise TornError("its name is not one of ours")
    if os.path.islink(path):
        raise TornError("is a symlink")
    return event.decode(name, regular.read(path, event.LARGEST + 1))


def _listing(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError:
        return []


def _drop(spool: str, name: str, data: bytes) -> str:
    for part in ("tmp", "new"):
        os.makedirs(f"{spool}/{part}", mode=_MODE, exist_ok=True)
    draft, path = (f"{spool}/{part}/{name}" for part in ("tmp", "new"))
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(draft, flags, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.rename(draft, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(draft)
        raise
    durable.sync_directory(f"{spool}/new")
    return path
