"""How many figures and rounds a second the watcher judges, in one process, as it is installed."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from figure_to_stop import client_of
from installed import PATHS, address, assembly, redis_source, sample, settings, source, watcher
from redis_server import redis_server
from watch_load import EVALUATORS, EXPRESSIONS, FEEDS, add
from watch_unit import SETTINGS

ENTRIES = 50_000
ROUNDS = 300
CALLS = 20_000


@contextmanager
def settled(port: int) -> Iterator[Any]:
    """Everything a watcher is made of, with 20 evaluators."""
    keys = {"WATCH_REDIS_URL": f"redis://127.0.0.1:{port}/0", **EXPRESSIONS}
    SETTINGS.write_text("".join(f"QT_ESS_{key}={value}\n" for key, value in keys.items()))
    try:
        yield assembly.assemble(PATHS, settings.load(PATHS), watcher.moment("bench")).parts
    finally:
        SETTINGS.write_text("QT_ESS_ENABLED=false\n")


def rate(count: int, work: Callable[[], object]) -> float:
    """How many a second."""
    began = time.perf_counter()
    work()
    return count / (time.perf_counter() - began)


def heard(judge: Any, name: str, count: int) -> Callable[[], None]:
    """Have `count` figures judged, each a new one; of feeds, of all of them in turn."""

    def go() -> None:
        for number in range(count):
            now = watcher.moment("bench")
            which = f"{name}:exchange:{number % FEEDS}" if name == "feed" else name
            judge.hear(sample.number(which, f"{1000 + number % 7}", None, now.boottime), now)

    return go


def rounds(judge: Any, count: int) -> Callable[[], None]:
    """Have everything judged `count` times."""

    def go() -> None:
        for _ in range(count):
            judge.judge(watcher.moment("bench"))

    return go


def from_redis(port: int, judge: Any) -> float:
    """Entries a second, read from the stream of a real server and judged."""
    client = client_of(port)
    pipe = client.pipeline(transaction=False)
    for number in range(ENTRIES):
        add(pipe, f"feed:exchange:{number % FEEDS}", str(number))
    pipe.execute()
    stream = redis_source.RedisSource(address.parse(f"redis://127.0.0.1:{port}/0"), "0-0", 1.0)

    def take(samples: Any, _: str) -> None:
        now = watcher.moment("bench")
        for one in samples:
            judge.hear(one, now)

    return rate(ENTRIES, lambda: stream.once(take, source.Report("bench")))


def measure_rate(runs: int) -> dict[str, list[float]]:
    """Each rate, `runs` times."""
    found: dict[str, list[float]] = {}
    with redis_server() as port, settled(port) as parts:
        judge = parts.judge
        heard(judge, "feed", FEEDS)()
        for _ in range(runs):
            whole = rate(ROUNDS, rounds(judge, ROUNDS))
            for name, value in {
                "a figure of equity": rate(CALLS, heard(judge, "equity", CALLS)),
                "a figure of a feed": rate(CALLS, heard(judge, "feed", CALLS)),
                "a feed, read from Redis": from_redis(port, judge),
                f"a round of all {EVALUATORS}": whole,
                "one evaluator in a round": whole * EVALUATORS,
            }.items():
                found.setdefault(name, []).append(value)
    return found
