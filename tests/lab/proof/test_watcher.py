"""The drill of the watcher: passes where that would stop trading, and reaches the canary alone."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from tests.lab.proof.drill import (
    PASSED,
    last_drill,
    left_behind,
    processes,
    proof,
)
from tests.lab.proof.watching import (
    DEADMAN,
    OFF,
    REDIS,
    drill_left,
    identity,
    peak,
    standing,
    watch,
)
from tests.lab.test_events import records

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from tests.lab.lab import Lab

pytestmark = pytest.mark.timeout(300)

WATCHING = "\nThe watcher, drilled on the canary\n"


def ms(done: subprocess.CompletedProcess[str], claim: str) -> int:
    """Return the ms in the line of a claim that passed."""
    match = re.search(rf"^PASS  {re.escape(claim)} \((\d+) ms", done.stdout, re.MULTILINE)
    assert match, done.stdout
    return int(match[1])


@pytest.mark.both_systemds
def test_a_broken_limit_and_the_watchers_death_stop_the_canary(
    host: Lab, record_property: Callable[[str, object], None]
) -> None:
    watch(host)
    before = processes(host), identity(host), standing(host), peak(host)
    events = len(records(host))
    done = proof(host, "--json", "/root/proof.json")
    assert done.returncode == 0, done.stdout
    assert done.stdout.endswith(PASSED)
    record_property("drill", done.stdout)
    assert 0 < ms(done, REDIS) < 5000
    assert "drawdown 200.00 % (-1000 of a peak of 1000) is beyond the limit of 15 %)" in done.stdout
    assert 0 < ms(done, DEADMAN) < 25000
    assert (processes(host), identity(host), standing(host), peak(host)) == before
    assert drill_left(host) == []
    assert last_drill(host)["result"] == "PASS"
    claims = {one["name"]: one for one in json.loads(host.read("/root/proof.json"))["claims"]}
    assert claims[REDIS]["ok"]
    assert claims[REDIS]["ms"] == ms(done, REDIS)
    assert claims[DEADMAN]["ok"]
    # The drill's own result is all that is told of it.
    assert [one["event"] for one in records(host)[events:]] == ["drill"]
    lines = host.journal("-t", "quantum-ess").splitlines()
    said = [line for line in lines if "stop asked for" in line or "the watcher died" in line]
    assert len(said) > 2
    assert [line for line in said if "trading is not touched)" not in line] == []


def test_switched_off_it_does_not_apply(host: Lab) -> None:
    done = proof(host, "--json", "/root/proof.json")
    assert done.returncode == 0, done.stdout
    [line] = done.stdout.split(WATCHING)[1].split("\n\n")[0].splitlines()[:1]
    assert line.startswith(OFF)
    assert REDIS not in done.stdout
    assert REDIS not in host.read("/root/proof.json")
    assert left_behind(host) == []
