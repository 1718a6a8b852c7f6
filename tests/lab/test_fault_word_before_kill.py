"""A program that hung in the enforcer's report of itself kept it from killing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lab import ground as g
from tests.lab.rig import wait_latched

if TYPE_CHECKING:
    from tests.lab.lab import Lab

UNIT = "quantum-execution.service"


@pytest.mark.parametrize("category", ["0", "1"])
def test_a_report_that_hangs_delays_neither_kill_nor_hold(guarded: Lab, category: str) -> None:
    g.put_units(
        guarded, {UNIT: g.service(f"ExecStart={g.STUBBORN}\n{g.ALWAYS}TimeoutStopSec=infinity\n")}
    )
    g.configure(guarded, [UNIT], STOP_CATEGORY=category)
    g.start(guarded, UNIT)
    guarded.write("/usr/local/sbin/mv", "#!/bin/sh\nexec sleep 60\n", 0o755)

    assert g.touch_and_time(guarded, UNIT) < g.PROMISE

    wait_latched(guarded)
    guarded.exec("rm", g.RUN_FLAG)
    wait_latched(guarded)
    assert g.alive(guarded, UNIT) == []
