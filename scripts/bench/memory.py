"""How much memory what follows a stop takes at most, process by process."""

import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path

import desk
import spool_rate
from fleet import CGROUP, Fleet
from installed import VENV
from methods import RUN_FLAG, undo

TOGETHER = "delivery, all its processes at once (PSS)"
ALONE = "python that does nothing"


def status_mb(pid: int, file: str, key: str) -> float:
    """A figure of a process, in MB. Raises OSError when it is gone, ValueError for no figure."""
    for line in Path(f"/proc/{pid}/{file}").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) / 1024
    raise ValueError(f"{key} of {pid}: the process is ending")


def role(pid: int) -> str:
    """What a process of ours is there for, by its arguments; "" for one that has none yet."""
    words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")[:-1]
    known = {("aftermath",): "aftermath", ("deliver",): "delivery, supervisor"}
    own = tuple(words[words.index("ess") + 1 :]) if "ess" in words else ()
    return known.get(own) or (f"delivery, child for {own[1]}" if own[:1] == ("deliver",) else "")


class Peaks:
    """The most that was seen of each role, for as long as the context lasts (MB)."""

    def __init__(self) -> None:
        self.mb: dict[str, float] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Peaks":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(timeout=10)

    def _watch(self) -> None:
        while not self._over.wait(0.003):
            self._look(desk.AFTERMATH)
            self._rise(TOGETHER, self._look(desk.DELIVER))

    def _look(self, unit: str) -> float:
        """Note the highest of each process, and return what they have together now."""
        together = 0.0
        with suppress(OSError):
            for pid in map(int, (CGROUP / unit / "cgroup.procs").read_text().split()):
                with suppress(OSError, ValueError):
                    self._rise(role(pid), status_mb(pid, "status", "VmHWM"))
                    together += status_mb(pid, "smaps_rollup", "Pss")
        return together

    def _rise(self, name: str, mb: float) -> None:
        if name and mb:
            self.mb[name] = max(mb, self.mb.get(name, 0.0))


def idle_python_mb() -> float:
    """What the interpreter takes for nothing."""
    argv = (str(VENV / "bin/python"), "-I", "-c", "input()")
    child = subprocess.Popen(argv, stdin=subprocess.PIPE)
    try:
        time.sleep(0.5)
        return status_mb(child.pid, "status", "VmHWM")
    finally:
        child.kill()
        child.wait(timeout=10)


def measure_memory(fleet: Fleet, runs: int) -> dict[str, list[float]]:
    """MB at most of each process over `runs` stops, and over as many full spools."""
    most: dict[str, list[float]] = {ALONE: []}
    with desk.staffed():
        for _ in range(runs):
            most[ALONE].append(idle_python_mb())
            for name, mb in (one_stop(fleet) | full_spool()).items():
                most.setdefault(name, []).append(mb)
    return most


def one_stop(fleet: Fleet) -> dict[str, float]:
    """MB at most from a stop until everybody was told of it."""
    undo(fleet)
    desk.settle()
    fleet.start()
    with Peaks() as peaks:
        RUN_FLAG.touch()
        desk.wait_until(lambda: desk.waiting() or desk.is_busy(), "an event of the stop")
        desk.settle()
    return peaks.mb


def full_spool() -> dict[str, float]:
    """MB at most while a full spool is taken."""
    with desk.held_up():
        desk.flood(spool_rate.EVENTS)
        with Peaks() as peaks:
            spool_rate.take()
    return {f"aftermath, {spool_rate.EVENTS:,} events waiting": peaks.mb["aftermath"]}
