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
def test_production_stops_trading_and_starts_it_again(brisk_host: Lab) -> None:
    before = processes(brisk_host)
    done = proof(brisk_host, *SURE, "--json", "/root/proof.json")
    assert done.returncode == 0, done.stdout
    assert done.stdout.endswith(PASSED)
    after = processes(brisk_host)
    for unit in TRADING_UNITS:
        assert after[unit]
        assert after[unit] != before[unit]
    assert {u: after[u] for u in MONITOR_UNITS} == {u: before[u] for u in MONITOR_UNITS}
    assert last_drill(brisk_host)["mode"] == "production"
    assert last_drill(brisk_host)["result"] == "PASS"
    assert json.loads(brisk_host.read("/root/proof.json"))["result"] == "PASS"
    assert left_behind(brisk_host) == []
    assert "Production drill by root" in brisk_host.journal("-t", "quantum-ess")


def test_production_brings_back_only_what_ran(brisk_host: Lab) -> None:
    brisk_host.systemctl("stop", "quantum-execution.service")
    assert proof(brisk_host, *SURE).returncode == 0
    assert not brisk_host.populated("quantum-execution.service")
    assert brisk_host.populated("quantum-governor.service")


def test_production_without_the_right_word_does_nothing(brisk_host: Lab) -> None:
    before = processes(brisk_host)
    for typed in ("yes\n", "\n", ""):
        done = brisk_host.tty(PROOF, "--production", typed=typed, check=False)
        assert done.returncode == 5
        assert "not confirmed" in done.stdout
        assert processes(brisk_host) == before


def test_production_with_the_right_words(brisk_host: Lab) -> None:
    done = brisk_host.tty(PROOF, "--production", typed="stop trading\n", timeout=90)
    assert done.stdout.replace("\r", "").endswith(PASSED)


def test_production_refusals(brisk_host: Lab) -> None:
    before = processes(brisk_host)
    unasked = proof(brisk_host, "--production")
    assert (unasked.returncode, processes(brisk_host)) == (2, before)
    assert "--yes-stop-trading" in unasked.stderr
    brisk_host.systemctl("stop", *TRADING_UNITS)
    assert "no trading unit runs" in proof(brisk_host, *SURE).stderr
    brisk_host.exec("touch", MAIN_FLAGS[0])
    brisk_host.wait_until(lambda: brisk_host.exists(MAIN_FLAGS[1]))
    latched = proof(brisk_host, *SURE)
    assert latched.returncode == 5
    assert "the latch is set" in latched.stderr
    assert all(map(brisk_host.exists, MAIN_FLAGS))


def test_production_does_not_stop_trading_when_the_stop_is_not_armed(brisk_host: Lab) -> None:
    brisk_host.systemctl("stop", "quantum-ess-sentry.timer", "quantum-ess.path")
    before = processes(brisk_host)
    assert any("trading was not touched" in claim for claim in failed(proof(brisk_host, *SURE)))
    assert processes(brisk_host) == before


def trading_is_down(lab: Lab) -> bool:
    return lab.exists(MAIN_FLAGS[0]) and not any(map(lab.populated, TRADING_UNITS))


def trading_comes_back(lab: Lab) -> bool:
    return not lab.exists(MAIN_FLAGS[0]) and lab.populated("quantum-governor.service")


@pytest.mark.parametrize(
    ("signal", "moment"), [("SIGINT", "while down"), ("SIGTERM", "while starting")]
)
def test_interrupted_production_stays_stopped_and_says_so(
    brisk_host: Lab, signal: str, moment: str
) -> None:
    start(brisk_host, *SURE)
    brisk_host.wait_until(lambda: trading_is_down(brisk_host), timeout=30)
    if moment == "while starting":
        brisk_host.wait_until(lambda: trading_comes_back(brisk_host), timeout=30)
    kill(brisk_host, signal)
    done = finish(brisk_host)
    assert f"interrupted by {signal}" in failed(done)[-1]
    assert "TRADING IS STOPPED" in done.stdout
    assert "sudo ess deactivate" in done.stdout
    assert "TRADING IS STOPPED" in brisk_host.journal("-t", "quantum-ess")
    assert all(map(brisk_host.exists, MAIN_FLAGS))
    brisk_host.wait_until(lambda: trading_is_down(brisk_host))
    brisk_host.exec("bash", CONTROLLER, "deactivate", timeout=60)
    assert all(map(brisk_host.populated, TRADING_UNITS))


@pytest.mark.parametrize(
    "command", [("touch", MAIN_FLAGS[0]), ("ess", "activate"), ("bash", CONTROLLER, "activate")]
)
def test_production_does_not_release_what_somebody_else_wants_stopped(
    brisk_host: Lab, command: tuple[str, ...]
) -> None:
    start(brisk_host, *SURE)
    brisk_host.wait_until(lambda: trading_is_down(brisk_host), timeout=30)
    brisk_host.exec(*command)
    done = finish(brisk_host)
    assert any(claim.startswith("nobody else stopped trading") for claim in failed(done))
    assert "TRADING IS STOPPED" in done.stdout
    assert trading_is_down(brisk_host)
    assert last_drill(brisk_host)["result"] == "FAIL"
