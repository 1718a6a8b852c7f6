"""The stop works on a host where something else does not: D-Bus, PID 1, the journal, our files."""

from __future__ import annotations

import itertools
import os
import signal
from typing import TYPE_CHECKING

import pytest

from tests.lab.rig import (
    BOT,
    CONF,
    CONTROLLER,
    ENFORCER,
    LIB,
    STUBBORN,
    alive,
    arm,
    assert_held,
    assert_released,
    enforcer_pid,
    ess,
    starts,
    touch,
    wait_contained,
    wait_latched,
)
from tests.lab.stack import TRADING_UNITS
from tests.thorough import chosen

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from tests.lab.conftest import ArmLab
    from tests.lab.lab import Lab

pytestmark = pytest.mark.latch_alone

ALL = (*TRADING_UNITS, BOT)
TOOLS = (CONTROLLER, "ess")


@pytest.fixture
def doomed(stubborn: Lab) -> Lab:
    """An armed host with a fifth trading unit that only SIGKILL ends, for one test."""
    return arm(stubborn, BOT, configured=True)


@pytest.fixture
def host(arm_lab: ArmLab) -> Lab:
    """Such a host, which others may have used before."""
    return arm_lab(units={BOT: STUBBORN})


@pytest.fixture
def mended(host: Lab) -> Iterator[Lab]:
    """Such a host, with our configuration as it was before the test, and is after it."""
    host.sh(f"mkdir /tmp/sound; cp -a --parents {CONF} {LIB}/installed.env /tmp/sound/")
    yield host
    host.sh(f"rm -rf {CONF} {LIB}/installed.env; cp -a /tmp/sound/. /; rm -rf /tmp/sound")


def run(lab: Lab, *argv: str, timeout: float = 30) -> subprocess.CompletedProcess[str]:
    return lab.exec(*argv, check=False, timeout=timeout)


def trip_with(lab: Lab, tool: str) -> subprocess.CompletedProcess[str]:
    """Trip; it must say the truth, which is that trading is down."""
    done = run(lab, tool, "activate")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "CONTAINED" in done.stdout
    assert "NOT CONTAINED" not in done.stdout
    assert alive(lab, ALL) == []
    return done


# --- D-Bus ---


@pytest.mark.every_image
def test_dbus_broker_is_dead_and_bash_trips(doomed: Lab) -> None:
    trips_and_releases_without_dbus(doomed, CONTROLLER)


@pytest.mark.both_systemds
def test_dbus_broker_is_dead(doomed: Lab) -> None:
    trips_and_releases_without_dbus(doomed, "ess")


def trips_and_releases_without_dbus(doomed: Lab, tool: str) -> None:
    doomed.sh(
        "systemctl stop dbus.socket dbus.service; rm -f /run/dbus/system_bus_socket;"
        " systemctl mask --runtime dbus.socket dbus.service"
    )
    trip_with(doomed, tool)
    assert_held(doomed, ALL)
    assert run(doomed, tool, "status").returncode == 0
    assert run(doomed, tool, "deactivate").returncode == 0
    assert_released(doomed, ALL)


# --- PID 1 ---


@pytest.mark.both_systemds
def test_pid1_hangs(host: Lab) -> None:
    """Trading is ended through the kernel, it is said so, and nothing revives afterwards."""
    tripped_while_pid1_hangs(host, CONTROLLER)


@pytest.mark.every_image
def test_pid1_hangs_and_python_trips(host: Lab) -> None:
    tripped_while_pid1_hangs(host, "ess")


def tripped_while_pid1_hangs(host: Lab, tool: str) -> None:
    before = starts(host, ALL)
    with host.pid1_frozen():
        done = trip_with(host, tool)
        assert "systemd does not answer" in done.stdout
        assert "through the kernel" in done.stdout + done.stderr
        wait_latched(host)
        told = run(host, tool, "status")
        assert told.returncode == 0
        assert told.stdout.startswith("ESS STATUS: ACTIVE")
        assert run(host, tool, "deactivate", "--all", timeout=40).returncode == 6
        wait_latched(host)
    host.wait_until(lambda: host.state(ENFORCER) == "active", what="the enforcer is up")
    assert starts(host, ALL) == before
    assert_held(host, ALL)


@pytest.mark.parametrize("tool", TOOLS)
def test_clear_and_pid1_hangs_is_not_armed(host: Lab, tool: str) -> None:
    with host.pid1_frozen():
        done = run(host, tool, "status")
    assert done.returncode == 5
    assert "not answer" in done.stdout


def test_touch_while_pid1_hangs_works_when_it_is_back(host: Lab) -> None:
    with host.pid1_frozen():
        touch(host)
    wait_contained(host, ALL)
    assert_held(host, ALL)


# --- the journal ---


