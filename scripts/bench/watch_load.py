"""What the watcher takes of the host with 20 evaluators and 1,000 feeds at an interval of 1 s,
beside a script that looks at one figure as often.
"""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import watch_unit
from desk import wait_until
from figure_to_stop import GOOD, KEY, NOTIFY, SCRIPT, client_of, notify, script
from fleet import run
from redis_server import redis_server
from watch_unit import LATEST, STREAM, UNIT

FEEDS = 1000
EVALUATORS = 20
# All of them once a second, in portions, as prices come.
PORTIONS = 10
PROMETHEUS = "bench-prometheus.service"
SCRAPES = """global: {scrape_interval: 1s}
scrape_configs: [{job_name: self, static_configs: [{targets: ["127.0.0.1:19091"]}]}]
"""
# Eight of the built-in ones; what tells how far Redis was read is no evaluator of anything.
EXPRESSIONS = {f"EXPRESSION_E{number}": "max(up) > 5" for number in range(EVALUATORS - 8)}

Write = Callable[[Any, str, str], object]


def add(pipe: Any, feed: str, value: str) -> None:
    """To the stream."""
    pipe.xadd(STREAM, {"name": feed, "value": value}, maxlen=100_000)


def put(pipe: Any, feed: str, value: str) -> None:
    """Into the hash."""
    pipe.hset(LATEST, feed, f"{value} {time.time():.3f}")


@contextmanager
def prometheus() -> Iterator[str]:
    """A Prometheus that scrapes itself, and its URL."""
    Path("/root/bench-prometheus.yml").write_text(SCRAPES)
    run(
        *("systemd-run", "-q", "--collect", f"--unit={PROMETHEUS}", "prometheus"),
        *("--config.file=/root/bench-prometheus.yml", "--storage.tsdb.path=/root/bench-tsdb"),
        "--web.listen-address=127.0.0.1:19091",
    )
    try:
        yield "http://127.0.0.1:19091"
    finally:
        run("systemctl", "stop", PROMETHEUS)


@contextmanager
def written(port: int, write: Write) -> Iterator[None]:
    """Every feed is written once a second for as long as the context lasts."""
    over = threading.Event()
    share = FEEDS // PORTIONS

    def go() -> None:
        client, number = client_of(port), 0
        while not over.wait(1 / PORTIONS):
            pipe = client.pipeline(transaction=False)
            for feed in range(number % PORTIONS * share, (number % PORTIONS + 1) * share):
                write(pipe, f"feed:exchange:{feed}", str(number))
            pipe.execute()
            number += 1

    writer = threading.Thread(target=go, daemon=True)
    writer.start()
    try:
        yield
    finally:
        over.set()
        writer.join(timeout=10)


def figures_of(unit: str, seconds: float) -> dict[str, float]:
    """CPU in % of one core over so many s, and memory at their end (MB)."""
    before, began = watch_unit.cpu_s(unit), time.monotonic()
    time.sleep(seconds)
    used, took = watch_unit.cpu_s(unit) - before, time.monotonic() - began
    rss, pss = watch_unit.memory_mb(unit)
    return {
        "cpu_percent": round(100 * used / took, 2),
        "rss_mb": round(rss, 1),
        "pss_mb": round(pss, 1),
        "seconds": round(took, 1),
    }


def await_all() -> None:
    """Return once the watcher has all evaluators, and each has something to judge."""
    names = [f"expr:e{number}" for number in range(EVALUATORS - 8)]

    def judged() -> bool:
        found = watch_unit.standing()
        return found.get("feeds") == "quiet" and all(found.get(n) == "quiet" for n in names)

    wait_until(judged, "all evaluators judge")


def measure_load(seconds: float) -> dict[str, dict[str, float]]:
    """CPU and memory, by how the feeds come, each over so many s; and those of a script."""
    took = {}
    with redis_server() as port, prometheus() as url:
        client = client_of(port)
        with watch_unit.watching(port, WATCH_PROMETHEUS_URL=url, **EXPRESSIONS):
            for name, write, events in (
                (f"{FEEDS:,} feeds/s, stream", add, ""),
                (f"{FEEDS:,} feeds/s, hash, polled", put, ""),
                (f"{FEEDS:,} feeds/s, hash, notified", put, NOTIFY),
            ):
                notify(client, events)
                with written(port, write):
                    await_all()
                    took[name] = figures_of(UNIT, seconds)
                print(f"load: {name}", file=sys.stderr)
            took[f"{FEEDS:,} feeds, nothing new"] = figures_of(UNIT, seconds)
        with watch_unit.watching(port):
            time.sleep(2)
            took["8 evaluators, no Prometheus"] = figures_of(UNIT, seconds)
        client.set(KEY, GOOD)
        with script(port):
            time.sleep(2)
            took["script: redis-cli every 1 s"] = figures_of(SCRIPT, seconds)
    return took
