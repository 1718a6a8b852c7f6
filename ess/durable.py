"""Making what was written outlive a power cut. Imported on the way in: nothing but os."""

from __future__ import annotations

import os


def sync_directory(directory: str) -> None:
    """Return once the names in a directory are on disk. Raises OSError."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
