"""The trading units that are stopped: well-behaved ones and hostile ones."""

import os
import subprocess
import time
from contextlib import suppress
from pathlib import Path

UNIT_DIR = Path("/etc/systemd/system")
CONF = Path("/etc/quantum-ess/ess.env")
INSTALL = "/usr/local/lib/quantum-ess/ops/install.sh"
CGROUP = Path("/sys/fs/cgroup/system.slice")

SLEEPER = "ExecStart=/bin/sleep infinity\nRestart=always\nRestartSec=0\n"
HOSTILE = {
    "traps": "ExecStart=/bin/bash -c 'trap \"\" TERM; while :; do sleep 1; done'\n",
    "bomb": 'ExecStart=/bin/bash -c \'trap "" TERM;'
    ' for i in {1..300}; do (trap "" TERM; while :; do sleep 1; done) & done; wait\'\n',
    "hung-stop": "ExecStart=/bin/bash -c 'trap \"\" TERM; while :; do sleep 1; done'\n"
    "ExecStop=/bin/sleep infinity\nExecStopPost=/bin/sleep infinity\nTimeoutStopSec=infinity\n",
    "detached": "Type=forking\nExecStart=/bin/bash -c"
    ' \'setsid bash -c "trap \\\\"\\\\" TERM; while :; do sleep 1; done" & exit 0\'\n',
}


def run(*argv: str, timeout_s: float = 120) -> str:
    """Standard output of a command that must succeed."""
    done = subprocess.run(argv, check=True, capture_output=True, text=True, timeout=timeout_s)
    return done.stdout


class Fleet:
    """One set of trading units, installed as the configured ones."""

    def __init__(self, name: str, bodies: dict[str, str]) -> None:
        self.name = name
        self.units = [f"bench-{name}-{unit}.service" for unit in bodies]
        for unit, body in zip(self.units, bodies.values(), strict=True):
            restart = "" if "Restart=" in body else "Restart=always\nRestartSec=0\n"
            (UNIT_DIR / unit).write_text(f"[Service]\n{body}{restart}")
        names = " ".join(self.units)
        CONF.write_text(f"QT_ESS_TRADING_UNITS={names}\nQT_ESS_MONITOR_UNITS=\nQT_ESS_SETTLE=0\n")
        subprocess.run(["/bin/bash", INSTALL, "--configure"], check=False, capture_output=True)

    def start(self, settle_s: float = 0.3) -> None:
        """Return once every unit has a process, and has had it for `settle_s`."""
        subprocess.run(["systemctl", "reset-failed", *self.units], check=False, capture_output=True)
        run("systemctl", "start", *self.units)
        time.sleep(settle_s)
        missing = [unit for unit in self.units if not self.pids_of(unit)]
        if missing:
            raise RuntimeError(f"not running before the measurement: {missing}")

    def pids_of(self, unit: str) -> list[int]:
        """Live processes of one unit, from its control group."""
        pids: list[int] = []
        for folder, _, _ in os.walk(CGROUP / unit):
            with suppress(OSError):  # the group went away between the listing and the reading
                pids += [int(line) for line in Path(folder, "cgroup.procs").read_text().split()]
        return pids

    def pids(self) -> list[int]:
        """Live processes of all units."""
        return [pid for unit in self.units for pid in self.pids_of(unit)]

    def remove(self) -> None:
        """Forget the units, which must be stopped."""
        for unit in self.units:
            (UNIT_DIR / unit).unlink()


def well_behaved(count: int) -> Fleet:
    """`count` units that end on SIGTERM."""
    return Fleet(f"good{count}", {f"{number:03}": SLEEPER for number in range(count)})


def hostile() -> Fleet:
    """Four units that do not."""
    return Fleet("hostile", HOSTILE)
