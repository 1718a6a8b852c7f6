"""PID 1's own first stop: before it starts anything, and also where no enforcer can be started."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.lab.rig import (
    BOT,
    ENFORCER,
    SENTRY,
    STUBBORN,
    ess,
    touch,
    wait_contained,
)
from tests.lab.stack import TRADING_UNITS

if TYPE_CHECKING:
    from tests.lab.conftest import ArmLab
    from tests.lab.lab import Lab

pytestmark = [pytest.mark.latch_alone, pytest.mark.both_systemds]

FIRST, QUICK, TARGET = "quantum-ess-halt.path", "quantum-ess-quick.path", "quantum-ess-halt.target"
ALL = (*TRADING_UNITS, BOT)
KEEP = "/run/quantum/.quick"
# IN_MOVE_SELF: the one thing that has to wake who watches below a directory.
MOVED = 0x800
WATCHED = re.compile(r"inotify wd:\w+ ino:(\w+) sdev:(\w+) mask:(\w+)")


def watched(lab: Lab, path: str) -> set[int]:
    """What PID 1 asks to be told of `path`: the masks of its watches, one for each watcher."""
    inode, major, minor = lab.sh(f"stat -c '%i %Hd %Ld' {path}").stdout.split()
    device = int(major) << 20 | int(minor)
    found = WATCHED.findall(lab.sh("cat /proc/1/fdinfo/*", check=False).stdout)
    return {
        int(mask, 16)
        for ino, dev, mask in found
        if (int(ino, 16), int(dev, 16)) == (int(inode), device)
    }


def moment(lab: Lab, unit: str, name: str) -> int:
    """Microseconds of systemd's clock, 0 for never."""
    return int(lab.show(unit, f"{name}TimestampMonotonic")[f"{name}TimestampMonotonic"] or 0)


def test_trading_is_stopped_before_the_enforcer_is_started(armed: Lab) -> None:
    """It takes PID 1 12 ms to start a process (a grace period of the kernel's control groups)."""
    touch(armed)
    wait_contained(armed)
    started = moment(armed, ENFORCER, "ExecMainStart")
    for unit in TRADING_UNITS:
        assert 0 < moment(armed, unit, "ActiveExit") < started, unit


def test_the_enforcer_takes_the_priority_its_unit_does_not_have(armed: Lab) -> None:
    touch(armed)
    wait_contained(armed)
    pid = armed.show(ENFORCER, "MainPID")["MainPID"]
    # The stop does not wait for it.
    armed.wait_until(
        lambda: armed.sh(f"ps -o ni= -p {pid}").stdout.strip() == "-20", what="its priority"
    )


def test_it_is_there_where_nothing_gives_it_that_priority(arm_lab: ArmLab) -> None:
    """Its unit once had nice(1) start it, without which there was no enforcer."""
    stubborn = arm_lab(units={BOT: STUBBORN})
    stubborn.sh("rm -f /usr/bin/nice /usr/bin/renice")
    touch(stubborn)
    wait_contained(stubborn, ALL)
    assert stubborn.state(ENFORCER) == "active"


def test_one_unit_watches_the_flag_and_another_what_is_beside_it(armed: Lab) -> None:
    assert armed.state(FIRST) == "inactive"
    assert armed.show(QUICK, "SubState") == {"SubState": "waiting"}
    masks = watched(armed, "/run/quantum")
    assert len(masks) == 2, masks
    assert MOVED in masks, "the flag wakes a second watcher"

    touch(armed)
    wait_contained(armed)
    assert armed.state(FIRST) == "active"
    released = ess(armed, "deactivate", "--yes", "--reason", "test", "--no-start")
    assert released.returncode == 0, released.stderr
    armed.wait_until(lambda: armed.state(FIRST) == "inactive", what="it goes with the enforcer")
    assert watched(armed, "/run/quantum") == masks


def test_it_comes_where_the_enforcer_cannot_be_started(armed: Lab) -> None:
    armed.systemctl("stop", "quantum-ess-sentry.timer")
    armed.systemctl("mask", "--runtime", SENTRY)
    armed.sh(f"ln -sf /dev/null /etc/systemd/system/{ENFORCER}; systemctl daemon-reload")
    touch(armed)
    wait_contained(armed)
    assert armed.state("quantum-ess.path") == "failed"
    assert armed.show(ENFORCER, "LoadState") == {"LoadState": "masked"}


def test_it_comes_again_when_a_start_has_ended_it(armed: Lab) -> None:
    touch(armed)
    wait_contained(armed)
    before = moment(armed, TARGET, "ActiveEnter")
    assert armed.systemctl("start", TRADING_UNITS[0], check=False).returncode != 0
    armed.wait_until(lambda: moment(armed, TARGET, "ActiveEnter") > before, what="a new first stop")


def test_what_keeps_it_quick_is_put_back(armed: Lab) -> None:
    armed.sh(f"rmdir {KEEP}")
    armed.systemctl("start", SENTRY)
    armed.wait_until(lambda: MOVED in watched(armed, "/run/quantum"), what="it is watched again")


def test_without_what_keeps_it_quick_it_comes_all_the_same(armed: Lab) -> None:
    armed.sh(f"systemctl stop {QUICK}; rmdir {KEEP}; >{KEEP}")
    armed.systemctl("start", SENTRY)
    assert armed.state(QUICK) != "active"
    assert ess(armed, "status").returncode == 0, "that is no reason to call it not armed"
    touch(armed)
    wait_contained(armed)
    armed.sh(f"rm {KEEP}")
    before = armed.sh("stat -c %.9Y /run/quantum").stdout
    armed.systemctl("start", SENTRY)
    assert armed.sh("stat -c %.9Y /run/quantum").stdout == before, "a release takes it for a stop"
    released = ess(armed, "deactivate", "--yes", "--reason", "test", "--no-start")
    assert released.returncode == 0, released.stderr
    armed.systemctl("start", SENTRY)
    assert armed.state(QUICK) == "active"


@pytest.mark.parametrize("way", ["touch", "start"])
def test_trading_that_lingers_while_the_host_shuts_down_is_killed(
    arm_lab: ArmLab, way: str
) -> None:
    """No job that nothing replaces may fail the start, no watch that is to stop hold it up."""
    stubborn = arm_lab(units={BOT: STUBBORN})
    stubborn.put_unit(
        "lingers.service",
        "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=true\nExecStop=sleep 60\n",
    )
    stubborn.systemctl("start", "lingers.service")
    stubborn.systemctl("start", "--no-block", "--job-mode=replace-irreversibly", "poweroff.target")
    stubborn.wait_until(lambda: stubborn.state(BOT) == "deactivating", what="it shuts down")
    if way == "touch":
        touch(stubborn)
    else:
        stubborn.systemctl("start", "--no-block", "quantum-ess.service")
    wait_contained(stubborn, ALL)
    assert stubborn.state(ENFORCER) == "active"
