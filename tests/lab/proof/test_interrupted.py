"""A drill that is interrupted or killed leaves nothing behind, at once or with the next one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lab.proof.drill import (
    CANARY_FLAGS,
    failed,
    finish,
    kill,
    last_drill,
    left_behind,
    processes,
    proof,
    start,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.lab.lab import Lab

pytestmark = pytest.mark.timeout(240)


def canary_latched(lab: Lab) -> bool:
    return all(map(lab.exists, CANARY_FLAGS))


def canary_releasing(lab: Lab) -> bool:
    return "deactivate" in lab.exec("pgrep", "-af", "scope canary", check=False).stdout


@pytest.mark.parametrize(
    ("signal", "moment"),
    [
        ("SIGINT", canary_latched),
        ("SIGTERM", canary_releasing),
        ("SIGHUP", canary_latched),
    ],
)
def test_interrupted_canary_cleans_up(
    host: Lab, signal: str, moment: Callable[[Lab], bool]
) -> None:
    before = processes(host)
    start(host, "--canary")
    host.wait_until(lambda: moment(host), timeout=20)
    kill(host, signal)
    claims = failed(finish(host))
    assert f"interrupted by {signal}" in claims[-1]
    assert last_drill(host)["result"] == "FAIL"
    assert left_behind(host) == []
    assert processes(host) == before


@pytest.mark.parametrize(
    ("whom", "moment"),
    [("main", canary_latched), ("main", canary_releasing), ("all", canary_latched)],
)
def test_drill_after_a_killed_drill_cleans_up(
    host: Lab, whom: str, moment: Callable[[Lab], bool]
) -> None:
    before = processes(host)
    start(host, "--canary")
    host.wait_until(lambda: moment(host), timeout=20)
    kill(host, "SIGKILL", whom)
    done = proof(host)
    assert done.returncode == 0, done.stdout
    assert left_behind(host) == []
    assert last_drill(host)["result"] == "PASS"
    assert processes(host) == before


def test_second_drill_is_refused(host: Lab) -> None:
    host.exec("rm", "-f", "/var/lib/quantum-ess/last-drill")
    start(host, "--canary")
    host.wait_until(lambda: canary_latched(host), timeout=20)
    second = proof(host)
    assert second.returncode == 5
    assert second.stdout == ""
    assert "another drill is running (pid " in second.stderr
    assert not host.exists("/var/lib/quantum-ess/last-drill")
    assert finish(host).returncode == 0
