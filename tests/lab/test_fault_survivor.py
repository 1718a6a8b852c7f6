"""While a trading process outlives SIGKILL, the gate stays shut and nobody says all is well.

The survivor sleeps in a file system that never answers, as on a dead disk: no signal wakes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lab import ground as g

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.lab import Lab

UNDEAD = "quantum-undead.service"
OTHER = "quantum-other.service"
TOOLS = (g.CONTROLLER, g.ESS)


@pytest.fixture(scope="module")
def survivor(lab_image: str) -> Iterator[Lab]:
    """A lab that was tripped and has a survivor in UNDEAD; no test can change that."""
    lab = g.boot(lab_image)
    g.hang(lab, "/run/never")
    g.guard(lab, {UNDEAD: g.service("ExecStart=/usr/bin/stat /run/never/x\n"), OTHER: g.service()})
    g.start(lab, UNDEAD, OTHER)
    lab.exec("touch", g.RUN_FLAG)
    lab.wait_until(lambda: not g.alive(lab, OTHER), what="the other unit is dead")
    yield lab
    lab.down()


@pytest.mark.parametrize("tool", TOOLS)
def test_status_and_activate_say_not_contained(survivor: Lab, tool: str) -> None:
    seen = g.status(survivor, tool=tool)
    assert seen.returncode == 4
    assert "NOT CONTAINED" in seen.stdout
    assert f"{UNDEAD}" in seen.stdout
    assert g.status(survivor, "--quiet", tool=tool).returncode == 4
    done = survivor.exec(tool, "activate", check=False, timeout=15)
    assert done.returncode == 4
    assert "NOT CONTAINED" in done.stdout


def test_status_of_a_stopped_systemd_says_not_contained(survivor: Lab) -> None:
    with survivor.pid1_frozen():
        for tool in TOOLS:
            assert g.status(survivor, tool=tool).returncode == 4
    assert g.status(survivor).returncode == 4


def test_the_survivor_is_cut_off_and_the_journal_shouts(survivor: Lab) -> None:
    survivor.wait_until(
        lambda: survivor.show(UNDEAD, "IPAddressDeny")["IPAddressDeny"], what="IPAddressDeny"
    )
    survivor.wait_until(
        lambda: "NOT CONTAINED after" in survivor.journal("-t", "quantum-ess"), 10, "the journal"
    )


def test_flags_that_go_missing_are_put_back(survivor: Lab) -> None:
    for _ in range(3):
        survivor.exec("rm", "-f", *g.FLAGS)
        survivor.wait_until(lambda: g.latched(survivor), what="a flag is back")
        assert survivor.systemctl("start", OTHER, check=False).returncode != 0
    assert not g.alive(survivor, OTHER)


@pytest.mark.parametrize("tool", TOOLS)
def test_release_is_refused_with_the_gate_shut(survivor: Lab, tool: str) -> None:
    done = survivor.exec(tool, "deactivate", "--no-start", check=False, timeout=20)
    assert done.returncode == 6
    assert UNDEAD in done.stderr
    assert "DEACTIVATION INITIATED" not in survivor.journal("-t", "quantum-ess")
    assert g.latched(survivor)


@pytest.mark.parametrize("tool", TOOLS)
def test_control_groups_that_cannot_be_seen_are_no_proof(guarded: Lab, tool: str) -> None:
    """Containment was read from an empty directory when /sys/fs/cgroup was something else."""
    g.guard(guarded, {OTHER: g.service(f"ExecStart={g.STUBBORN}\n")})
    g.start(guarded, OTHER)
    guarded.exec("touch", g.RUN_FLAG)
    script = 'mount -t tmpfs none /sys/fs/cgroup && exec "$@"'
    seen = guarded.exec("unshare", "-m", "sh", "-c", script, "sh", tool, "status", check=False)
    assert seen.returncode == 4, seen.stdout
    assert "NOT CONTAINED" in seen.stdout
