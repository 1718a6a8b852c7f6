"""Files of a lab, reached from this host: names are resolved as the lab resolves them.

A process in the lab for each look would cost more than most of what is looked at.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import struct
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_OPENAT2 = 437
_RESOLVE_IN_ROOT = 0x10
_LIBC = ctypes.CDLL(None, use_errno=True)
# What these show depends on who looks.
_OTHERWISE = ("/proc", "/sys", "/dev")


def reaches(path: str) -> bool:
    """Tell whether the file can be looked at from outside as well as from inside."""
    parts = PurePosixPath(path).parts
    return parts[:1] == ("/",) and ".." not in parts and f"/{parts[1:2][0]}" not in _OTHERWISE


def exists(leader: int, path: str) -> bool:
    """Tell whether the name exists, be it a dangling symlink. ProcessLookupError: no such lab."""
    with _root(leader) as root:
        try:
            os.close(_open(root, path, os.O_PATH | os.O_NOFOLLOW))
        except OSError:
            return False
    return True


def read(leader: int, path: str) -> bytes:
    """Return a file's contents. Raises OSError."""
    with _root(leader) as root, open(_open(root, path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
        return file.read()


def write(leader: int, path: str, content: bytes, mode: int) -> None:
    """Write a file, and the directories that are missing. Raises OSError."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NONBLOCK
    with _root(leader) as root:
        _make_directories(root, PurePosixPath(path).parent)
        with open(_open(root, path, flags, mode), "wb") as file:
            os.fchmod(file.fileno(), mode)
            file.write(content)


def _make_directories(root: int, directory: PurePosixPath) -> None:
    for one in reversed((directory, *directory.parents)):
        try:
            os.close(_open(root, str(one), os.O_PATH | os.O_DIRECTORY))
        except FileNotFoundError:
            parent = _open(root, str(one.parent), os.O_PATH | os.O_DIRECTORY)
            try:
                os.mkdir(one.name, 0o755, dir_fd=parent)
            finally:
                os.close(parent)


@contextlib.contextmanager
def _root(leader: int) -> Iterator[int]:
    try:
        root = os.open(f"/proc/{leader}/root", os.O_PATH | os.O_DIRECTORY)
    except FileNotFoundError as error:
        raise ProcessLookupError(f"no process {leader}") from error
    try:
        yield root
    finally:
        os.close(root)


def _open(root: int, path: str, flags: int, mode: int = 0) -> int:
    how = struct.pack("QQQ", flags | os.O_CLOEXEC, mode, _RESOLVE_IN_ROOT)
    found = _LIBC.syscall(_OPENAT2, root, os.fsencode(path), how, len(how))
    if found < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)
    return int(found)
