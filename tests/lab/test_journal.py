"""What the journal says of a stop: in order, with fields to search by, from bash and Python."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.lab import asking
from tests.lab import ground as g
from tests.lab.rig import BRISK, CONTROLLER, SENTRY, arm
from tests.lab.stack import TRADING_UNITS
from tests.lab.test_events import await_kind, of_kind

if TYPE_CHECKING:
    from tests.lab.lab import Lab

ENFORCER = "/run/quantum-ess/enforcer"
LAST = "=== ESS ACTIVATED - TRADING STOPPED ==="


@pytest.fixture
def armed(guarded: Lab) -> Lab:
    return arm(guarded, settings=BRISK)


def said(lab: Lab, *matches: str) -> list[dict[str, Any]]:
    """Return the entries of ours that match."""
    printed = lab.journal("-t", "quantum-ess", "-o", "json", *matches)
    return [json.loads(line) for line in printed.splitlines()]


def await_said(lab: Lab, *matches: str) -> list[dict[str, Any]]:
    lab.wait_until(lambda: said(lab, *matches), 10, f"the journal has {matches}")
    return said(lab, *matches)


@pytest.mark.every_image
@pytest.mark.parametrize("tool", [CONTROLLER, "ess"])
def test_lines_of_a_stop_have_the_fields(armed: Lab, tool: str) -> None:
    armed.exec(tool, "activate", "--reason", "two\nlines and ESS_UNIT=x")
    await_said(armed, "ESS_EVENT=contained")
    armed.wait_until(lambda: LAST in armed.journal("-t", "quantum-ess"), 10, LAST)
    (trip,) = said(armed, "ESS_EVENT=trip")
    of_units = [one for one in said(armed, "ESS_EVENT=contained") if "ESS_UNIT" in one]
    assert sorted(one["ESS_UNIT"] for one in of_units) == sorted(TRADING_UNITS)
    assert "two lines and ESS_UNIT=x" in trip["MESSAGE"]
    assert "ESS_UNIT" not in trip

    armed.exec(tool, "deactivate", timeout=30)
    events = [
        one["ESS_EVENT"] for one in said(armed, f"ESS_ACTIVATION_ID={trip['ESS_ACTIVATION_ID']}")
    ]
    assert events[0] == "trip"
    assert events[-2:] == ["release-begun", "release-finished"]
    assert of_kind(armed, "trip")[0]["activation"] == trip["ESS_ACTIVATION_ID"]


def test_units_are_named_before_the_end_is_told(armed: Lab) -> None:
    """Each line had a child of its own once, and the last one was first as often as not."""
    armed.exec(CONTROLLER, "activate")
    armed.wait_until(lambda: LAST in armed.journal("-t", "quantum-ess"), 10, LAST)
    lines = [one["MESSAGE"] for one in said(armed, "ESS_EVENT=contained")]
    assert LAST in lines[-1]
    assert len(lines) == len(TRADING_UNITS) + 1


def test_lines_are_found_by_the_unit_that_wrote_them(armed: Lab) -> None:
    """The child that writes a line is gone before journald looks up its unit."""
    for _ in range(5):
        armed.exec("touch", g.RUN_FLAG)
        g.dead(armed, *TRADING_UNITS)
        armed.exec(CONTROLLER, "deactivate", timeout=30)
    enforcer = armed.journal("-u", "quantum-ess-trigger.service", "-t", "quantum-ess")
    assert enforcer.count("ACTIVATION INITIATED") == 5
    assert enforcer.count(LAST) == 5


@pytest.mark.every_image
def test_the_first_line_tells_who_asked_and_the_stop_does_not_wait_for_that(armed: Lab) -> None:
    """What a request says is read for so long that trading is down before it is known."""
    reading = 500
    armed.sh("useradd --groups quantum-ess alice")
    slow = f'#!/bin/sh\nsleep {reading / 1000}\nexec /usr/bin/dd "$@"\n'
    armed.write("/usr/local/sbin/dd", slow, 0o755)
    armed.exec(*asking.by("alice", "ess", "activate", "--reason", "flash crash"))
    armed.wait_until(lambda: LAST in armed.journal("-t", "quantum-ess"), 10, LAST)
    (trip,) = said(armed, "ESS_EVENT=trip")
    assert trip["MESSAGE"].endswith("ESS ACTIVATION INITIATED === (request, alice: flash crash)")
    assert LAST in said(armed, f"ESS_ACTIVATION_ID={trip['ESS_ACTIVATION_ID']}")[-1]["MESSAGE"]
    enforcer = dict(one.split("=", 1) for one in armed.read(ENFORCER).split())
    assert enforcer["phase"] == "contained"
    assert int(enforcer["ms"]) < reading


def test_a_stop_of_which_nobody_ever_knows_who_asked_is_told_all_the_same(armed: Lab) -> None:
    """The reader of requests was killed for good between the flag and the request."""
    words = r"id=11-22\noperator=unknown\nsource=request\nreason=asked for without root\n"
    armed.sh(f"printf '{words}' >/run/flag; mv /run/flag {g.RUN_FLAG}")
    armed.wait_until(lambda: LAST in armed.journal("-t", "quantum-ess"), 10, LAST)
    lines = [one["MESSAGE"] for one in said(armed, "ESS_ACTIVATION_ID=11-22")]
    assert lines[0].endswith("INITIATED === (request, unknown: asked for without root)")
    assert LAST in lines[-1]
    g.assert_contained(armed, *TRADING_UNITS)


@pytest.mark.parametrize(
    "trouble",
    ["mv /usr/bin/logger /usr/bin/elsewhere", "printf '#!/bin/sh\\nexit 1\\n' >/usr/bin/logger"],
)
def test_without_logger_the_lines_are_there_all_the_same(armed: Lab, trouble: str) -> None:
    armed.sh(trouble)
    armed.exec("touch", g.RUN_FLAG)
    armed.wait_until(lambda: LAST in armed.journal("-t", "quantum-ess"), 10, LAST)
    assert "Stopping quantum-execution.service" in armed.journal("-t", "quantum-ess")


def test_a_logger_that_hangs_delays_no_stop(armed: Lab) -> None:
    armed.sh("printf '#!/bin/sh\\nexec sleep 60\\n' >/usr/bin/logger")
    assert g.touch_and_time(armed, *TRADING_UNITS) < g.PROMISE
    g.assert_contained(armed, *TRADING_UNITS)
    armed.exec(CONTROLLER, "deactivate", timeout=30)


def test_the_sentry_s_last_line_outlives_its_unit(armed: Lab) -> None:
    """PID 1 ends what a unit leaves behind, the child with the last line among it."""
    for _ in range(3):
        armed.systemctl("stop", "quantum-ess.path")
        armed.systemctl("start", SENTRY)
    assert len(await_said(armed, "ESS_EVENT=sentry-repair", "ESS_UNIT=quantum-ess.path")) == 3


@pytest.mark.every_image
def test_a_start_that_the_gate_refuses_is_an_event_once(armed: Lab) -> None:
    armed.exec(CONTROLLER, "activate")
    await_kind(armed, "contained")
    armed.systemctl("start", SENTRY)
    assert of_kind(armed, "denied") == []
    for _ in range(3):
        assert armed.systemctl("start", "quantum-execution", check=False).returncode != 0
        armed.systemctl("start", SENTRY)
    assert await_kind(armed, "denied")["units"] == "quantum-execution.service"
    armed.systemctl("start", "quantum-governor", check=False)
    armed.systemctl("start", SENTRY)
    assert await_kind(armed, "denied", 2)["units"] == "quantum-governor.service"
    armed.systemctl("start", SENTRY)
    armed.systemctl("start", "quantum-ess-aftermath.service")
    assert len(of_kind(armed, "denied")) == 2
    activation = of_kind(armed, "trip")[0]["activation"]
    assert {one["activation"] for one in of_kind(armed, "denied")} == {activation}
    assert len(said(armed, "ESS_EVENT=denied")) == 2
