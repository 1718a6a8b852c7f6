"""The watcher whose memory is exhausted: the kernel kills it, and the dead man stops trading."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.lab.cage import Cage, cage
from tests.lab.host import inner_pid
from tests.lab.rig import any_flag, ess, wait_contained, wait_latched
from tests.lab.test_watcher import UNIT, dead_for_good, said, watched

if TYPE_CHECKING:
    from tests.lab.lab import Lab

__all__ = ["watched"]
LIMIT = 100 * 1024 * 1024
# All that is there is read at once: 150 MB, which Python holds more than once.
BIG = """head -c 1000000 /dev/zero | tr '\\0' x >/root/big
for ((number = 0; number < 150; number++)); do
    redis-cli -x XADD quantum:ess:figures '*' name note value </root/big >/dev/null
done"""
# Waits until it is in the cage.
CAGED = """[Service]
ExecStart=
ExecStart=/bin/bash -c 'until [[ -e /run/caged/$$$$ ]]; do sleep 0.02; done; \
exec /opt/quantum-ess/venv/bin/python -I -m ess watch run'
"""


def put_next(lab: Lab, one: Cage, before: set[int]) -> None:
    """Put the next watcher into the cage."""

    def fresh() -> tuple[int, int] | None:
        # Not what systemd runs after the start.
        main = int(lab.show(UNIT, "MainPID")["MainPID"])
        fresh = (pid for pid in lab.host_pids(UNIT) if pid not in before)
        return next(((pid, main) for pid in fresh if inner_pid(pid) == main), None)

    found = lab.wait_until(fresh, 20, "another watcher")
    assert found is not None
    pid, main = found
    before.add(pid)
    one.put(pid)
    lab.sh(f"mkdir -p /run/caged; touch /run/caged/{main}")


@pytest.mark.timeout(240)
def test_memory_exhausted_stops_trading_within_a_minute_once(watched: Lab) -> None:
    watched.put_unit(f"{UNIT}.d/caged.conf", CAGED)
    watched.systemctl("daemon-reload")
    with cage(LIMIT) as one:
        seen = set(watched.host_pids(UNIT))
        watched.systemctl("restart", "--no-block", UNIT)
        put_next(watched, one, seen)
        watched.wait_until(lambda: watched.state(UNIT) == "active", 20, "it lives in its cage")
        time.sleep(3)
        assert one.kills == 0
        watched.sh(BIG, timeout=60)
        begun = time.monotonic()
        for _ in range(2):
            put_next(watched, one, seen)
        wait_latched(watched, 60)
        assert time.monotonic() - begun < 60
        wait_contained(watched)
        assert one.kills == 3
        dead_for_good(watched)
    status = ess(watched, "status").stdout
    assert "the watcher died (" in status
    watched.exec("ess", "deactivate", "--yes", "--reason", "seen", timeout=60)
    time.sleep(5)
    assert not any_flag(watched)
    assert said(watched, "stopping trading. Mend it") == 1
