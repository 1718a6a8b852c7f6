"""Both flags gone at once: while the enforcer waits to see whether that was a person, it kills.

It takes 200 ms to tell a person's act from an accident. In these no flag is there, the gate is
open, and what was started lived until the accident was known to be one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lab.rig import (
    NAP,
    RUN_FLAG,
    RUNNING,
    VAR_FLAG,
    alive,
    arm,
    starts,
    touch,
    wait_contained,
    wait_latched,
)

if TYPE_CHECKING:
    from tests.lab.lab import Lab

pytestmark = pytest.mark.latch_alone

UNIT = "quantum-execution.service"
# Leaves a mark when it has traded for 100 ms.
TRADES = "[Service]\nExecStart=\nExecStart=/bin/sh -c 'sleep 0.1; touch /run/traded; sleep 600'\n"


def start_while_it_is_not_known(lab: Lab) -> bool:
    """Remove both flags, start the unit, and make it an accident; tell whether it was started."""
    before = starts(lab, [UNIT])
    lab.wait_until(lambda: lab.exists(RUNNING), what="what ran is written down")
    # The third removal, 80 ms after the first two, is what makes it an accident.
    lab.sh(
        f"{NAP} rm -rf {RUN_FLAG} {VAR_FLAG}; systemctl start --no-block {UNIT};"
        f" for i in 1 2 3 4; do nap; done; rm -f {RUNNING}"
    )
    wait_latched(lab)
    return starts(lab, [UNIT]) != before


def test_what_starts_before_the_accident_is_known_is_killed_at_once(lab: Lab) -> None:
    arm(lab)
    lab.write(f"/etc/systemd/system/{UNIT}.d/trades.conf", TRADES)
    lab.systemctl("daemon-reload")
    touch(lab)
    wait_contained(lab)
    wait_latched(lab)
    # An enforcer that has not seen both flags yet puts one back without a thought.
    assert any(start_while_it_is_not_known(lab) for _ in range(10))
    lab.wait_until(lambda: not alive(lab, [UNIT]), what="it is dead")
    assert not lab.exists("/run/traded")
