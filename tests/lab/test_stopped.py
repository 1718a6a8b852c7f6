"""Down within 2 s of the touch, whatever a trading unit does; and the monitors never notice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lab import ground as g
from tests.lab.hostile import KINDS, Hostile, bands
from tests.lab.stack import MONITOR_UNITS, TRADING_UNITS, put_monitor_stack, put_trading_stack

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.lab.lab import Lab

# On bookworm each stop has the company of what follows it, which may not hold it up.
pytestmark = pytest.mark.latch_alone("trixie")

POLITE = "polite.service"
MONITOR = "monitor.service"


def furnish(lab: Lab) -> None:
    """All hostile units, one that behaves, and a monitor."""
    units = {POLITE: g.service(), MONITOR: g.service()}
    for kind in KINDS:
        units.update(kind.units)
    g.put_units(lab, units)
    g.configure(lab, [POLITE, *(name for kind in KINDS for name in kind.trading)], [MONITOR])
    g.start(lab, MONITOR)


def bring_to_life(lab: Lab, kind: Hostile) -> None:
    lab.sh(kind.start)
    lab.wait_until(lambda: g.settled(lab, *kind.living), what="it lives")
    lab.wait_until(lambda: lab.sh(kind.ready, check=False).returncode == 0, what=kind.ready)


@pytest.mark.both_systemds
@pytest.mark.parametrize(
    "band",
    [
        # As many processes as there may be are nothing to systemd.
        pytest.param(kinds, id=name, marks=pytest.mark.every_image if name == "fork-bomb" else ())
        for name, kinds in bands().items()
    ],
)
def test_is_dead_within_the_promise(
    ground: g.Ground,
    lab_image: str,
    band: tuple[Hostile, ...],
    record_property: Callable[[str, object], None],
) -> None:
    lab = ground.lab(lab_image)
    monitored = lab.pids(MONITOR)
    g.start(lab, POLITE)
    for kind in band:
        bring_to_life(lab, kind)
    living = [unit for kind in band for unit in kind.living]
    triggers = [unit for kind in band for unit in kind.triggers]
    # One that comes back again and again is not there in between.
    lab.wait_until(lambda: g.alive(lab, POLITE, *living) == [POLITE, *living], what="all live")

    took = g.touch_and_time(lab, POLITE, *living)

    record_property("ms", took)
    assert took < g.PROMISE
    # While a trigger of theirs still runs, systemd has a start of one to refuse every few ms.
    g.down(lab, *triggers)
    g.assert_contained(lab, POLITE, *living)
    assert lab.pids(MONITOR) == monitored
    ground.clean(POLITE, *triggers, *living)


@pytest.mark.both_systemds
def test_all_trading_units_are_down_and_the_monitors_keep_their_pids(guarded: Lab) -> None:
    lab = guarded
    put_trading_stack(lab)
    put_monitor_stack(lab)
    g.configure(lab, TRADING_UNITS, MONITOR_UNITS, SETTLE="0.1")
    before = {unit: lab.pids(unit) for unit in MONITOR_UNITS}

    assert g.touch_and_time(lab, *TRADING_UNITS) < g.PROMISE

    g.assert_contained(lab, *TRADING_UNITS)
    assert {unit: lab.pids(unit) for unit in MONITOR_UNITS} == before
    assert [lab.state(unit) for unit in MONITOR_UNITS] == ["active"] * len(MONITOR_UNITS)
    assert lab.exec("redis-cli", "ping").stdout.strip() == "PONG"
    g.release(lab, "--yes")
    assert len(g.alive(lab, *TRADING_UNITS)) == len(TRADING_UNITS)
    assert {unit: lab.pids(unit) for unit in MONITOR_UNITS} == before
