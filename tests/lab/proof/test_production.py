"""The drill that really stops trading: never by mistake, never without a word."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.lab.proof.drill import (
    CONTROLLER,
    MAIN_FLAGS,
    PASSED,
    PROOF,
    failed,
    finish,
    kill,
    last_drill,
    left_behind,
    processes,
    proof,
    start,
)
from tests.lab.stack import MONITOR_UNITS, TRADING_UNITS

if TYPE_CHECKING:
    from tests.lab.lab import Lab

pytestmark = pytest.mark.timeout(240)


SURE = ("--production", "--yes-stop-trading")


@pytest.mark.both_systemds
def test_production_stops_trading_and_starts_it_again(host: Lab) -> None:
    before = processes(host)
    done = proof(host, *SURE, "--json", "/root/proof.json")
    assert done.returncode == 0, done.stdout
    assert done.stdout.endswith(PASSED)
    after = processes(host)
    for unit in TRADING_UNITS:
        assert after[unit]
        assert after[unit] != before[unit]
    assert {u: after[u] for u in MONITOR_UNITS} == {u: before[u] for u in MONITOR_UNITS}
    assert last_drill(host)["mode"] == "production"
    assert last_drill(host)["result"] == "PASS"
    assert json.loads(host.read("/root/proof.json"))["result"] == "PASS"
    assert left_behind(host) == []
    assert "Production drill by root" in host.journal("-t", "quantum-ess")


def test_production_wants_the_right_words_and_brings_back_only_what_ran(host: Lab) -> None:
    host.systemctl("stop", "quantum-execution.service")
    before = processes(host)
    for typed in ("yes\n", "\n", ""):
        done = host.tty(PROOF, "--production", typed=typed, check=False)
        assert done.returncode == 5
        assert "not confirmed" in done.stdout
        assert processes(host) == before
    done = host.tty(PROOF, "--production", typed="stop trading\n", timeout=90)
    assert done.stdout.replace("\r", "").endswith(PASSED)
    assert not host.populated("quantum-execution.service")
    assert host.populated("quantum-governor.service")
    assert host.host_pids("quantum-governor.service") != before["quantum-governor.service"]


def test_production_refusals(host: Lab) -> None:
    before = processes(host)
    unasked = proof(host, "--production")
    assert (unasked.returncode, processes(host)) == (2, before)
    assert "--yes-stop-trading" in unasked.stderr
    host.systemctl("stop", *TRADING_UNITS)
    assert "no trading unit runs" in proof(host, *SURE).stderr
    host.exec("touch", MAIN_FLAGS[0])
    host.wait_until(lambda: host.exists(MAIN_FLAGS[1]))
    latched = proof(host, *SURE)
    assert latched.returncode == 5
    assert "the latch is set" in latched.stderr
    assert all(map(host.exists, MAIN_FLAGS))


def test_production_does_not_stop_trading_when_the_stop_is_not_armed(host: Lab) -> None:
    host.systemctl("stop", "quantum-ess-sentry.timer", "quantum-ess.path")
    before = processes(host)
    assert any("trading was not touched" in claim for claim in failed(proof(host, *SURE)))
    assert processes(host) == before


def trading_is_down(lab: Lab) -> bool:
    return lab.exists(MAIN_FLAGS[0]) and not any(map(lab.populated, TRADING_UNITS))


def trading_comes_back(lab: Lab) -> bool:
    return not lab.exists(MAIN_FLAGS[0]) and lab.populated("quantum-governor.service")


@pytest.mark.parametrize(
    ("signal", "moment"), [("SIGINT", "while down"), ("SIGTERM", "while starting")]
)
def test_interrupted_production_stays_stopped_and_says_so(
    host: Lab, signal: str, moment: str
) -> None:
    start(host, *SURE)
    host.wait_until(lambda: trading_is_down(host), timeout=30)
    if moment == "while starting":
        host.wait_until(lambda: trading_comes_back(host), timeout=30)
    kill(host, signal)
    done = finish(host)
    assert f"interrupted by {signal}" in failed(done)[-1]
    assert "TRADING IS STOPPED" in done.stdout
    assert "sudo ess deactivate" in done.stdout
    assert "TRADING IS STOPPED" in host.journal("-t", "quantum-ess")
    assert all(map(host.exists, MAIN_FLAGS))
    host.wait_until(lambda: trading_is_down(host))
    host.exec("bash", CONTROLLER, "deactivate", timeout=60)
    assert all(map(host.populated, TRADING_UNITS))


@pytest.mark.parametrize(
    "command", [("touch", MAIN_FLAGS[0]), ("ess", "activate"), ("bash", CONTROLLER, "activate")]
)
def test_production_does_not_release_what_somebody_else_wants_stopped(
    host: Lab, command: tuple[str, ...]
) -> None:
    start(host, *SURE)
    host.wait_until(lambda: trading_is_down(host), timeout=30)
    host.exec(*command)
    done = finish(host)
    assert any(claim.startswith("nobody else stopped trading") for claim in failed(done))
    assert "TRADING IS STOPPED" in done.stdout
    assert trading_is_down(host)
    assert last_drill(host)["result"] == "FAIL"
