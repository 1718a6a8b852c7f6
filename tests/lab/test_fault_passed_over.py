"""Processes that cgroup.kill passes over outlived the stop.

The kernel's signal goes to the main thread, and is lost when that has ended; a threaded control
group refuses to be killed and does not tell its processes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lab import ground as g

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.lab import Lab

pytestmark = pytest.mark.latch_alone

UNIT = "quantum-execution.service"
ELSEWHERE = "/sys/fs/cgroup/elsewhere.slice"
AWAY = "/sys/fs/cgroup/away"
MOVED = "/run/threaded"
FOREVER = "TimeoutStopSec=infinity\nKillMode=mixed\n"
LEADERLESS = "/usr/bin/python3 -I /inside/leaderless.py"
THREADED = "/usr/bin/python3 -I /inside/threaded.py"


def furnish(lab: Lab) -> None:
    g.guard(lab, {UNIT: g.service()})


@pytest.fixture
def host(ground: g.Ground, lab_image: str) -> Iterator[Lab]:
    """A host on which nobody looks at what left its control group before the stop."""
    lab = ground.lab(lab_image)
    lab.sh(
        "systemctl stop quantum-ess-sentry.timer quantum-ess-sentry.service;"
        f" rm -f /run/quantum-ess/escaped {MOVED};"
        f" ! test -e {ELSEWHERE} || rmdir {ELSEWHERE}; ! test -e {AWAY} || rmdir {AWAY}"
    )
    yield lab
    ground.clean(UNIT)


def trade(lab: Lab, body: str) -> None:
    g.put_units(lab, {UNIT: g.service(body + FOREVER)})
    lab.systemctl("start", UNIT)


def threads(lab: Lab, *groups: str) -> list[str]:
    """Return the threads in these control groups and below, as the kernel tells them."""
    found = f"find {' '.join(groups)} -name cgroup.threads -exec cat {{}} + 2>/dev/null"
    return lab.sh(found, check=False).stdout.split()


@pytest.mark.every_image
@pytest.mark.parametrize("elsewhere", ["", ELSEWHERE])
def test_its_main_thread_has_ended(host: Lab, elsewhere: str) -> None:
    group = elsewhere or f"/sys/fs/cgroup/system.slice/{UNIT}"
    trade(host, f"ExecStart={LEADERLESS} {elsewhere}\n")
    host.wait_until(
        lambda: "Z" in host.sh(f"sed 's/.*) //' /proc/{main(host)}/stat").stdout[:1],
        what="its main thread has ended",
    )
    assert len(threads(host, group)) == 1
    host.exec("touch", g.RUN_FLAG)
    host.wait_until(lambda: not threads(host, group), g.PROMISE / 1000, "it is dead")
    g.assert_contained(host, UNIT)
    g.assert_contained(host, UNIT, tool=g.ESS)


@pytest.mark.every_image
@pytest.mark.parametrize("tool", [g.CONTROLLER, g.ESS])
def test_nobody_takes_it_for_a_zombie(host: Lab, tool: str) -> None:
    """A child outside of the unit's control group: nobody but /proc tells of it."""
    start = f"({LEADERLESS} {ELSEWHERE}) & exec sleep infinity"
    trade(host, f"ExecStart=/bin/bash -c '{start}'\n")
    host.wait_until(lambda: len(threads(host, ELSEWHERE)) == 1, what="its main thread ended")
    pid = host.sh(f"cat {ELSEWHERE}/cgroup.procs").stdout.strip()
    host.systemctl("start", "quantum-ess-sentry.service")
    host.exec("touch", g.RUN_FLAG)
    host.wait_until(lambda: not g.alive(host, UNIT), what="the control group is empty")
    seen = g.status(host, tool=tool)
    assert threads(host, ELSEWHERE)
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
def test_its_group_is_threaded(host: Lab, what: str) -> None:
    where = "trading.slice" if what == "group" else "system.slice"
    groups = (f"/sys/fs/cgroup/{where}/{UNIT}", AWAY)
    trade(host, f"Slice={where}\nDelegate=yes\nExecStart={THREADED} {what}\n")
    host.wait_until(lambda: host.exists(MOVED), what="it is where it wants to be")
    assert len(threads(host, *groups)) == 2
    host.exec("touch", g.RUN_FLAG)
    host.wait_until(lambda: not threads(host, *groups), g.PROMISE / 1000, "it is dead")
    g.assert_contained(host, UNIT)
    g.assert_contained(host, UNIT, tool=g.ESS)


@pytest.mark.every_image
@pytest.mark.parametrize("how", ["leaderless", "threaded"])
def test_activate_kills_it_alone(host: Lab, how: str) -> None:
    """Without an enforcer the Python ladder has to find it."""
    group = f"/sys/fs/cgroup/trading.slice/{UNIT}"
    program = f"{THREADED} group" if how == "threaded" else LEADERLESS
    trade(host, f"Slice=trading.slice\nDelegate=yes\nExecStart={program}\n")
    count = 2 if how == "threaded" else 1
    host.wait_until(lambda: len(threads(host, group)) == count, what="it trades")
    with host.pid1_frozen():
        done = host.exec(g.ESS, "activate", "--reason", "x", check=False, timeout=20)
        assert threads(host, group) == []
        assert "CONTAINED: no trading process is alive" in done.stdout


def main(lab: Lab) -> str:
    return lab.show(UNIT, "MainPID")["MainPID"]
