"""The memory of the watcher's unit is used up: the kernel kills, by the MemoryMax= it ships."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest

from tests.lab.rig import any_flag, ess, wait_contained, wait_latched
from tests.lab.test_watcher import UNIT, begin, dead_for_good, said

if TYPE_CHECKING:
    from tests.lab.lab import Lab

LIMIT = 512 * 1024 * 1024
# All that is there is read at once.
BIG = """local megabyte = string.rep('x', 1000000)
for i = 1, 600 do
    redis.call('XADD', 'quantum:ess:figures', '*', 'name', 'note', 'value', megabyte)
end"""
HUNGRY = """
import os

class Hungry:
    def check(self):
        while os.path.exists("/srv/food"):
            self.eaten = bytes(range(256)) * (1 << 22)
        return False, "not hungry"
"""
STANDING = "/var/lib/quantum-ess/watch/standing.json"


@pytest.fixture
def watched(limited: Lab) -> Lab:
    """A host that trades and is watched, whose kernel knows the limit of the watcher's unit."""
    begin(limited)
    assert limited.show(UNIT, "MemoryMax") == {"MemoryMax": str(LIMIT)}
    where = (
        f"/sys/fs/cgroup/memory/system.slice/{UNIT}/memory.limit_in_bytes"
        f" /sys/fs/cgroup/system.slice/{UNIT}/memory.max"
    )
    assert limited.sh(f"cat {where} 2>/dev/null || :").stdout == f"{LIMIT}\n"
    return limited


def killed(lab: Lab) -> int:
    """Return how many of the unit the kernel has killed because of the unit's own limit."""
    of_unit = rf"oom_memcg=/qtlab-\d+-{lab.name}/\S*system\.slice/{re.escape(UNIT)},"
    return len(re.findall(of_unit, lab.exec("dmesg").stdout))


@pytest.mark.timeout(240)
def test_memory_exhausted_stops_trading_within_a_minute_once(watched: Lab) -> None:
    watched.exec("redis-cli", "EVAL", BIG, "0", timeout=60)
    begun = time.monotonic()
    wait_latched(watched, 60)
    assert time.monotonic() - begun < 60
    wait_contained(watched)
    assert killed(watched) == 3
    dead_for_good(watched)
    # Not oom-kill: OOMPolicy=continue does not count what is killed beside the watcher.
    assert watched.show(UNIT, "Result") == {"Result": "signal"}
    assert "the watcher died (signal)" in ess(watched, "status").stdout
    watched.exec("ess", "deactivate", "--yes", "--reason", "seen", timeout=60)
    time.sleep(5)
    assert not any_flag(watched)
    assert said(watched, "stopping trading. Mend it") == 1


@pytest.mark.timeout(240)
def test_an_evaluator_that_eats_all_the_memory_is_ended_alone(watched: Lab) -> None:
    (packages,) = watched.sh("echo /opt/quantum-ess/venv/lib/python3*/site-packages").stdout.split()
    watched.write(f"{packages}/hungry.py", HUNGRY)
    info = f"{packages}/hungry-1.dist-info"
    watched.write(f"{info}/METADATA", "Metadata-Version: 2.1\nName: hungry\nVersion: 1\n")
    watched.write(f"{info}/entry_points.txt", "[quantum_ess.evaluators]\nhungry = hungry:Hungry\n")
    watched.systemctl("restart", UNIT)

    def told(words: str) -> bool:
        return words in watched.read(STANDING)

    watched.wait_until(lambda: told("custom:hungry: not hungry"), 30, "an answer")
    main = watched.show(UNIT, "MainPID")
    watched.exec("touch", "/srv/food")
    watched.wait_until(lambda: killed(watched) >= 2, 30, "killed, and the next one, too")
    watched.wait_until(lambda: told("custom, hungry"), 10, "it is said")
    watched.exec("rm", "/srv/food")
    watched.wait_until(lambda: '"custom, hungry": {"trouble": ""' in watched.read(STANDING), 30)
    assert watched.show(UNIT, "MainPID", "NRestarts") == {**main, "NRestarts": "0"}
    assert not any_flag(watched)
