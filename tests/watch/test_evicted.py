"""Figures that a full Redis throws away: missing is never fine."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from ess.watch import figures, places
from tests.watch.daemon import Daemon, Host
from tests.watch.ear import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.mirror.server import Server

FULL = ("--maxmemory", "3mb", "--maxmemory-policy", "allkeys-lru")


def crowd_out(server: Server, *keys: str) -> None:
    """Write something else until these keys are evicted."""

    def gone() -> bool:
        pipe = server.client.pipeline(transaction=False)
        for _ in range(300):
            pipe.set(os.urandom(8), os.urandom(10_000))
        pipe.execute()
        return not server.client.exists(*keys)

    until(gone)


def mood(host: Host, evaluator: str) -> str:
    file = Path(places.state(host.paths), "standing.json")
    verdicts = json.loads(file.read_text())["verdicts"]
    return next(str(one["mood"]) for one in verdicts if one["evaluator"] == evaluator)


def test_figures_that_are_evicted_are_missed_and_stop_trading(
    serve: Callable[..., Server], tmp_path: Path
) -> None:
    server = serve(*FULL)
    host = Host(tmp_path / "root")
    host.configure(WATCH_REDIS_URL=server.url, MAX_DATA_STALENESS="0.1")
    daemon = Daemon(host, tmp_path)
    try:
        daemon.await_round()
        server.client.hset(figures.LATEST, "feed:binance:BTCUSDT", "97000.5")
        for value in ("1000", "1001"):
            server.client.xadd(figures.STREAM, {"name": "equity", "value": value})
        until(lambda: mood(host, "feeds") == mood(host, "daily-loss") == "quiet")
        crowd_out(server, figures.LATEST, figures.STREAM)
        evicted: object = server.client.info("stats")
        assert isinstance(evicted, dict)
        assert evicted["evicted_keys"] > 0
        # That they are gone is no figure, and no reason: that they stay away is one.
        until(host.asked)
        (asked, *_) = host.asked()
        assert "no news of " in asked
        assert "limit 6 s" in asked
        until(lambda: mood(host, "feeds") == mood(host, "daily-loss") == "blind")
        # What comes then is heard again.
        server.client.xadd(figures.STREAM, {"name": "equity", "value": "1002"})
        until(lambda: mood(host, "daily-loss") == "quiet")
        assert mood(host, "feeds") == "blind"
    finally:
        daemon.close()
