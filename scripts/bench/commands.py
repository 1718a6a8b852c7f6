"""How long our commands take, beside systemctl's own, and what being armed costs."""

import subprocess
import time
from contextlib import suppress

from fleet import CGROUP, Fleet, run
from methods import CONTROLLER, RUN_FLAG, undo

ESS = "/usr/local/bin/ess"
# The first round of the sentry on a host records that it is armed; that has an aftermath.
AFTERMATH_S = 5
IDLE_WITHIN_S = 10


def whole_ms(*argv: str) -> float:
    """Wall time of one command, whatever it answers."""
    began = time.monotonic_ns()
    subprocess.run(argv, check=False, capture_output=True, timeout=60)
    return (time.monotonic_ns() - began) / 1e6


def flag_ms(*argv: str, limit_s: float = 10) -> float:
    """From the start of the command to the flag on disk, by looking without pause."""
    began = time.monotonic_ns()
    child = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not RUN_FLAG.exists():
        if time.monotonic_ns() - began > limit_s * 1e9:
            raise TimeoutError(f"{argv[0]} set no flag within {limit_s} s")
    took = (time.monotonic_ns() - began) / 1e6
    child.wait(timeout=30)
    return took


def measure_commands(fleet: Fleet, runs: int) -> dict[str, list[float]]:
    """ms of each command over `runs` runs, round robin so that drift hits all alike."""
    took: dict[str, list[float]] = {}
    for _ in range(runs):
        for name, argv in {
            "ess activate, to the flag": (ESS, "activate", "--reason", "bench"),
            "ess_controller.sh activate, to the flag": (CONTROLLER, "activate"),
        }.items():
            undo(fleet)
            took.setdefault(name, []).append(flag_ms(*argv))
        undo(fleet)
        for name, argv in {
            "ess status": (ESS, "status"),
            "ess_controller.sh status": (CONTROLLER, "status"),
            "systemctl is-active": ("systemctl", "is-active", "quantum-ess.path"),
        }.items():
            took.setdefault(name, []).append(whole_ms(*argv))
    return took


def our_processes() -> int:
    """Live processes of any unit of ours but the sentry, which runs for a moment every 10 s."""
    groups = [g for g in CGROUP.glob("quantum-ess*") if g.name != "quantum-ess-sentry.service"]
    count = 0
    for group in groups:
        with suppress(OSError):  # the group went away between the listing and the reading
            count += len((group / "cgroup.procs").read_text().split())
    return count


def measure_idle(seconds: int) -> dict[str, float]:
    """Armed and idle for `seconds`: our processes between sentry rounds, CPU s of the rounds."""
    run("systemctl", "start", "quantum-ess-sentry.service")
    time.sleep(AFTERMATH_S)
    settled = time.monotonic() + IDLE_WITHIN_S
    while our_processes() and time.monotonic() < settled:
        time.sleep(0.2)
    seen = 0
    cpu_ns: dict[str, int] = {}
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        shown = run(
            "systemctl",
            "show",
            "-p",
            "InvocationID",
            "-p",
            "CPUUsageNSec",
            "-p",
            "ActiveState",
            "quantum-ess-sentry.service",
        )
        fact = dict(line.split("=", 1) for line in shown.splitlines())
        if fact["CPUUsageNSec"].isdigit():
            cpu_ns[fact["InvocationID"]] = int(fact["CPUUsageNSec"])
        if fact["ActiveState"] == "inactive":
            seen = max(seen, our_processes())
        time.sleep(0.2)
    return {
        "processes": seen,
        "cpu_s": round(sum(cpu_ns.values()) / 1e9, 3),
        "rounds": len(cpu_ns),
        "seconds": seconds,
    }
