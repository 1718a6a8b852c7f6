"""A start job that nothing may replace makes every transaction fail that would stop its unit.

The halt target's transaction is one of those, so PID 1's own first stop stops nobody.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lab import ground as g

if TYPE_CHECKING:
    from tests.lab.lab import Lab

STUCK = "quantum-stuck.service"
POLITE = "quantum-polite.service"
LATER = "quantum-later.service"
SLOW = "slow.service"


@pytest.mark.both_systemds
def test_it_is_cancelled_and_all_units_are_stopped(guarded: Lab) -> None:
    never_ready = f"Type=notify\nTimeoutStartSec=infinity\nExecStart={g.STUBBORN}\n{g.ALWAYS}"
    saver = "ExecStart=/usr/bin/python3 -I /inside/saver.py /run/saved\n"
    units = {
        STUCK: g.service(never_ready),
        POLITE: g.service(saver),
        LATER: g.service(unit=f"After={SLOW}\nWants={SLOW}\n"),
        SLOW: g.service("Type=oneshot\nExecStart=/usr/bin/sleep 7777\n"),
    }
    g.guard(guarded, units, STUCK, POLITE, LATER)
    g.start(guarded, POLITE)
    guarded.wait_until(lambda: guarded.exists("/run/ready"), what="it handles SIGTERM")
    irreversibly = ("start", "--no-block", "--job-mode=replace-irreversibly")
    guarded.systemctl(*irreversibly, STUCK, LATER)
    guarded.wait_until(lambda: g.settled(guarded, STUCK, SLOW), what="it hangs in its start")
    assert guarded.systemctl("start", "quantum-ess-halt.target", check=False).returncode != 0

    assert g.touch_and_time(guarded, STUCK, POLITE, LATER) < g.PROMISE

    g.down(guarded, STUCK, POLITE, LATER)
    assert guarded.exists("/run/saved"), "the others are stopped politely all the same"
    jobs = guarded.systemctl("list-jobs", "--no-legend", "--plain").stdout
    ours = ("quantum-ess-deliver.service", "quantum-ess-aftermath.service")
    left = [line for line in jobs.splitlines() if "quantum-" in line]
    assert not [line for line in left if line.split()[1] not in ours]
    g.assert_contained(guarded, STUCK, POLITE, LATER)
    guarded.sh(f"systemctl cancel; systemctl stop {SLOW}")
    guarded.systemctl(*irreversibly, STUCK, LATER)
    g.down(guarded, STUCK, LATER)
    assert g.alive(guarded, STUCK, LATER) == []
