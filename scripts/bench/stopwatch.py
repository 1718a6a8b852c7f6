"""Time from an act to the death of the last of a set of processes, without polling."""

import math
import os
import select
import time
from collections.abc import Callable
from contextlib import suppress

# Nothing may live for this long before the last death counts as the last.
QUIET_NS = 150_000_000


def watch(pids: list[int]) -> tuple[select.poll, int]:
    """A poll object that wakes at the death of each of `pids`, and how many it holds."""
    poller = select.poll()
    held = 0
    for pid in pids:
        with suppress(ProcessLookupError):
            poller.register(os.pidfd_open(pid), select.POLLIN)
            held += 1
    return poller, held


def until_dead_ms(
    pids: list[int],
    act: Callable[[], object],
    alive: Callable[[], object] = lambda: None,
    limit_s: float = 30,
) -> float:
    """Run `act`, wait until every one of `pids` is dead, give the ms between its start and that.

    Where `alive` is given, that must answer empty, too: processes born during the stop (a hung
    ExecStop=) count. Raises TimeoutError when one lives longer than `limit_s`.
    """
    poller, left = watch(pids)
    began = time.monotonic_ns()
    deadline = time.monotonic() + limit_s
    act()
    while left:
        dead = poller.poll(max(0.0, (deadline - time.monotonic()) * 1000))
        ended = time.monotonic_ns()
        if not dead:
            raise TimeoutError(f"{left} of {len(pids)} processes alive after {limit_s} s")
        for fd, _ in dead:
            poller.unregister(fd)
            os.close(fd)
        left -= len(dead)
    return (last_alive_ns(ended, alive, deadline) - began) / 1e6


def last_alive_ns(since_ns: int, alive: Callable[[], object], deadline: float) -> int:
    """When `alive` last answered something: `since_ns` or later; then it was quiet for QUIET_NS."""
    while time.monotonic_ns() - since_ns < QUIET_NS:
        if alive():
            since_ns = time.monotonic_ns()
        if time.monotonic() > deadline:
            raise TimeoutError(f"processes still alive at the limit: {alive()}")
        time.sleep(0.001)
    return since_ns


def percentiles(values: list[float]) -> dict[str, float]:
    """p50, p99 and max in ms, by nearest rank, and how many; `values` must not be empty."""
    ordered = sorted(values)

    def rank(percent: int) -> float:
        return round(ordered[math.ceil(percent / 100 * len(ordered)) - 1], 1)

    return {"p50": rank(50), "p99": rank(99), "max": rank(100), "runs": len(ordered)}