def stop_journal(lab: Lab) -> None:
    """Stop journald as if it hung, and let its queues run full."""
    for pid in lab.host_pids("systemd-journald.service"):
        os.kill(pid, signal.SIGSTOP)
    lab.sh("yes full | timeout 1 logger -t filler || :")


@pytest.mark.parametrize(
    "way", chosen(["touch", "bash", "ess", "systemctl"], ["touch", "bash", "ess"])
)
def test_journal_hangs(host: Lab, way: str) -> None:
    ways = {
        "touch": ("touch", "/run/quantum/ESS_ON"),
        "bash": (CONTROLLER, "activate"),
        "ess": ("ess", "activate"),
        "systemctl": ("systemctl", "start", "quantum-ess"),
    }
    stop_journal(host)
    try:
        done = run(host, *ways[way], timeout=12)
        wait_contained(host, ALL)
        assert done.returncode == 0, done.stdout + done.stderr
        wait_latched(host)
        before = starts(host, ALL)
        assert ess(host, "status", "--quiet", timeout=12).returncode == 7
        assert ess(host, "deactivate", timeout=60).returncode == 0
        assert len(alive(host, ALL)) == len(ALL)
        assert starts(host, ALL) != before
    finally:
        for pid in host.host_pids("systemd-journald.service"):
            os.kill(pid, signal.SIGCONT)
    assert_released(host, ALL)


def test_journal_is_dead(doomed: Lab) -> None:
    doomed.sh(
        "systemctl mask --runtime systemd-journald.service systemd-journald.socket"
        " systemd-journald-dev-log.socket;"
        " systemctl kill -s KILL systemd-journald.service; rm -rf /dev/log /run/systemd/journal/*"
    )
    touch(doomed)
    wait_contained(doomed, ALL)
    wait_latched(doomed)
    assert ess(doomed, "activate").returncode == 0


# --- our own configuration and files ---

GARBAGE = {
    "deleted": f"rm {CONF}",
    "a directory": f"rm {CONF}; mkdir {CONF}",
    "a fifo": f"rm {CONF}; mkfifo {CONF}",
    "binary": f"head -c 100000 /dev/urandom >{CONF}",
    "truncated": f"printf 'QT_ESS_TRADING_UNITS=\"quantum-exec' >{CONF}",
    "an empty list": f"echo 'QT_ESS_TRADING_UNITS=' >{CONF}",
    "another unit": f"echo 'QT_ESS_TRADING_UNITS=other.service' >{CONF}",
    "a shell script": f"echo 'QT_ESS_STOP_GRACE=$(sleep 100)' >{CONF}",
    "a dangling link": f"ln -sf /nowhere {CONF}",
}
MORE = {
    "": "",
    " and so is the last good one": f"; rm {LIB}/installed.env",
    " and the last good one is garbage": f"; head -c 9999 /dev/urandom >{LIB}/installed.env",
}


CELLS = list(itertools.product(TOOLS, ("deleted", "binary"), MORE))
GONE, GARBLED = [more for more in MORE if more]


@pytest.mark.parametrize(
    ("tool", "garbage", "more"),
    chosen(
        CELLS,
        (
            (CONTROLLER, "deleted", ""),
            (CONTROLLER, "binary", GARBLED),
            ("ess", "binary", ""),
            ("ess", "deleted", GONE),
        ),
    ),
)
def test_configuration_and_last_good_one(mended: Lab, tool: str, garbage: str, more: str) -> None:
    mended.sh(GARBAGE[garbage] + MORE[more])
    done = trip_with(mended, tool)
    assert CONF in done.stderr
    assert_held(mended, ALL)
    assert run(mended, tool, "deactivate", "--all").returncode == 0
    assert sorted(alive(mended, ALL)) == sorted(ALL)
    assert run(mended, tool, "status").returncode == 5


@pytest.mark.parametrize("garbage", GARBAGE)
def test_configuration_is(mended: Lab, garbage: str) -> None:
    """The enforcer stops what was accepted last, whatever the file has become."""
    mended.sh(GARBAGE[garbage])
    touch(mended)
    wait_contained(mended, ALL)
    assert_held(mended, ALL)
    done = run(mended, "ess", "activate", timeout=10)
    assert done.returncode == 0, done.stderr
    assert ess(mended, "activate").returncode == 0


def test_our_own_files_are_deleted(doomed: Lab) -> None:
    """Without the enforcer PID 1 alone still stops what can be stopped, and the gate holds."""
    doomed.sh(f"rm -rf {LIB}")
    touch(doomed)
    wait_contained(doomed)
    before = starts(doomed, ALL)
    for unit in ALL:
        assert doomed.systemctl("start", unit, check=False).returncode != 0
    assert starts(doomed, ALL) == before
    assert doomed.systemctl("start", "quantum-ess", check=False).returncode != 0
    assert enforcer_pid(doomed) is None or not alive(doomed)
    trip_with(doomed, "ess")
