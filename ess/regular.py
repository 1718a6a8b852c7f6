"""Reading a file that somebody may have replaced by anything: a FIFO would wait for a writer."""

from __future__ import annotations

import os
import stat


class NotRegularError(OSError):
    """The name stands for something else than a file."""

    strerror = "is not a regular file"


def read(path: str, limit: int, *, follow: bool = True) -> bytes:
    """Return at most the first `limit` bytes of a regular file; never waits. Raises OSError.

    Whatever is no file is a NotRegularError. `follow=False` where somebody less trusted may put a
    link: to open a device is to use it.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(path, flags if follow else flags | os.O_NOFOLLOW)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise NotRegularError
        content = b""
        while len(content) < limit and (more := os.read(descriptor, limit - len(content))):
            content += more
        return content
    finally:
        os.close(descriptor)
