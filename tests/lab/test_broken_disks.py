"""The stop works with disks that are full, read-only or hung, and when no process can be made."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.lab.crowd import few_processes
from tests.lab.disk import frozen, loop_disk
from tests.lab.rig import (
    BOT,
    CONTROLLER,
    RUN_FLAG,
    RUNNING,
    VAR_FLAG,
    alive,
    arm,
    assert_held,
    assert_released,
    enforcer_pid,
    ess,
    latched,
    starts,
    touch,
    wait_contained,
    wait_latched,
)
from tests.lab.stack import TRADING_UNITS
from tests.thorough import chosen, in_turn

if TYPE_CHECKING:
    import subprocess

    from tests.lab.lab import Lab

ALL = (*TRADING_UNITS, BOT)
TOOLS = (CONTROLLER, "ess")
STATE = "/var/lib/quantum-ess"

FULL = "dd if=/dev/zero of={0}/filler bs=4k 2>/dev/null || :"
NO_INODE = "i=0; while : 2>/dev/null >{0}/filler.$i; do i=$((i + 1)); done; true"
# What stands for a directory of ours that cannot take a byte, or a name, any more.
SMALL = "cp -a {0} /tmp/keep; mount -t tmpfs -o mode=755,{1} none {0}; cp -a /tmp/keep/. {0}/"
READ_ONLY = "mount --bind {0} {0} && mount -o remount,ro,bind {0}"


@pytest.fixture
def host(stubborn: Lab) -> Lab:
    """An armed host with a fifth trading unit that only SIGKILL ends."""
    return arm(stubborn, BOT, configured=True)


def run(lab: Lab, *argv: str, timeout: float = 30) -> subprocess.CompletedProcess[str]:
    return lab.exec(*argv, check=False, timeout=timeout)


def trip_with(lab: Lab, tool: str) -> subprocess.CompletedProcess[str]:
    done = run(lab, tool, "activate")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "NOT CONTAINED" not in done.stdout
    assert alive(lab, ALL) == []
    return done


def hold_without(lab: Lab) -> None:
    """Nothing starts, whichever flag is the one that holds."""
    before = starts(lab, ALL)
    for unit in ALL:
        assert lab.systemctl("start", unit, check=False).returncode != 0
    assert starts(lab, ALL) == before
    assert ess(lab, "status", "--quiet").returncode == 7


# --- /run ---


def small_run(lab: Lab, limit: str, filler: str) -> None:
    lab.sh(SMALL.format("/run/quantum", limit))
    lab.sh(filler.format("/run/quantum"))
    lab.sh("rm -rf /tmp/keep")
    lab.sh(SMALL.format("/run/quantum-ess", limit))
    lab.sh(filler.format("/run/quantum-ess"))


# bash has all of /run full, below.
@pytest.mark.parametrize("tool", chosen(TOOLS, ["ess"]))
def test_our_run_directories_are_full(host: Lab, tool: str) -> None:
    small_run(host, "size=64k", FULL)
    trip_with(host, tool)
    wait_latched(host)
    hold_without(host)


@pytest.mark.parametrize("tool", TOOLS)
def test_our_run_directories_are_out_of_inodes(host: Lab, tool: str) -> None:
    small_run(host, "nr_inodes=20", NO_INODE)
    done = trip_with(host, tool)
    assert RUN_FLAG in done.stderr
    assert "the other flag holds" in done.stderr
    assert not host.exists(RUN_FLAG)
    hold_without(host)
    host.sh("rm -f /run/quantum/filler.*")
    wait_latched(host)
    assert_held(host, ALL)


@pytest.mark.parametrize(("kind", "tool"), in_turn(["space", "inodes"], TOOLS))
def test_all_of_run_is_full(host: Lab, tool: str, kind: str) -> None:
    """Also for systemd itself, which keeps its own state there."""
    if kind == "space":
        host.sh("mount -o remount,size=16M /run; " + FULL.format("/run"))
    else:
        used = host.sh("df --output=iused /run | tail -1").stdout.strip()
        host.sh(f"mount -o remount,nr_inodes={int(used) + 10} /run; " + NO_INODE.format("/run"))
    trip_with(host, tool)
    hold_without(host)
    host.sh("rm -f /run/filler*; mount -o remount,size=64M,nr_inodes=100k /run")
    assert_held(host, ALL)
    assert run(host, tool, "deactivate", "--all").returncode == 0
    assert_released(host, ALL)


def test_touch_with_a_full_run(host: Lab) -> None:
    host.sh("mount -o remount,size=16M /run; " + FULL.format("/run"))
    touch(host)
    wait_contained(host, ALL)
    hold_without(host)


# --- /var ---


@pytest.mark.every_image
@pytest.mark.parametrize("tool", TOOLS)
def test_var_is_read_only(host: Lab, tool: str) -> None:
    host.sh(READ_ONLY.format("/var"))
    done = trip_with(host, tool)
    assert VAR_FLAG in done.stderr
    assert not host.exists(VAR_FLAG)
    hold_without(host)
    refused = run(host, tool, "deactivate")
    assert refused.returncode == 6
    assert "--all" in refused.stderr
    hold_without(host)
    host.sh("umount -l /var")
    wait_latched(host)
    assert_held(host, ALL)


@pytest.mark.parametrize("tool", TOOLS)
def test_var_becomes_read_only_while_latched(host: Lab, tool: str) -> None:
    """A flag that cannot be removed cannot be released, and the other one stays where it is."""
    assert run(host, tool, "activate", "--reason", "keep me").returncode == 0
    host.wait_until(lambda: host.exists(RUNNING), what="what ran is written down")
    host.sh(READ_ONLY.format("/var"))
    refused = run(host, tool, "deactivate")
    assert refused.returncode == 6, refused.stderr
    assert latched(host)
    assert "keep me" in host.read(RUN_FLAG)
    assert_held(host, ALL)


@pytest.mark.parametrize("tool", [*TOOLS, "touch"])
def test_var_is_full(host: Lab, tool: str) -> None:
    host.sh(SMALL.format(STATE, "size=64k"))
    host.sh(FULL.format(STATE))
    if tool == "touch":
        touch(host)
        wait_contained(host, ALL)
    else:
        trip_with(host, tool)
    hold_without(host)
    host.sh(f"rm {STATE}/filler")
    wait_latched(host)
    assert_held(host, ALL)
    host.wait_until(lambda: host.exists(RUNNING), what="what ran is written down after all")
    assert ess(host, "deactivate").returncode == 0
    assert_released(host, ALL)


@pytest.mark.parametrize("tool", TOOLS)
def test_both_places_cannot_be_written(host: Lab, tool: str) -> None:
    """Trading is stopped, kept down by the enforcer, and nobody is told that it is safe."""
    small_run(host, "nr_inodes=20", NO_INODE)
    host.sh(READ_ONLY.format("/var"))
    done = run(host, tool, "activate")
    assert "NOT LATCHED" in done.stderr
    assert done.returncode == 4, done.stdout
    wait_contained(host, ALL)
    assert enforcer_pid(host)
    host.systemctl("start", *TRADING_UNITS, check=False)
    wait_contained(host, ALL)
    host.sh("rm -f /run/quantum/filler.*")
    host.wait_until(lambda: host.exists(RUN_FLAG), what="latched as soon as there is room")
    hold_without(host)


# A touch of the flag beside a disk that hangs: test_fault_hung_disk.
@pytest.mark.parametrize("tool", chosen([*TOOLS, "touch", "systemctl"], TOOLS))
def test_disk_of_the_second_flag_hangs(host: Lab, tmp_path: Path, tool: str) -> None:
    with loop_disk(host, tmp_path / "disk", STATE):
        with frozen(host, STATE):
            if tool == "touch":
                touch(host)
                wait_contained(host, ALL)
            elif tool == "systemctl":
                host.systemctl("start", "quantum-ess", timeout=8)
            else:
                done = trip_with(host, tool)
                assert VAR_FLAG in done.stderr
            assert alive(host, ALL) == []
            assert host.exists(RUN_FLAG)
            hold_without(host)
        wait_latched(host)
        assert_held(host, ALL)
        host.wait_until(lambda: host.exists(RUNNING), what="what ran is written down after all")
        assert ess(host, "deactivate").returncode == 0
        assert_released(host, ALL)


# --- processes ---


@pytest.mark.both_systemds
def test_process_table_is_full(host: Lab) -> None:
    """Bash would wait for seconds to fork; what can be done without a fork is done first."""
    tripped_with_few_processes(host, 2)


@pytest.mark.every_image
@pytest.mark.parametrize("spare", [4, 8])
def test_process_table_is_nearly_full(host: Lab, spare: int) -> None:
    tripped_with_few_processes(host, spare)


def tripped_with_few_processes(host: Lab, spare: int) -> None:
    flag = Path(f"/proc/{host.leader}/root{RUN_FLAG}")
    with few_processes(host, spare):
        flag.touch()
        wait_contained(host, ALL)
    wait_latched(host, timeout=20)
    assert_held(host, ALL)
