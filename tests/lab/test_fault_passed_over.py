"""Processes that cgroup.kill passes over outlived the stop.

The kernel's signal goes to the main thread, and is lost when that has ended; a threaded control
group refuses to be killed and does not tell its processes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lab import ground as g

if TYPE_CHECKING:
    from tests.lab.lab import Lab

UNIT = "quantum-execution.service"
ELSEWHERE = "/sys/fs/cgroup/elsewhere.slice"
FOREVER = "TimeoutStopSec=infinity\nKillMode=mixed\n"
LEADERLESS = "/usr/bin/python3 -I /inside/leaderless.py"
THREADED = "/usr/bin/python3 -I /inside/threaded.py"


def trade(lab: Lab, body: str, **keys: str) -> None:
    g.put_units(lab, {UNIT: g.service(body + FOREVER)})
    g.configure(lab, [UNIT], **keys)
    lab.systemctl("start", UNIT)


def threads(lab: Lab, *groups: str) -> list[str]:
    """Return the threads in these control groups and below, as the kernel tells them."""
    found = f"find {' '.join(groups)} -name cgroup.threads -exec cat {{}} + 2>/dev/null"
    return lab.sh(found, check=False).stdout.split()


@pytest.mark.every_image
@pytest.mark.parametrize("elsewhere", ["", ELSEWHERE])
def test_its_main_thread_has_ended(guarded: Lab, elsewhere: str) -> None:
    group = elsewhere or f"/sys/fs/cgroup/system.slice/{UNIT}"
    trade(guarded, f"ExecStart={LEADERLESS} {elsewhere}\n")
    guarded.wait_until(
        lambda: "Z" in guarded.sh(f"sed 's/.*) //' /proc/{main(guarded)}/stat").stdout[:1],
        what="its main thread has ended",
    )
    assert len(threads(guarded, group)) == 1
    guarded.exec("touch", g.RUN_FLAG)
    guarded.wait_until(lambda: not threads(guarded, group), g.PROMISE / 1000, "it is dead")
    g.assert_contained(guarded, UNIT)
    g.assert_contained(guarded, UNIT, tool=g.ESS)


@pytest.mark.every_image
@pytest.mark.parametrize("tool", [g.CONTROLLER, g.ESS])
def test_nobody_takes_it_for_a_zombie(guarded: Lab, tool: str) -> None:
    """A child outside of the unit's control group: nobody but /proc tells of it."""
    start = f"({LEADERLESS} {ELSEWHERE}) & exec sleep infinity"
    trade(guarded, f"ExecStart=/bin/bash -c '{start}'\n", STOP_GRACE="1.5")
    guarded.wait_until(lambda: len(threads(guarded, ELSEWHERE)) == 1, what="its main thread ended")
    pid = guarded.sh(f"cat {ELSEWHERE}/cgroup.procs").stdout.strip()
    guarded.systemctl("start", "quantum-ess-sentry.service")
    guarded.exec("touch", g.RUN_FLAG)
    guarded.wait_until(lambda: not g.alive(guarded, UNIT), what="the control group is empty")
    seen = g.status(guarded, tool=tool)
    assert threads(guarded, ELSEWHERE)
    assert seen.returncode == 4
    assert f"  ALIVE    {UNIT}  pids {pid}\n" in seen.stdout


@pytest.mark.both_systemds
@pytest.mark.parametrize(
    "what",
    [
        "group",
        *(
            pytest.param(what, marks=pytest.mark.every_image)
            for what in ("thread", "process", "deep")
        ),
    ],
)
def test_its_group_is_threaded(guarded: Lab, what: str) -> None:
    where = "trading.slice" if what == "group" else "system.slice"
    groups = (f"/sys/fs/cgroup/{where}/{UNIT}", "/sys/fs/cgroup/away")
    trade(guarded, f"Slice={where}\nDelegate=yes\nExecStart={THREADED} {what}\n")
    guarded.wait_until(lambda: guarded.exists("/run/threaded"), what="it is where it wants to be")
    assert len(threads(guarded, *groups)) == 2
    guarded.exec("touch", g.RUN_FLAG)
    guarded.wait_until(lambda: not threads(guarded, *groups), g.PROMISE / 1000, "it is dead")
    g.assert_contained(guarded, UNIT)
    g.assert_contained(guarded, UNIT, tool=g.ESS)


@pytest.mark.every_image
@pytest.mark.parametrize("how", ["leaderless", "threaded"])
def test_activate_kills_it_alone(guarded: Lab, how: str) -> None:
    """Without an enforcer the Python ladder has to find it."""
    group = f"/sys/fs/cgroup/trading.slice/{UNIT}"
    program = f"{THREADED} group" if how == "threaded" else LEADERLESS
    trade(guarded, f"Slice=trading.slice\nDelegate=yes\nExecStart={program}\n")
    count = 2 if how == "threaded" else 1
    guarded.wait_until(lambda: len(threads(guarded, group)) == count, what="it trades")
    with guarded.pid1_frozen():
        done = guarded.exec(g.ESS, "activate", "--reason", "x", check=False, timeout=20)
        assert threads(guarded, group) == []
        assert "CONTAINED: no trading process is alive" in done.stdout


def main(lab: Lab) -> str:
    return lab.show(UNIT, "MainPID")["MainPID"]
