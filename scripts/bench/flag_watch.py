"""When the flag appears, and when the last of a set of processes is dead, without polling."""

import ctypes
import os
import select
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from methods import RUN_FLAG
from stopwatch import watch

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


def flag_and_deaths_ms(
    pids: list[int], act: Callable[[], object], limit_s: float = 30
) -> tuple[float, float]:
    """ms from the start of `act` to the flag, and to the death of the last of `pids`.

    Raises TimeoutError when either takes longer than `limit_s`.
    """
    poller, alive = watch(pids)
    with changes_of(str(RUN_FLAG.parent)) as directory:
        poller.register(directory, select.POLLIN)
        flag_ns = 0
        began = ended = time.monotonic_ns()
        act()
        while alive or not flag_ns:
            left_ms = limit_s * 1000 - (time.monotonic_ns() - began) / 1e6
            ready = poller.poll(max(0.0, left_ms))
            ended = time.monotonic_ns()
            if not ready:
                raise TimeoutError(f"no flag, or {alive} processes alive after {limit_s} s")
            for descriptor, _ in ready:
                if descriptor == directory:
                    os.read(directory, 65536)
                    flag_ns = flag_ns or (ended if RUN_FLAG.exists() else 0)
                    continue
                poller.unregister(descriptor)
                os.close(descriptor)
                alive -= 1
    return (flag_ns - began) / 1e6, (ended - began) / 1e6
