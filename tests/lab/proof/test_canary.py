"""The drill on the canary passes where the stop works and leaves nothing behind."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.lab.proof.drill import (
    CANARY_FLAGS,
    CANARY_UNITS,
    MAIN_FLAGS,
    PASSED,
    THE_STOP_ALONE,
    failed,
    finish,
    last_drill,
    left_behind,
    part,
    processes,
    proof,
    start,
)
from tests.lab.proof.watching import OFF, REDIS
from tests.lab.stack import TRADING_UNITS

if TYPE_CHECKING:
    from tests.lab.lab import Lab

pytestmark = pytest.mark.timeout(240)

WATCHING = "\nThe watcher, drilled on the canary\n"


@pytest.mark.both_systemds
def test_canary_passes_and_touches_nothing(host: Lab) -> None:
    before = processes(host)
    done = proof(host, "--canary", "--json", "/root/proof.json")
    assert done.returncode == 0, done.stdout
    assert done.stdout.endswith(PASSED)
    assert done.stderr == ""
    assert "FAIL" not in done.stdout
    assert "\x1b" not in done.stdout
    assert processes(host) == before
    assert left_behind(host) == []
    assert last_drill(host)["mode"] == "canary"
    assert last_drill(host)["result"] == "PASS"
    written: dict[str, Any] = json.loads(host.read("/root/proof.json"))
    assert (written["mode"], written["result"]) == ("canary", "PASS")
    assert len(written["claims"]) == done.stdout.count("PASS  ") > 20
    assert all(claim["ok"] for claim in written["claims"])
    assert any(0 < (claim["ms"] or 0) < 2000 for claim in written["claims"])
    # Of the watcher, which is switched off, there is one line, and nothing is claimed.
    [line] = done.stdout.split(WATCHING)[1].split("\n\n")[0].splitlines()[:1]
    assert line.startswith(OFF)
    assert REDIS not in done.stdout
    assert REDIS not in host.read("/root/proof.json")
    lines = host.journal("-t", "quantum-ess").splitlines()
    assert any("drill (canary): PASS" in line for line in lines)
    stops = [line for line in lines if "TRADING STOPPED" in line]
    assert stops
    assert all("drill on the canary, trading is not touched" in line for line in stops)


def test_drill_service_runs_the_canary(host: Lab) -> None:
    before = processes(host)
    host.exec("rm", "-f", "/var/lib/quantum-ess/last-drill")
    host.systemctl("start", "quantum-ess-drill.service", timeout=120)
    assert last_drill(host)["result"] == "PASS"
    assert processes(host) == before
    assert left_behind(host) == []


def test_canary_is_wired_to_itself(host: Lab) -> None:
    """Its path once started the real enforcer: the weekly drill would have stopped trading."""
    for path, target in (
        ("quantum-ess-canary.path", "quantum-ess-canary-trigger.service"),
        ("quantum-ess-canary-halt.path", "quantum-ess-canary-halt.target"),
        ("quantum-ess-canary-disk.path", "quantum-ess-canary-trigger.service"),
        ("quantum-ess-canary-request.path", "quantum-ess-canary-request.service"),
    ):
        assert host.show(path, "Triggers") == {"Triggers": target}
    before = processes(host)
    host.systemctl("start", CANARY_UNITS[0], CANARY_UNITS[2], CANARY_UNITS[-1])
    host.exec("touch", CANARY_FLAGS[0])
    host.wait_until(lambda: not host.populated("quantum-ess-canary.service"))
    assert processes(host) == before
    assert not any(host.exists(flag) for flag in MAIN_FLAGS)


# Its end is the same, and comes sooner.
IN_SHORT = f"{THE_STOP_ALONE}; canary_release_claims() {{ :; }}"


def test_trading_that_changed_during_the_drill_is_told(host: Lab) -> None:
    """So is a missing manifest, which is no missing installation."""
    host.exec("rm", "/usr/local/lib/quantum-ess/manifest.sha256")
    start(host, "--canary", script=part(host, "in_short", IN_SHORT))
    host.wait_until(lambda: host.populated(CANARY_UNITS[-1]), timeout=15)
    host.systemctl("restart", "quantum-governor.service")
    claims = failed(finish(host))
    assert [claim.split(":")[0] for claim in claims] == [
        "every installed file is as it was installed",
        "trading units kept their processes",
    ]
    assert "quantum-governor.service had pid" in claims[1]


def test_canary_while_latched_leaves_the_latch_alone(host: Lab) -> None:
    host.exec("touch", MAIN_FLAGS[0])
    host.wait_until(lambda: host.exists(MAIN_FLAGS[1]))
    host.wait_until(lambda: not any(map(host.populated, TRADING_UNITS)))
    done = proof(host)
    assert done.returncode == 0, done.stdout
    assert all(map(host.exists, MAIN_FLAGS))
    assert not any(map(host.populated, TRADING_UNITS))
