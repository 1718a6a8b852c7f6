"""When the flag appears, and when the last of a set of processes is dead, without polling."""

import ctypes
import os
import select
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from installed import PATHS
from methods import RUN_FLAG
from stopwatch import watch

REQUESTS = Path(PATHS.requests)
IN_CREATE, IN_MOVED_TO = 0x100, 0x80


@contextmanager
def changes_of(directory: str) -> Iterator[int]:
    """A descriptor that can be read when something was made in the directory. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        mask = IN_CREATE | IN_MOVED_TO
        if libc.inotify_add_watch(descriptor, os.fsencode(directory), mask) < 0:
            raise OSError(ctypes.get_errno(), f"{directory} cannot be watched")
        yield descriptor
    finally:
        os.close(descriptor)


@dataclass
class Course:
    """When what happened (ns, monotonic); 0: not yet, or not at all."""

    began: int = 0
    asked: int = 0
    flag: int = 0
    dead: int = 0

    def ms(self, moment: int) -> float:
        """From the beginning to that moment."""
        return (moment - self.began) / 1e6


def timed_stop(pids: list[int], act: Callable[[], object], limit_s: float = 30) -> Course:
    """Run `act`; return when there was a request to stop, the flag, and none of `pids` any more.

    Raises TimeoutError when the flag or the last death takes longer than `limit_s`.
    """
    poller, alive = watch(pids)
    course = Course()
    with changes_of(str(RUN_FLAG.parent)) as flags, changes_of(str(REQUESTS)) as requests:
        poller.register(flags, select.POLLIN)
        poller.register(requests, select.POLLIN)
        course.began = time.monotonic_ns()
        act()
        while alive or not course.flag:
            left_ms = limit_s * 1000 - course.ms(time.monotonic_ns())
            ready = poller.poll(max(0.0, left_ms))
            now = time.monotonic_ns()
            if not ready:
                raise TimeoutError(f"no flag, or {alive} processes alive after {limit_s} s")
            for descriptor, _ in ready:
                if descriptor == requests:
                    os.read(descriptor, 65536)
                    course.asked = course.asked or now
                elif descriptor == flags:
                    os.read(descriptor, 65536)
                    course.flag = course.flag or (now if RUN_FLAG.exists() else 0)
                else:
                    poller.unregister(descriptor)
                    os.close(descriptor)
                    alive, course.dead = alive - 1, now
    return course
