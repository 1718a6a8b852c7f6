"""A figure that is set, and not pushed, stops trading before the next round where Redis tells."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ess.watch import figures
from tests.watch.daemon import Daemon, Host
from tests.watch.ear import until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.mirror.server import Server


def test_a_hash_stops_trading_before_the_next_round(
    serve: Callable[..., Server], tmp_path: Path
) -> None:
    server = serve("--notify-keyspace-events", "Kh$")
    host = Host(tmp_path / "root")
    host.configure(WATCH_REDIS_URL=server.url, CHECK_INTERVAL="10")
    daemon = Daemon(host, tmp_path)
    try:
        until(lambda: daemon.told)
        until(lambda: server.client.client_list(_type="pubsub"))
        rounds = daemon.pings
        for percent in (-1, -2, -9, -10.5):
            time.sleep(0.3)
            assert host.asked() == []
            value = f"{percent} {time.time():.6f}"
            server.client.hset(figures.LATEST, "daily_pnl_pct", value)
        until(host.asked, seconds=1)
        assert daemon.pings <= rounds + 1
        assert "daily loss 10.5" in host.asked()[0]
    finally:
        daemon.close()
