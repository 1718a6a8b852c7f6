"""The watcher in the lab as the unit it is on a host: its settings, and what it takes of it."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from desk import wait_until
from fleet import CGROUP, run
from installed import PATHS
from memory import status_mb

UNIT = "quantum-ess-watch.service"
SETTINGS = Path(PATHS.watch_config)
STATE = Path(PATHS.state_dir, "watch")
LATEST, STREAM = "quantum:ess:latest", "quantum:ess:figures"


@contextmanager
def watching(port: int, **keys: str) -> Iterator[None]:
    """A watcher of the Redis on `port`, at an interval of 1 s; `keys` without QT_ESS_."""
    wanted = {
        "ENABLED": "true",
        "CHECK_INTERVAL": "1",
        "WATCH_REDIS_URL": f"redis://127.0.0.1:{port}/0",
        **keys,
    }
    SETTINGS.write_text("".join(f"QT_ESS_{key}={value}\n" for key, value in wanted.items()))
    SETTINGS.chmod(0o640)
    shutil.chown(SETTINGS, group="quantum-ess")
    for file in STATE.glob("*.json"):
        file.unlink()
    run("systemctl", "restart", UNIT)
    try:
        yield
    finally:
        run("systemctl", "stop", UNIT)
        SETTINGS.write_text("QT_ESS_ENABLED=false\n")


def standing() -> dict[str, str]:
    """How each evaluator stood at the end of the last round; nothing while that is not known."""
    try:
        found = json.loads((STATE / "standing.json").read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return {one["evaluator"]: one["mood"] for one in found["verdicts"]}


def await_mood(evaluator: str, mood: str) -> None:
    """Return once two rounds have found it so: the first may have begun before."""
    file = STATE / "standing.json"
    seen: set[int] = set()

    def twice() -> bool:
        if standing().get(evaluator) != mood:
            seen.clear()
        elif file.exists():
            seen.add(file.stat().st_mtime_ns)
        return len(seen) > 1

    wait_until(twice, f"{evaluator} is {mood}")


def cpu_s(unit: str) -> float:
    """What all processes of a unit have had of the processors since it started (s)."""
    lines = (CGROUP / unit / "cpu.stat").read_text().splitlines()
    return int(dict(line.split() for line in lines)["usage_usec"]) / 1e6


def memory_mb(unit: str) -> tuple[float, float]:
    """RSS and PSS of all processes of a unit (MB)."""
    rss = pss = 0.0
    for pid in map(int, (CGROUP / unit / "cgroup.procs").read_text().split()):
        rss += status_mb(pid, "status", "VmRSS")
        pss += status_mb(pid, "smaps_rollup", "Pss")
    return rss, pss
