"""A limit of memory for processes of a lab, by whichever hierarchy of this host has the memory."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.lab.host import LabError, cgroup_root

if TYPE_CHECKING:
    from collections.abc import Iterator

_V1 = Path("/sys/fs/cgroup/memory")


class Cage:
    """One group with a limit; who is put in stays in, with all that it starts."""

    def __init__(self, directory: Path, events: str) -> None:
        self._directory = directory
        self._events = directory / events

    def put(self, pid: int) -> None:
        (self._directory / "cgroup.procs").write_text(str(pid))

    @property
    def kills(self) -> int:
        """How many the kernel has killed for their memory."""
        counts = dict(line.split() for line in self._events.read_text().splitlines())
        return int(counts["oom_kill"])


@contextlib.contextmanager
def cage(limit: int) -> Iterator[Cage]:
    """Give a cage of `limit` bytes. Raises LabError where nothing limits memory."""
    name = f"qtlab-cage-{os.getpid()}"
    if (_V1 / "memory.limit_in_bytes").exists():
        directory, file, events = _V1 / name, "memory.limit_in_bytes", "memory.oom_control"
    elif "memory" in (cgroup_root() / "cgroup.subtree_control").read_text():
        directory, file, events = cgroup_root() / name, "memory.max", "memory.events"
    else:
        raise LabError("no cgroup of this host limits memory")
    directory.mkdir()
    try:
        (directory / file).write_text(str(limit))
        yield Cage(directory, events)
    finally:
        deadline = time.monotonic() + 10
        while True:
            try:
                directory.rmdir()
                break
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
