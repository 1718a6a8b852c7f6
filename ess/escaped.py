"""Trading processes that left the cgroups of their units, as sentry and enforcer found them.

They ask /proc, and the enforcer systemd, and write down each (ops/lib/escaped.sh).
"""

from __future__ import annotations

import contextlib
import os
import signal
from typing import TYPE_CHECKING, NamedTuple

from ess import regular

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ess.paths import Paths

_LARGEST = 1 << 20
_ASKED = b"asked "
_FIELDS = 3
# Behind the name in /proc/PID/stat: the state, the threads, and the start in ticks since boot.
_STATE, _THREADS, _START = 0, 17, 19


class Escaped(NamedTuple):
    """One process of a trading unit outside its cgroup; `start` in ticks since boot."""

    unit: str
    pid: int
    start: int


def asked(paths: Paths) -> bool:
    """Tell whether the enforcer has looked for such processes since the latch fell."""
    try:
        return regular.read(paths.escaped, len(_ASKED)) == _ASKED
    except OSError:
        return False


def alive(paths: Paths, proc: str = "/proc") -> tuple[Escaped, ...]:
    """Return those that were found and still live; who may not see processes takes all for alive.

    Raises OSError when there is a list that cannot be read.
    """
    try:
        lines = regular.read(paths.escaped, _LARGEST).decode(errors="replace").splitlines()
    except FileNotFoundError:
        return ()
    known = [found for line in lines if (found := _parse(line)) is not None]
    blind = not os.path.exists(f"{proc}/1/stat")
    return tuple(found for found in known if blind or _started(proc, found.pid) == found.start)


def kill(found: Iterable[Escaped]) -> None:
    """Kill those that alive() has just returned. Raises nothing."""
    for process in found:
        with contextlib.suppress(OSError):
            os.kill(process.pid, signal.SIGKILL)


def _parse(line: str) -> Escaped | None:
    words = line.split(" ", _FIELDS - 1)
    if len(words) != _FIELDS or not all(word.isascii() and word.isdigit() for word in words[:2]):
        return None
    pid, start, unit = int(words[0]), int(words[1]), words[2]
    return Escaped(unit, pid, start) if pid > 1 else None


def _started(proc: str, pid: int) -> int | None:
    """Return when a process was started; None when it does not live."""
    try:
        with open(f"{proc}/{pid}/stat", encoding="utf-8", errors="replace") as file:
            # The name before it may contain anything.
            fields = file.read().rpartition(") ")[2].split()
    except OSError:
        return None
    # A zombie with threads: only its main thread has ended, and it trades on.
    dead = fields[_STATE] == "X" or (fields[_STATE] == "Z" and int(fields[_THREADS]) <= 1)
    return None if dead else int(fields[_START])
