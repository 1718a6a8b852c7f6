"""What is written so that it outlives a power cut. Imported on the way in: nothing but os."""

from __future__ import annotations

import os


def sync_directory(directory: str) -> None:
    """Return once the names in a directory are on disk. Raises OSError."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def create(path: str, content: bytes, mode: int) -> None:
    """Create a file; it is on disk when this returns. Raises OSError when it cannot be named.

    What is there already stays as it is, and is a FileExistsError.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(path, flags, mode)
    try:
        while content:
            content = content[os.write(descriptor, content) :]
        os.fsync(descriptor)
    except OSError:
        # A full disk can often still name an empty file, and its existence is all that counts.
        pass
    finally:
        os.close(descriptor)
