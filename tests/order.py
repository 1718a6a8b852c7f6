"""The order in which workers run the tests: what needs a lab last, what takes long of it first.

Meanwhile the labs' images are made, where there are none. pytest-xdist gives each worker one part
of the list, equal in number, and lets who is done early take from the end of another's. So each
part has its share of what takes long, and ends with what does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# What a module takes of a worker, in s, where that is much. Out of date it costs time alone.
SECONDS = {
    "tests/lab/proof/test_entry.py": 190,
    "tests/lab/test_runbook.py": 150,
    "tests/lab/test_release_interrupted.py": 150,
    "tests/lab/test_broken_host.py": 140,
    "tests/lab/test_parity.py": 140,
    "tests/lab/test_release.py": 130,
    "tests/lab/test_watcher.py": 120,
    "tests/lab/proof/test_watcher.py": 90,
    "tests/lab/test_broken_disks.py": 90,
    "tests/lab/test_held_through.py": 90,
    "tests/lab/proof/test_watcher_sabotage.py": 90,
    "tests/lab/test_fault_no_process.py": 90,
    "tests/lab/test_upgrade.py": 80,
    "tests/lab/test_stopped.py": 70,
    "tests/lab/test_ways_in.py": 70,
    "tests/lab/test_prometheus.py": 70,
    "tests/lab/test_flag_replaced.py": 70,
    "tests/lab/test_watcher_health.py": 60,
    "tests/lab/proof/test_sabotage.py": 60,
    "tests/lab/proof/test_aftermath.py": 60,
    "tests/lab/test_held_flags.py": 60,
    "tests/lab/test_metrics.py": 50,
    "tests/lab/test_events.py": 50,
    "tests/lab/test_request.py": 50,
    "tests/lab/test_request_release.py": 50,
    "tests/lab/test_request_limits.py": 50,
    "tests/watch/test_watcher.py": 50,
    "tests/lab/test_held.py": 50,
    "tests/lab/test_lab.py": 50,
    "tests/lab/test_watcher_released.py": 50,
    "tests/lab/test_fault_escaped.py": 40,
    "tests/lab/test_alerts.py": 40,
    "tests/lab/test_doctor.py": 40,
    "tests/lab/proof/test_canary.py": 40,
    "tests/lab/test_alert_credentials.py": 40,
    "tests/lab/proof/test_interrupted.py": 40,
    "tests/lab/proof/test_production.py": 40,
    "tests/lab/test_trip_settings.py": 40,
    "tests/lab/test_journal.py": 40,
    "tests/watch/test_redis_keys.py": 30,
    "tests/lab/test_doctor_aftermath.py": 30,
    "tests/watch/test_redis.py": 20,
    "tests/unit/test_aftermath.py": 20,
}
# Of a lab test of any other module.
LAB_TEST = 4
T = TypeVar("T")


def spread(items: Sequence[tuple[str, T]], workers: int, seconds: Mapping[str, int]) -> list[T]:
    """Return the items, which come with their modules, in the order for so many workers."""
    modules: dict[str, list[T]] = {}
    for module, item in items:
        modules.setdefault(module, []).append(item)
    shares: list[list[T]] = [[] for _ in range(workers)]
    load = [0] * workers
    for module in sorted(set(modules) & set(seconds), key=lambda one: (-seconds[one], one)):
        least = load.index(min(load))
        load[least] += seconds[module]
        shares[least] += modules.pop(module)
    rest = [item for module in modules.values() for item in module]
    return _filled(shares, rest)


def _filled(shares: Sequence[list[T]], rest: list[T]) -> list[T]:
    """Return all of it, with each share as long as pytest-xdist cuts them."""
    left = sum(map(len, shares)) + len(rest)
    done: list[T] = []
    for number, share in enumerate(shares):
        room = left // (len(shares) - number)
        more = max(0, room - len(share))
        done += rest[:more] + share
        del rest[:more]
        left -= len(share) + more
    return done + rest
