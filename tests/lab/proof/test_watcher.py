"""The drill of the watcher: passes where that would stop trading, and reaches the canary alone."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from tests.lab.proof.drill import (
    CANARY_FLAGS,
    MAIN_FLAGS,
    PASSED,
    failed,
    finish,
    kill,
    last_drill,
    processes,
    proof,
    start,
)
from tests.lab.proof.watching import (
    CANARY_WATCHER,
    DEADMAN,
    HEARS,
    OWN,
    PROMETHEUS,
    REDIS,
    drill_left,
    identity,
    peak,
    standing,
    watch,
    watcher_part,
    watcher_proof,
)
from tests.lab.stack import MONITOR_UNITS, TRADING_UNITS
from tests.lab.test_events import records
from tests.lab.test_watcher import UNIT

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterator

    from tests.lab.ground import Ground
    from tests.lab.lab import Lab

pytestmark = pytest.mark.timeout(300)


def ms(done: subprocess.CompletedProcess[str], claim: str) -> int:
    """Return the ms in the line of a claim that passed."""
    match = re.search(rf"^PASS  {re.escape(claim)} \((\d+) ms", done.stdout, re.MULTILINE)
    assert match, done.stdout
    return int(match[1])


@pytest.mark.every_image
def test_a_broken_limit_and_the_watchers_death_stop_the_canary(
    host: Lab, record_property: Callable[[str, object], None]
) -> None:
    watch(host)
    before = processes(host), identity(host), standing(host), peak(host)
    events = len(records(host))
    done = proof(host, "--json", "/root/proof.json")
    assert done.returncode == 0, done.stdout
    assert done.stdout.endswith(PASSED)
    assert done.stderr == ""
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
    told = [one["event"] for one in records(host)[events:]]
    assert [one for one in told if one not in ("armed", "disarmed")] == ["drill"]
    assert "watcher" not in host.sh("ls /var/lib/quantum-ess/cases").stdout
    lines = host.journal("-t", "quantum-ess").splitlines()
    said = [line for line in lines if "stop asked for" in line or "the watcher died" in line]
    assert len(said) > 2
    assert [line for line in said if "trading is not touched)" not in line] == []


def furnish(lab: Lab) -> None:
    units = (*TRADING_UNITS, *MONITOR_UNITS)
    lab.systemctl("start", *units)
    lab.wait_until(lambda: all(lab.state(unit) == "active" for unit in units))


@pytest.fixture
def watched(ground: Ground, lab_image: str) -> Iterator[Lab]:
    """That host for one test after the other, each of which has it watched as it wants."""
    lab = ground.lab(lab_image)
    assert drill_left(lab) == []
    yield lab
    if any(map(lab.exists, MAIN_FLAGS)):
        lab.exec("ess", "deactivate", "--yes", timeout=30)


def test_what_redis_allows_is_proved_and_its_password_not_shown(watched: Lab) -> None:
    """It may be read, then written, and then the password is another."""
    host = watched
    acl = ("redis-cli", "ACL", "SETUSER", "watch")
    rules = "on >s3cret ~quantum:ess:* +@read +@connection +@transaction"
    host.exec(*acl, *rules.split())
    watch(host, WATCH_REDIS_URL="redis://watch:s3cret@127.0.0.1:6379/0")
    done = watcher_proof(host)
    assert done.returncode == 0, done.stdout
    assert "NOTE  not proved: a figure through Redis, which may be read but not" in done.stdout
    assert 0 < ms(done, OWN) < 5000
    assert "s3cret" not in done.stdout
    assert drill_left(host) == []
    host.exec(*acl, "+@all")
    done = watcher_proof(host)
    assert done.returncode == 0, done.stdout
    assert ms(done, REDIS) > 0
    assert "s3cret" not in done.stdout
    host.exec(*acl, "resetpass", ">other")
    host.exec("redis-cli", "CLIENT", "KILL", "USER", "watch")
    host.wait_until(lambda: "redis: " in host.show(UNIT, "StatusText")["StatusText"], what="deaf")
    done = watcher_proof(host, impatient=True)
    assert any(line.startswith(HEARS) for line in failed(done))
    assert "s3cret" not in done.stdout


def test_prometheus_breaks_its_limit_by_itself(watched: Lab) -> None:
    host = watched
    keys = {
        "WATCH_REDIS_URL": "",
        "WATCH_PROMETHEUS_URL": "http://127.0.0.1:9090",
        "EXPRESSION_NEVER": "vector(1) > 2",
    }
    watch(host, **keys)
    before = processes(host), identity(host)
    done = watcher_proof(host)
    assert done.returncode == 0, done.stdout
    assert 0 < ms(done, PROMETHEUS) < 10000
    assert REDIS not in done.stdout
    assert (processes(host), identity(host)) == before
    assert drill_left(host) == []


def test_what_stops_nothing_is_told(watched: Lab) -> None:
    host = watched
    watch(host, DRY_RUN="true", WATCH_DEADMAN="alert")
    done = watcher_proof(host)
    assert done.returncode == 0, done.stdout
    assert "PASS  it is killed three times: the dead man says so, and stops nothing" in done.stdout
    assert "NOTE  QT_ESS_DRY_RUN is on: no limit that is broken stops trading" in done.stdout
    assert ms(done, REDIS) > 0


def test_a_watcher_without_a_source_fails(watched: Lab) -> None:
    host = watched
    watch(host, WATCH_REDIS_URL="")
    claims = failed(watcher_proof(host))
    assert [claim.split(":")[0] for claim in claims] == ["the watcher has something to hear"]
    assert drill_left(host) == []


def test_while_latched_it_leaves_the_latch_and_the_watcher_alone(watched: Lab) -> None:
    host = watched
    watch(host)
    host.exec("ess", "activate", check=False, timeout=30)
    before = identity(host)
    done = watcher_proof(host)
    assert ms(done, REDIS) > 0
    assert identity(host) == before
    assert "PASS  the real latch is as it was" in done.stdout
    assert all(map(host.exists, MAIN_FLAGS))


def watcher_up(lab: Lab) -> bool:
    return lab.state(CANARY_WATCHER) == "active"


def canary_stopped(lab: Lab) -> bool:
    return watcher_up(lab) and all(map(lab.exists, CANARY_FLAGS))


def interrupt(lab: Lab, signal: str, moment: Callable[[Lab], bool]) -> None:
    start(lab, "--canary", script=watcher_part(lab))
    lab.wait_until(lambda: moment(lab), timeout=60)
    kill(lab, signal)


def test_an_interrupted_drill_of_the_watcher_is_cleaned_up(watched: Lab) -> None:
    host = watched
    watch(host)
    before = processes(host), identity(host)
    for moment in (watcher_up, canary_stopped):
        interrupt(host, "SIGTERM", moment)
        assert "interrupted by SIGTERM" in failed(finish(host))[-1]
        assert drill_left(host) == []
        assert (processes(host), identity(host)) == before


def test_a_killed_drill_of_the_watcher_is_cleaned_up_by_the_next(watched: Lab) -> None:
    host = watched
    watch(host)
    before = processes(host), identity(host)
    interrupt(host, "SIGKILL", watcher_up)
    interrupt(host, "SIGKILL", canary_stopped)
    assert "FAIL" not in (said := host.read("/root/proof.out")), said
    done = watcher_proof(host)
    assert done.returncode == 0, done.stdout
    assert drill_left(host) == []
    assert (processes(host), identity(host)) == before
