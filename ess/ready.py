"""What must hold before a release; nothing is changed until it does. As in ops/lib/ready.sh."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from typing import TYPE_CHECKING

from ess import text
from ess.containment import look
from ess.errors import ManagerError, ReleaseError
from ess.restart import POLL

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ess.manager import Manager
    from ess.paths import Paths

# How long it may take to start watching the flag (s).
_START_LIMIT = 1.0
# How long trading may take to be dead (s).
_STOP_LIMIT = 5.0


@contextlib.contextmanager
def lock(paths: Paths) -> Iterator[None]:
    """Hold the release lock, which the kernel drops with the process. Raises ReleaseError."""
    try:
        os.makedirs(paths.runtime_dir, mode=0o755, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(paths.release_lock, flags, 0o644)
    except OSError as error:
        what = f"release refused: cannot write {paths.release_lock}: {error.strerror}"
        raise ReleaseError(what, "is /run full? make room, then deactivate again") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    except BlockingIOError as error:
        holder = text.clean(os.pread(descriptor, 20, 0).decode("ascii", "replace"))
        what = f"another release is running (pid {holder or 'unknown'}); this one did nothing"
        raise ReleaseError(what, "wait for it, or end it with Ctrl-C in its terminal") from error
    finally:
        os.close(descriptor)


def await_watched(paths: Paths, manager: Manager) -> None:
    """Return once the unit that watches the flag is there to do so again after the release.

    Raises ReleaseError when it does not start, and when systemd does not answer.
    """
    unit = paths.path_unit
    deadline = time.monotonic() + _START_LIMIT
    while not _is_active(unit, manager):
        if time.monotonic() > deadline:
            what = f"release refused: {unit} does not start, so nothing would watch the flag"
            raise ReleaseError(what, f"look at: systemctl status {unit}")
        # That it may not be started at all is found out above.
        with contextlib.suppress(ManagerError):
            manager.start([unit])
        time.sleep(POLL)


def _is_active(unit: str, manager: Manager) -> bool:
    try:
        return manager.show([unit], ["ActiveState"])[unit].get("ActiveState") == "active"
    except ManagerError as error:
        what = "release refused: systemd does not answer"
        raise ReleaseError(what, "see RUNBOOK.md, systemd is broken") from error


def await_contained(paths: Paths, trading: Sequence[str]) -> None:
    """Return once trading is proved dead: what outlives SIGKILL, a release would free.

    Raises ReleaseError when that takes longer than a stop may.
    """
    deadline = time.monotonic() + _STOP_LIMIT
    while not (seen := look(paths, trading)).empty:
        if time.monotonic() > deadline:
            alive = ", ".join(seen.units()) or text.clean(seen.error)
            raise ReleaseError(
                f"release refused: still alive: {alive}",
                "stop it with: ess activate; what survives that goes with a reboot only",
            )
        time.sleep(POLL)
