"""The list of trading units, or a unit itself, changes while one enforcer holds the latch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lab import ground as g
from tests.lab.rig import BRISK, configure, enforcer_pid, trip, wait_contained, wait_trading
from tests.lab.stack import TRADING_UNITS

if TYPE_CHECKING:
    from tests.lab.lab import Lab

pytestmark = [pytest.mark.latch_alone, pytest.mark.timeout(120)]

TEMPLATE = "quantum-execution@.service"
PATTERN = "quantum-execution@*.service"
ROVER = "rover-bot.service"
LATE = "late-bot.service"
UNITS = "/etc/systemd/system"
# Only SIGKILL ends it.
BOT = g.service(f"ExecStart={g.STUBBORN}\n")
# Who starts a unit of ours takes its gate away first.
UNGATE = f"find {UNITS} -name zz-quantum-ess.conf -delete; systemctl daemon-reload; "
CHANGES = {
    "another instance": (
        f"{UNGATE}systemctl start --no-block quantum-execution@9",
        "quantum-execution@9.service",
    ),
    "another slice": (
        f"printf '[Service]\\nSlice=far-away.slice\\n' >{UNITS}/{ROVER}.d/slice.conf;"
        f" {UNGATE}systemctl start --no-block {ROVER}",
        ROVER,
    ),
    "deleted and made anew": (
        f"rm -r {UNITS}/{ROVER} {UNITS}/{ROVER}.d; systemctl daemon-reload;"
        f" sed s/infinity/1d/ {UNITS}/{LATE} >{UNITS}/{ROVER};"
        f" systemctl daemon-reload; systemctl start --no-block {ROVER}",
        ROVER,
    ),
    "without a slice": (
        f"mkdir -p {UNITS}/{ROVER}.d;"
        f" printf '[Service]\\nSlice=-.slice\\n' >{UNITS}/{ROVER}.d/slice.conf;"
        f" {UNGATE}systemctl start --no-block {ROVER}",
        ROVER,
    ),
}


def hold(lab: Lab) -> int:
    """Latch the host, and return the enforcer that holds it."""
    g.put_units(lab, {TEMPLATE: BOT, ROVER: BOT, LATE: BOT})
    arm_with(lab)
    trip(lab)
    wait_contained(lab, (*TRADING_UNITS, ROVER))
    pid = enforcer_pid(lab)
    assert pid is not None
    return pid


def arm_with(lab: Lab) -> None:
    configure(lab, wanted(PATTERN, ROVER))
    lab.systemctl("start", *TRADING_UNITS, ROVER, LATE, "quantum-execution@1.service")
    wait_trading(lab, (*TRADING_UNITS, ROVER, LATE))


def wanted(*more: str) -> dict[str, str]:
    return {"QT_ESS_TRADING_UNITS": " ".join((*TRADING_UNITS, *more)), **BRISK}


def ended(lab: Lab, unit: str) -> int:
    """Return how often systemd saw the unit end, or it was killed before that."""
    told = lab.journal("-u", unit)
    return told.count("code=killed") + told.count("Deactivated successfully")


def await_end(lab: Lab, unit: str, before: int, what: str) -> None:
    """Wait until the unit, which a change has just started, has ended once more, and is dead."""
    lab.wait_until(lambda: ended(lab, unit) > before, 3, f"{what}: ended")
    lab.wait_until(lambda: not g.alive(lab, unit), 1, f"{what}: dead")


def test_what_changes_is_killed_by_the_same_enforcer(guarded: Lab) -> None:
    pid = hold(guarded)
    for name, (change, unit) in CHANGES.items():
        before = ended(guarded, unit)
        guarded.sh(change)
        await_end(guarded, unit, before, name)
    assert enforcer_pid(guarded) == pid


def test_a_unit_that_is_listed_while_latched_is_killed_at_once_and_held(guarded: Lab) -> None:
    pid = hold(guarded)
    assert g.alive(guarded, LATE) == [LATE], "it is no trading unit yet"
    configure(guarded, wanted(PATTERN, ROVER, LATE))
    g.dead(guarded, LATE)
    assert guarded.systemctl("start", LATE, check=False).returncode != 0
    before = ended(guarded, LATE)
    guarded.sh(f"{UNGATE}systemctl start --no-block {LATE}")
    await_end(guarded, LATE, before, "without its gate")
    assert enforcer_pid(guarded) == pid
