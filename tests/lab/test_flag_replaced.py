"""Somebody puts another flag in the place of the one that fell, again and again, during the stop.

Trading is dead as soon as ever, the time that is told of it is one that can be, and what ran when
the first flag fell is what a release starts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lab.ground import service
from tests.lab.rig import (
    BOT,
    NAP,
    RUN_FLAG,
    RUNNING,
    STUBBORN,
    VAR_FLAG,
    alive,
    assert_held,
    assert_released,
    ess,
    wait_contained,
)
from tests.lab.stack import TRADING_UNITS
from tests.lab.test_events import await_kind, of_kind

if TYPE_CHECKING:
    from tests.lab.conftest import ArmLab

pytestmark = [pytest.mark.timeout(120), pytest.mark.nobody_told]

IDLE = "idle-bot.service"
RAN = (*TRADING_UNITS, BOT)
# Longer than the stop may take.
SECONDS = 3
PROMISE = 2500
# $1 is the flag.
WAYS = {
    "made anew": 'rm -rf "$1"; : >"$1"',
    "moved over": ': >"$1.other"; mv -fT "$1.other" "$1"',
    "an old file moved over": 'touch -d 2001-01-01 "$1.other"; mv -fT "$1.other" "$1"',
    "a directory": 'rm -rf "$1"; mkdir "$1"',
    "a dangling link": 'ln -sfT /nowhere "$1"',
    "a link to an old file": 'ln -sfT /etc/hostname "$1"',
    "only touched": 'touch -d 2001-01-01 "$1"; touch -d 2101-01-01 "$1"',
}
BOTH = {f"both, {name}": way for name, way in WAYS.items() if name in ("moved over", "made anew")}


@pytest.mark.parametrize("way", [*WAYS, *BOTH])
def test_flag_is_replaced_during_the_stop(arm_lab: ArmLab, way: str) -> None:
    lab = arm_lab(units={BOT: STUBBORN, IDLE: service()})
    lab.systemctl("stop", IDLE)
    # What is stopped by hand right before the trip counts as stopped by it.
    lab.exec("sleep", "1.5")
    before = len(of_kind(lab, "contained"))
    flags = (RUN_FLAG, VAR_FLAG) if way in BOTH else (RUN_FLAG,)
    loop = " ".join(f"replace {flag};" for flag in flags)
    lab.sh(
        f"replace() {{ {(WAYS | BOTH)[way]}; }} 2>/dev/null; export -f replace\n"
        f"touch {RUN_FLAG}\n"
        f"setsid -f timeout {SECONDS} bash -c '{NAP} while :; do {loop} nap; done'"
        " >/dev/null 2>&1 </dev/null"
    )
    wait_contained(lab, RAN)
    told = await_kind(lab, "contained", before + 1)
    assert 0 < int(told["took"]) < PROMISE
    units = {one["unit"]: one for one in told["units"]}
    assert set(units) == set(RAN), told
    for one in units.values():
        assert 0 <= int(one["ms"]) < PROMISE, told
    lab.exec("sleep", str(SECONDS))
    lab.exec("rm", "-rf", f"{RUN_FLAG}.other", f"{VAR_FLAG}.other")
    assert len(of_kind(lab, "contained")) == before + 1
    lab.wait_until(lambda: lab.exists(RUNNING), what="what ran is written down")
    assert sorted(lab.read(RUNNING).split()) == sorted(RAN)
    assert_held(lab, (*RAN, IDLE))
    done = ess(lab, "deactivate")
    assert done.returncode == 0, done.stdout + done.stderr
    assert_released(lab, RAN)
    assert alive(lab, [IDLE]) == []
