"""A drill that is interrupted or killed leaves nothing behind, at once or with the next one."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import pytest

from tests.lab.proof.drill import (
    CANARY_FLAGS,
    CANARY_UNITS,
    PROOF,
    THE_STOP_ALONE,
    failed,
    finish,
    kill,
    last_drill,
    left_behind,
    part,
    processes,
    proof,
    start,
)

if TYPE_CHECKING:
    from tests.lab.lab import Lab

pytestmark = pytest.mark.timeout(240)


def canary_latched(lab: Lab) -> bool:
    return all(map(lab.exists, CANARY_FLAGS))


def canary_releasing(lab: Lab) -> bool:
    return "deactivate" in lab.exec("pgrep", "-af", "scope canary", check=False).stdout


def test_interrupted_canary_cleans_up(host: Lab) -> None:
    before = processes(host)
    for signal, moment in (
        ("SIGINT", canary_latched),
        ("SIGTERM", canary_releasing),
        ("SIGHUP", canary_latched),
    ):
        start(host, "--canary")
        host.wait_until(functools.partial(moment, host), timeout=20)
        kill(host, signal)
        claims = failed(finish(host))
        assert f"interrupted by {signal}" in claims[-1]
        assert last_drill(host)["result"] == "FAIL"
        assert left_behind(host) == []
        assert processes(host) == before


# The part of a drill that comes upon what another left, uses the same, and brings it back.
BRIEFLY = """
    armed_claims() { config_for_trip; }
    canary_claims() {
        claim_or_stop 'what an earlier drill left is gone' canary_reset
        claim_or_stop 'the canary runs and its flag is watched' canary_up
        claim_or_stop 'touch of its flag kills it, SIGTERM ignored, within 2 s' canary_touch
    }
    canary_release_claims() { claim_or_stop 'deactivate brings the canary back' canary_released; }
    aftermath_claims() { verdict_stop; }
"""


def test_drill_after_a_killed_drill_cleans_up(host: Lab) -> None:
    before = processes(host)
    brief = part(host, "briefly", BRIEFLY)
    for whom, moment, script in (
        ("main", canary_latched, brief),
        ("all", canary_latched, brief),
        ("main", canary_releasing, PROOF),
    ):
        start(host, "--canary")
        host.wait_until(functools.partial(moment, host), timeout=20)
        kill(host, "SIGKILL", whom)
        done = host.exec(script, check=False, timeout=120)
        assert done.returncode == 0, done.stdout
        assert left_behind(host) == []
        assert last_drill(host)["result"] == "PASS"
        assert processes(host) == before


def test_a_process_that_systemd_does_not_know_of_is_no_canary_put_away(host: Lab) -> None:
    group = f"/sys/fs/cgroup/system.slice/{CANARY_UNITS[-1]}"
    host.sh(
        f"mkdir {group}; setsid sleep 60 </dev/null >/dev/null 2>&1 & echo $! >{group}/cgroup.procs"
    )
    assert host.state(CANARY_UNITS[-1]) == "inactive"
    done = host.exec(part(host, "briefly", BRIEFLY), check=False, timeout=60)
    assert failed(done)[0] == "what an earlier drill left is gone: the canary does not stop"


def test_second_drill_is_refused(host: Lab) -> None:
    host.exec("rm", "-f", "/var/lib/quantum-ess/last-drill")
    start(host, "--canary", script=part(host, "of_the_stop", THE_STOP_ALONE))
    host.wait_until(lambda: canary_latched(host), timeout=20)
    second = proof(host)
    assert second.returncode == 5
    assert second.stdout == ""
    assert "another drill is running (pid " in second.stderr
    assert not host.exists("/var/lib/quantum-ess/last-drill")
    assert finish(host).returncode == 0
