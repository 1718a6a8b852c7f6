"""Ways of stopping a fleet: ours, and what one would do without it."""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from fleet import CGROUP, Fleet, run

RUN_FLAG = Path("/run/quantum/ESS_ON")
CONTROLLER = "/usr/local/lib/quantum-ess/ops/ess_controller.sh"


def start(*argv: str) -> None:
    """Start a command and do not wait for it."""
    subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def touch_flag(_: Fleet) -> None:
    """The way in that every other way in ends in."""
    RUN_FLAG.touch()


def cgroup_kill(fleet: Fleet) -> None:
    """What the kernel can do at best."""
    for unit in fleet.units:
        (CGROUP / unit / "cgroup.kill").write_text("1")


def systemctl_kill(fleet: Fleet) -> None:
    """systemctl kill -s KILL of all units."""
    start("systemctl", "kill", "-s", "KILL", *fleet.units)


def systemctl_stop(fleet: Fleet) -> None:
    """One systemctl stop of all units."""
    start("systemctl", "stop", *fleet.units)


def stop_loop(fleet: Fleet) -> None:
    """A shell loop of systemctl stop, one unit after the other."""
    start("/bin/sh", "-c", 'for unit; do systemctl stop "$unit"; done', "loop", *fleet.units)


METHODS: dict[str, Callable[[Fleet], None]] = {
    "quantum-ess (touch)": touch_flag,
    "cgroup.kill": cgroup_kill,
    "systemctl kill -s KILL": systemctl_kill,
    "systemctl stop, all": systemctl_stop,
    "systemctl stop, loop": stop_loop,
}


def stays_dead(fleet: Fleet, watch_s: float = 0.3) -> bool:
    """True when no process of the fleet shows up again."""
    until = time.monotonic() + watch_s
    while time.monotonic() < until:
        if fleet.pids():
            return False
        time.sleep(0.01)
    return True


def undo(fleet: Fleet) -> None:
    """Back to a released latch and a stopped fleet; only the product can stop the hostile one."""
    if fleet.pids() or RUN_FLAG.exists():
        run("/bin/bash", CONTROLLER, "activate", "--category", "0")
        run("/bin/bash", CONTROLLER, "deactivate", "--yes", "--no-start")
