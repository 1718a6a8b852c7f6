"""Asking root for the stop: a file in the directory of requests, there whole or not at all.

What is in that directory is a request, whatever it says, and who reads it may be faster than who
writes it. So it is written before it has a name.
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING, Protocol

from ess.errors import EssError
from ess.exits import ExitCode
from ess.text import clean

if TYPE_CHECKING:
    from collections.abc import Mapping

SOURCE = "watcher"
_REASON = 200  # bytes of a reason that the reader keeps
_MODE = 0o600


class RequestError(EssError):
    """The stop could not be asked for."""

    exit_code = ExitCode.NOT_CONTAINED


class Trip(Protocol):
    """The one way out of the watcher."""

    def trip(self, reason: str, inputs: Mapping[str, str]) -> None:
        """Ask for the stop; return once that cannot be lost. Raises EssError."""


class TripRequest:
    """Drops requests into `directory`."""

    def __init__(self, directory: str) -> None:
        self._directory = directory

    def trip(self, reason: str, inputs: Mapping[str, str]) -> None:  # noqa: ARG002 - see Trip
        """Ask for the stop. Raises RequestError."""
        content = f"reason={clean(reason, _REASON)}\nsource={SOURCE}\n".encode()
        path = f"{self._directory}/{time.time_ns()}-{os.getpid()}"
        try:
            _put(self._directory, path, content)
        except OSError as error:
            what = f"the stop could not be asked for: {self._directory}: {error.strerror or error}"
            raise RequestError(what) from None


def _put(directory: str, path: str, content: bytes) -> None:
    try:
        descriptor = os.open(directory, os.O_TMPFILE | os.O_WRONLY | os.O_CLOEXEC, _MODE)
    except OSError:
        _put_plainly(path, content)
        return
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, descriptor)
        os.write(descriptor, content)
        root = os.open("/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        stack.callback(os.close, root)
        try:
            # Only with a directory to begin at does os.link() follow the link in /proc.
            os.link(f"proc/self/fd/{descriptor}", path, src_dir_fd=root, follow_symlinks=True)
        except OSError:
            _put_plainly(path, content)


def _put_plainly(path: str, content: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags, _MODE)
    try:
        # Its name alone asks for the stop; what it says may be missing.
        with contextlib.suppress(OSError):
            os.write(descriptor, content)
    finally:
        os.close(descriptor)
