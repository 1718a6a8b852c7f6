"""A lab in which hardly another process can be made."""

from __future__ import annotations

import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.lab import Lab


@contextmanager
def few_processes(lab: Lab, spare: int, *, seen: bool = True) -> Iterator[None]:
    """Leave room for `spare` processes in the lab; `seen`: its process table tells of that."""
    legacy = Path("/sys/fs/cgroup/pids")
    if legacy.is_dir():
        group = legacy / f"qtlab-test-{lab.leader}"
        group.mkdir()
    else:
        group = lab.cgroup
    try:
        count = _join(lab, group) if legacy.is_dir() else int((group / "pids.current").read_text())
        if seen:
            lab.sh("cut -d' ' -f4 /proc/loadavg | cut -d/ -f2 >/tmp/max")
            lab.sh("mount --bind /tmp/max /proc/sys/kernel/threads-max")
        (group / "pids.max").write_text(str(count + spare))
        yield
        (group / "pids.max").write_text("max")
    finally:
        (group / "pids.max").write_text("max")
        if legacy.is_dir():
            _leave(group)


def _join(lab: Lab, group: Path) -> int:
    """Move every process of the lab into the group; return how many tasks that are."""
    for procs in lab.cgroup.rglob("cgroup.procs"):
        for pid in procs.read_text().split():
            with suppress(ProcessLookupError):
                (group / "cgroup.procs").write_text(pid)
    return int((group / "pids.current").read_text())


def _leave(group: Path) -> None:
    """Move every process out, also those that come to be or end meanwhile, and remove the group."""
    end = time.monotonic() + 5
    while group.is_dir():
        for pid in (group / "cgroup.procs").read_text().split():
            with suppress(ProcessLookupError):
                (group.parent / "cgroup.procs").write_text(pid)
        with suppress(OSError):
            group.rmdir()
        assert time.monotonic() < end
