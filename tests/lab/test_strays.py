"""Trading programs that no unit started, among processes that are none, or do not tell."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.lab.rig import CONTROLLER, ess, trip
from tests.lab.stack import TRADING_UNITS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.lab import Lab

pytestmark = pytest.mark.latch_alone

ENGINE = TRADING_UNITS[0]
BOT = f"/usr/bin/python3 -I /opt/bots/{ENGINE.removesuffix('.service')}.py"
OUTSIDE = f"{ENGINE}: its program also runs outside it: pid "
# What waits for a process that hangs in the kernel: here for a FIFO in place of its command line.
MUTE = "mount --bind /run/mute /proc/{}/cmdline"
CGROUPS = "/sys/fs/cgroup"
MONITOR = "system.slice/quantum-rl-monitor.service"
BOUND = 7.0


def by_hand(lab: Lab, command: str = BOT, *before: str) -> str:
    """Run it where no trading unit has; return its pid."""
    lab.exec("systemd-run", "-q", "--collect", "--unit=by-hand", *before, *command.split())
    return lab.show("by-hand", "MainPID")["MainPID"]


@pytest.fixture
def host(armed: Lab) -> Iterator[Lab]:
    yield armed
    units = f"by-hand.service {MONITOR} 'mute*.service'"
    armed.sh(
        f"systemctl kill -s KILL {units} || :; umount -l /proc/*/cmdline || :; rm -f /run/mute"
    )


def mute(lab: Lab, many: int = 1) -> list[str]:
    """Start processes whose command line nobody can read."""
    lab.sh("rm -f /run/mute; mkfifo /run/mute")
    pids = []
    for number in range(many):
        lab.exec("systemd-run", "-q", "--collect", f"--unit=mute{number}", "sleep", "infinity")
        pids.append(lab.show(f"mute{number}", "MainPID")["MainPID"])
        lab.sh(MUTE.format(pids[-1]))
    return pids


def status(lab: Lab) -> tuple[int, str]:
    """Return what it says; whoever reads it sees its end, and soon."""
    began = time.monotonic()
    done = lab.sh(
        f"{CONTROLLER} status 2>&1 | cat; exit ${{PIPESTATUS[0]}}", check=False, timeout=30
    )
    assert time.monotonic() - began < BOUND
    return done.returncode, done.stdout


def test_a_process_that_does_not_tell_what_it_runs_is_named(host: Lab) -> None:
    (dark,) = mute(host)
    pid = by_hand(host)
    code, said = status(host)
    assert code == 5
    assert f"pid {dark} does not tell what it runs" in said
    assert f"{OUTSIDE}{pid} in /system.slice/by-hand.service; mend: sudo kill {pid}\n" in said
    host.systemctl("stop", "by-hand")
    trip(host)
    code, said = status(host)
    assert code == 0
    assert f"Not known: what pid {dark} runs; the kernel does not tell.\n" in said


def test_many_that_do_not_tell_are_not_all_waited_for(host: Lab) -> None:
    dark = mute(host, many=6)
    code, said = status(host)
    assert code == 5
    named = [pid for pid in dark if f"pid {pid} does not tell" in said]
    # A busy host has no time for the third.
    assert named in (dark[:1], dark[:2], dark[:3])
    assert "/proc: it is not known whether trading runs outside its units" in said


@pytest.mark.parametrize(
    "options",
    [
        # In a container of its own, whose processes belong to somebody else.
        ("unshare", "--pid", "--fork", "--mount-proc"),
        # These words are what another program was given.
        ("bash", "-c", "sleep infinity; :"),
    ],
)
def test_what_is_no_trading_program_is_not_called_one(host: Lab, options: tuple[str, ...]) -> None:
    by_hand(host, BOT, *options)
    code, said = status(host)
    assert (code, OUTSIDE in said) == (0, False), said


def moved(lab: Lab, pid: str, group: str) -> None:
    lab.sh(f"mkdir -p {CGROUPS}/{group}; echo {pid} >{CGROUPS}/{group}/cgroup.procs")


def test_a_monitor_that_is_the_same_program_is_none(host: Lab) -> None:
    moved(host, by_hand(host), MONITOR)
    code, said = status(host)
    assert (code, OUTSIDE in said) == (0, False), said


def test_what_a_trading_unit_made_itself_is_no_stray(host: Lab) -> None:
    """It left its unit, for which the stop hunts: it is told once, and as that."""
    pid = host.show(ENGINE, "MainPID")["MainPID"]
    moved(host, pid, "x.slice")
    code, said = status(host)
    moved(host, pid, f"system.slice/{ENGINE}")
    assert (code, OUTSIDE in said) == (5, False), said
    assert f"a process of {ENGINE} left its control group: pid {pid}" in said


def test_who_may_not_see_processes_does_not_take_it_for_well(host: Lab) -> None:
    host.sh("mount -o remount,hidepid=2 /proc")
    try:
        done = host.exec(
            *("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"),
            *(CONTROLLER, "status"),
            check=False,
        )
    finally:
        host.sh("mount -o remount,hidepid=0 /proc")
    assert done.returncode == 5
    assert "it is not known whether trading runs outside its units" in done.stdout
    assert ess(host, "status").returncode == 0
