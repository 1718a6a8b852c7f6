"""A release outlasts who asked for the stop before it; the same rules as ops/lib/stoppers.sh."""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING

from ess.errors import ReleaseError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ess.paths import Paths

# How long a release waits (s).
PATIENCE = 5.0
_POLL = 0.05
_SIGKILL = 1 << 8
_SHOWN = 10


def outlast(paths: Paths, patience: float = PATIENCE) -> None:
    """Return once the marker of a release is there and nobody is at work who had not seen it.

    Raises ReleaseError, and leaves no marker, when that takes longer than `patience` (s).
    """
    deadline = time.monotonic() + patience
    try:
        while True:
            with open(paths.releasing, "w", encoding="ascii"):
                pass
            pids = at_work(paths)
            if not pids:
                return
            end_marker(paths)
            if time.monotonic() > deadline:
                raise _still(pids)
            time.sleep(_POLL)
    except BaseException:
        end_marker(paths)
        raise


def end_marker(paths: Paths) -> None:
    """Remove the marker of a release. Raises nothing."""
    with contextlib.suppress(OSError):
        os.unlink(paths.releasing)


def at_work(paths: Paths) -> list[int]:
    """Return the pids of those who have the file open, without our own.

    One that was killed and hangs in the kernel does nothing any more, and is none of them.
    """
    try:
        wanted = os.stat(paths.stoppers)
    except OSError:
        return []
    name = os.path.basename(paths.stoppers)
    return [
        int(pid)
        for pid in filter(str.isdigit, os.listdir("/proc"))
        if int(pid) != os.getpid() and _holds(pid, name, wanted) and not _is_killed(pid)
    ]


def _holds(pid: str, name: str, wanted: os.stat_result) -> bool:
    for link in _descriptors(pid):
        with contextlib.suppress(OSError):
            # By its name first: to look at any other file may hang. Of that name there may be one
            # in each container.
            if os.readlink(link).endswith(f"/{name}") and os.path.samestat(os.stat(link), wanted):
                return True
    return False


def _descriptors(pid: str) -> Iterator[str]:
    with contextlib.suppress(OSError):
        for number in os.listdir(f"/proc/{pid}/fd"):
            yield f"/proc/{pid}/fd/{number}"


def _is_killed(pid: str) -> bool:
    """Tell whether SIGKILL waits for it to come back from the kernel."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/status", encoding="utf-8") as file:
        pending = [line.split()[1] for line in file if line.startswith(("SigPnd:", "ShdPnd:"))]
        return any(int(mask, 16) & _SIGKILL for mask in pending)
    return True


def _still(pids: list[int]) -> ReleaseError:
    named = " ".join(map(str, pids[:_SHOWN]))
    return ReleaseError(
        f"release refused: who asked for the stop is still at work (pid {named})",
        f"wait for it, or end it: kill -KILL {named}. Then deactivate again",
    )
