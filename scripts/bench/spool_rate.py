"""How many events a second go through the spool, beside what one would do with the same lines."""

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import desk
from fleet import run
from installed import PATHS, spool

EVENTS = 2000
PLAIN = Path("/var/log/quantum-ess/bench.jsonl")
FIELDS = {"units": "quantum-execution.service quantum-governor.service"}


def write() -> None:
    """Drop the events, each on disk before the next."""
    for _ in range(EVENTS):
        if not spool.put(PATHS, "killed", FIELDS, "00000000-0000-4000-8000-000000000000"):
            raise RuntimeError("no spool takes an event")


def take() -> None:
    """Have the service take them; it ends when the spool is empty."""
    run("systemctl", "start", desk.AFTERMATH)
    if left := desk.waiting():
        raise RuntimeError(f"{left} events are left in the spool")


def lines() -> list[bytes]:
    """The records of the events that were taken last."""
    return Path(PATHS.audit).read_bytes().splitlines(keepends=True)[-EVENTS:]


def append() -> None:
    """Add the same lines to a file, each on disk before the next."""
    content = lines()
    descriptor = os.open(PLAIN, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
    for line in content:
        os.write(descriptor, line)
        os.fsync(descriptor)
    os.close(descriptor)
    PLAIN.unlink()


def log() -> None:
    """Tell the journal of each line, as a script would."""
    for line in lines():
        subprocess.run(["logger", "-t", "bench", "--", line[:900]], check=True, timeout=60)


WAYS: dict[str, Callable[[], None]] = {
    "spool: dropped by Python, fsync": write,
    "spool: taken into the audit log": take,
    "plain file, same lines, fsync": append,
    "logger, a process for each line": log,
}


def measure_spool(rounds: int) -> dict[str, list[float]]:
    """ms for all of EVENTS by each way, `rounds` times, in turn."""
    took: dict[str, list[float]] = {name: [] for name in WAYS}
    desk.settle()
    with desk.held_up():
        for _ in range(rounds):
            for name, way in WAYS.items():
                began = time.monotonic_ns()
                way()
                took[name].append((time.monotonic_ns() - began) / 1e6)
    return took
