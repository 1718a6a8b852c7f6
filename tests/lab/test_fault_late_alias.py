"""A trading unit that became another name after install.sh had run.

Its control group has its own name: what ignored SIGTERM there was not killed, and called contained.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lab import ground as g

if TYPE_CHECKING:
    from tests.lab.lab import Lab

pytestmark = pytest.mark.latch_alone

UNIT = "quantum-execution.service"
OWN = "quantum-execution-v2.service"


@pytest.mark.parametrize("tool", [g.ESS, g.CONTROLLER])
def test_it_is_found_by_its_own_name(guarded: Lab, tool: str) -> None:
    g.guard(guarded, {UNIT: g.service()})
    text = g.service(f"ExecStart={g.STUBBORN}\n{g.ALWAYS}[Install]\nAlias={UNIT}\n")
    guarded.sh(f"rm /etc/systemd/system/{UNIT}")
    g.put_units(guarded, {OWN: text})
    guarded.systemctl("enable", OWN)
    guarded.systemctl("start", UNIT)
    guarded.wait_until(lambda: g.settled(guarded, OWN), what="it trades")

    assert g.touch_and_time(guarded, OWN) < g.PROMISE

    g.assert_contained(guarded, OWN, tool=tool)
    for name in (UNIT, OWN):
        assert guarded.systemctl("start", name, check=False).returncode == 1
    g.release(guarded)
    g.start(guarded, OWN)
    done = guarded.exec(tool, "activate", timeout=15)
    assert OWN in done.stdout
    assert g.alive(guarded, OWN) == []
