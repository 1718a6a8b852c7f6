"""systemd 257 restarts a unit (Restart=) without asking its assertions again.

So a unit in a crash loop went on restarting under the latch until PID 1 had a stop job for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lab import ground as g

if TYPE_CHECKING:
    from tests.lab.lab import Lab

pytestmark = pytest.mark.latch_alone

WATCHES = (
    "quantum-ess.path",
    "quantum-ess-disk.path",
    "quantum-ess-sentry.timer",
)
BORN = "/run/storm/born"
WITNESS = "/inside/witness.sh %N"
LOOPS = {
    "loop-main.service": f"ExecStart={WITNESS} before\nRestart=always\n",
    "loop-pre.service": f"ExecStartPre={WITNESS} before\nExecStartPre=false\nExecStart=true\n"
    "Restart=always\n",
    "loop-notify.service": f"Type=notify\nExecStart={WITNESS} before\nRestart=always\n",
    "loop-oneshot.service": f"Type=oneshot\nExecStartPre={WITNESS} before\nExecStart=false\n"
    "Restart=on-failure\n",
    "loop-forking.service": f"Type=forking\nExecStart={WITNESS} before\nRestart=always\n",
    "loop-slow.service": f"ExecStart={WITNESS} before\nRestart=always\nRestartSec=300ms\n",
    "loop-user.service": f"User=nobody\nExecStart={WITNESS} before\nRestart=always\n",
}


def births(lab: Lab) -> int:
    return len(lab.read(BORN).splitlines())


@pytest.fixture
def looping(guarded: Lab) -> Lab:
    """A lab whose trading units end and are restarted all the time."""
    guarded.sh(f"mkdir -p /run/storm; install -m 666 /dev/null {BORN}")
    g.guard(
        guarded,
        {
            name: g.service(f"{body}RestartSec=20ms\n" if "RestartSec" not in body else body)
            for name, body in LOOPS.items()
        },
    )
    guarded.systemctl("start", "--no-block", *LOOPS)
    guarded.wait_until(
        lambda: all(name.removesuffix(".service") in guarded.read(BORN) for name in LOOPS),
        what="all of them loop",
    )
    return guarded


@pytest.mark.both_systemds
def test_the_gate_alone_ends_a_crash_loop(looping: Lab) -> None:
    looping.systemctl("stop", *WATCHES)
    looping.exec("touch", g.RUN_FLAG)
    g.down(looping, *LOOPS)
    assert looping.state(g.ENFORCER) == "inactive"


@pytest.mark.both_systemds
@pytest.mark.parametrize("tool", [g.ESS, g.CONTROLLER])
def test_nothing_comes_back_when_a_deaf_systemd_wakes_up(guarded: Lab, tool: str) -> None:
    units = [f"storm-{number}.service" for number in range(5)]
    guarded.sh("mkdir -p /run/storm")
    g.guard(guarded, dict.fromkeys(units, g.service(f"ExecStart={WITNESS}\n{g.ALWAYS}")))
    g.start(guarded, *units)
    guarded.wait_until(lambda: guarded.exists(BORN) and births(guarded) == len(units), what="born")
    with guarded.pid1_frozen():
        done = guarded.exec(tool, "activate", timeout=15)
        assert "CONTAINED" in done.stdout
    g.down(guarded, *units)
    assert births(guarded) == len(units)
    g.assert_contained(guarded, *units)


def test_a_unit_that_waits_for_its_restart_is_not_contained(guarded: Lab) -> None:
    unit = "patient.service"
    g.guard(guarded, {unit: g.service("ExecStart=false\nRestart=always\nRestartSec=1h\n")})
    guarded.systemctl("stop", *WATCHES)
    guarded.systemctl("start", unit)
    guarded.wait_until(lambda: guarded.state(unit) == "activating", what="it waits")
    guarded.exec("touch", g.RUN_FLAG)
    for tool in (g.ESS, g.CONTROLLER):
        seen = g.status(guarded, tool=tool)
        assert seen.returncode == 4, seen.stdout
        assert unit in seen.stdout
    guarded.exec(g.CONTROLLER, "activate")
    assert guarded.state(unit) in ("inactive", "failed")
    g.assert_contained(guarded, unit)
