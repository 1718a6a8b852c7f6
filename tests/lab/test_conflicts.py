"""A unit that conflicts with ours, started in the middle of a stop and while it is on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lab.rig import BOT, ENFORCER, SENTRY, STUBBORN, assert_held, ess, touch, wait_contained
from tests.lab.stack import TRADING_UNITS

if TYPE_CHECKING:
    from tests.lab.conftest import ArmLab
    from tests.lab.lab import Lab

pytestmark = [pytest.mark.latch_alone, pytest.mark.both_systemds]

ALL = (*TRADING_UNITS, BOT)
PATHS = ("quantum-ess.path", "quantum-ess-disk.path")
FIRST = ("quantum-ess-halt.path", "quantum-ess-halt.target")
ENEMY = "enemy.service"
TARGET = "quantum-ess-halt.target"


def enemy(lab: Lab, *units: str) -> None:
    """Put a unit in place that conflicts with these."""
    lab.put_unit(
        ENEMY,
        f"[Unit]\nConflicts={' '.join(units)}\nDefaultDependencies=no\n"
        "[Service]\nExecStart=sleep infinity\n",
    )


@pytest.mark.parametrize("units", [(ENFORCER,), FIRST, (ENFORCER, *PATHS, *FIRST)])
def test_unit_that_conflicts_with_ours(arm_lab: ArmLab, units: tuple[str, ...]) -> None:
    """With the enforcer and its watches gone, the next round of the sentry came 10 s later."""
    lab = arm_lab(units={BOT: STUBBORN})
    enemy(lab, *units)
    try:
        touch(lab)
        lab.wait_until(lambda: lab.state(ENFORCER) == "active", what="the enforcer")
        lab.systemctl("start", "--no-block", ENEMY)
        wait_contained(lab, ALL)
        lab.wait_until(lambda: lab.state(ENFORCER) == "active", 2, "it is back")
        assert_held(lab, ALL)

        lab.systemctl("stop", ENEMY)
        lab.systemctl("start", *PATHS)
        # In the middle of a round nobody starts another.
        lab.wait_until(lambda: lab.state(SENTRY) == "inactive", what="its round is over")
        lab.systemctl("start", "--no-block", ENEMY)
        lab.wait_until(lambda: lab.state(ENFORCER) == "active", 2, "it is back once more")
        assert_held(lab, ALL)
        lab.systemctl("stop", ENEMY)
        assert ess(lab, "deactivate", "--no-start").returncode == 0
    finally:
        lab.sh(f"systemctl stop {ENEMY}; rm /etc/systemd/system/{ENEMY}; systemctl daemon-reload")


def test_target_of_the_first_stop_that_is_active_before_it(arm_lab: ArmLab) -> None:
    lab = arm_lab(units={BOT: STUBBORN})
    lab.systemctl("start", "--no-block", "--job-mode=ignore-dependencies", TARGET)
    lab.wait_until(lambda: lab.state(TARGET) == "active", what="the target")
    touch(lab)
    wait_contained(lab, ALL)
    assert_held(lab, ALL)
