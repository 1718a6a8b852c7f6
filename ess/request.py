"""Asking for a stop without being root: a file in a directory that systemd watches for us.

Whatever lies there trips, whatever it is and says; ops/lib/request.sh reads it. Nothing releases.
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING

from ess import durable, latch
from ess.errors import EssError, ManagerError
from ess.exits import ExitCode
from ess.text import clean

if TYPE_CHECKING:
    from ess.manager import Manager
    from ess.paths import Paths

# How long the reader may take over what waits (s).
_PATIENCE = 5.0
_POLL = 0.05
_NEVER = 0


class RequestError(EssError):
    """The stop could not be asked for; nothing was done."""

    exit_code = ExitCode.NOT_CONTAINED


def may_ask(paths: Paths) -> bool:
    """Tell whether this process may ask for a stop."""
    return os.access(paths.requests, os.W_OK | os.X_OK)


def drop(paths: Paths, reason: str, source: str, category: str = "", *, detail: str = "") -> str:
    """Ask for a stop and return the file that does; the latch is on some ms later.

    The operator that is recorded is the user of this process. `source` says which part of him asks
    ("watcher"), `category` "0" leaves out the grace, anything else changes nothing; `detail` goes
    into the audit log alone, 480 characters of it. The file is there whole or not at all. Raises
    RequestError.
    """
    lines = {"reason": reason, "source": source, "category": category}
    lines |= {"detail": detail} if detail else {}
    content = "".join(f"{key}={clean(value)}\n" for key, value in lines.items()).encode()
    path = f"{paths.requests}/{time.time_ns():019d}-{os.getpid()}-{os.urandom(4).hex()}"
    try:
        _place(paths.requests, path, content)
    except OSError as error:
        what = f"the stop could not be asked for: {paths.requests}: {error.strerror}"
        raise RequestError(what, "run: sudo ess activate") from error
    return path


def traces(paths: Paths) -> tuple[int, tuple[int, ...]]:
    """Return what changes when the reader takes requests, and what does when the latch is set."""
    try:
        told = os.lstat(paths.request_told).st_mtime_ns
    except OSError:
        told = _NEVER
    return told, latch.asked(paths)


def was_latched(paths: Paths, path: str, before: tuple[int, tuple[int, ...]]) -> bool:
    """Tell whether the latch was on after the request `path`; that says nothing of now.

    `before`: the traces of before it was dropped. False in any doubt, as for a request that
    somebody else has removed. Raises nothing.
    """
    # In this order: the reader leaves its mark before it removes a request, and takes that away
    # when the latch was seen to be on afterwards.
    for left in (path, paths.request_busy):
        if latch.probe(left) is not latch.State.CLEAR:
            return False
    told, asked = traces(paths)
    return told not in (_NEVER, before[0]) and asked != before[1]


def waits(paths: Paths) -> bool:
    """Tell whether a request is there that is not done with; as root only. Raises OSError."""
    if os.path.lexists(paths.request_busy):
        return True
    try:
        with os.scandir(paths.requests) as entries:
            return next(entries, None) is not None
    except (FileNotFoundError, NotADirectoryError):
        return False


def await_taken(paths: Paths, manager: Manager) -> bool:
    """Return True once no request waits; False when one still does after 5 s, reader or not."""
    deadline = time.monotonic() + _PATIENCE
    if waits(paths):
        with contextlib.suppress(ManagerError):
            manager.start([paths.request_unit])
    while waits(paths):
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL)
    return True


def _place(directory: str, path: str, content: bytes) -> None:
    try:
        # Without a name until it is whole: what has one is taken at once.
        descriptor = os.open(directory, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    except (OSError, AttributeError):
        durable.create(path, content, 0o600)
        return
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, descriptor)
        try:
            os.write(descriptor, content)
            # Only with a directory to begin at does os.link() follow what is in /proc.
            root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
            stack.callback(os.close, root)
            os.link(f"proc/self/fd/{descriptor}", path, src_dir_fd=root, follow_symlinks=True)
        except OSError:
            # No room for its words, or no /proc: that it is there is all that counts.
            durable.create(path, content, 0o600)
