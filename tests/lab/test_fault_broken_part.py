"""A broken part of the bash controller that a stop does not need kept the enforcer from working."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.lab import ground as g

if TYPE_CHECKING:
    from tests.lab.lab import Lab

UNIT = "quantum-execution.service"
PARTS = "/usr/local/lib/quantum-ess/ops/lib"


def test_the_stop_needs_only_its_own_parts(guarded: Lab) -> None:
    g.guard(guarded, {UNIT: g.service(f"ExecStart={g.STUBBORN}\n{g.ALWAYS}")})
    g.start(guarded, UNIT)
    for part in ("release", "restart", "status"):
        guarded.sh(f"echo 'if then' >{PARTS}/{part}.sh")

    assert g.touch_and_time(guarded, UNIT) < g.PROMISE

    guarded.exec(g.CONTROLLER, "activate")
    assert g.latched(guarded)
    assert guarded.state(g.ENFORCER) == "active"
