"""What a trading process may copy does what it says."""

from __future__ import annotations

import importlib.util
import time
from typing import TYPE_CHECKING, Any

from ess.mirror.address import parse
from ess.watch.redis_keys import RedisKeys
from ess.watch.redis_source import RedisSource
from tests.checks.tracked import CHECKOUT
from tests.watch.ear import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.mirror.server import Server
    from tests.watch.ear import Ear

EXAMPLE = CHECKOUT / "ops" / "examples" / "figures.py"


def test_what_it_tells_is_heard(server: Server, listen: Callable[..., Ear]) -> None:
    spec = importlib.util.spec_from_file_location("figures", EXAMPLE)
    assert spec
    assert spec.loader
    module: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    figures = module.Figures(server.client)
    address = parse(server.url)
    ear = listen(RedisSource(address, "0-0", 0.1), RedisKeys(address, 0.1), of=server)
    figures.equity(10_000.5)
    figures.daily_pnl(-4.2)
    figures.health("OK")
    figures.stop_loss_hit("BTCUSDT")
    figures.order_failed("insufficient margin")
    figures.feed("binance:BTCUSDT", 97_000.1)
    figures.ask_for_stop("it knows why")
    until(lambda: ear.named("manual") and ear.named("order_error"))
    until(lambda: ear.named("feed:binance:BTCUSDT"))
    found = {one.name: one.value for one in ear.samples}
    assert found == {
        "equity": 10_000.5,
        "daily_pnl_pct": -4.2,
        "health": "OK",
        "stop_loss": "BTCUSDT",
        "order_error": "insufficient margin",
        "feed:binance:BTCUSDT": 97_000.1,
        "manual": "it knows why",
    }
    dated = [one.at for one in ear.samples if one.name != "manual"]
    assert all(at and abs(time.time() - at) < 60 for at in dated)
