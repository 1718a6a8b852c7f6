"""How a trading process hands its figures to the watcher of quantum-ess. May be copied and changed.

Needs redis-py and a Redis the watcher reads, too (QT_ESS_WATCH_REDIS_URL). Every figure says when
it was true; one that is not told again ages, and a silence that is too long stops trading. So tell
each of them regularly, also when nothing has changed.
"""

import time

STREAM = "quantum:ess:figures"
LATEST = "quantum:ess:latest"
STOP = "quantum:ess:stop"
KEPT = 100_000  # entries


class Figures:
    """`client`: redis.Redis. What it raises is yours to handle: trading must not depend on it."""

    def __init__(self, client):
        self._client = client

    def equity(self, value):
        """What the account is worth. Judged within some ms."""
        self._push("equity", value)

    def daily_pnl(self, percent):
        """Profit or loss of the day in percent; -4.2 is a loss of 4.2 %."""
        self._push("daily_pnl_pct", percent)

    def health(self, word):
        """OK, HEALTHY, NORMAL, WARNING and DEGRADED are fine; CRITICAL stops trading."""
        self._push("health", word)

    def stop_loss_hit(self, symbol):
        """One stop-loss was hit."""
        self._push("stop_loss", symbol)

    def order_failed(self, why):
        """One order was refused or failed."""
        self._push("order_error", why)

    def feed(self, name, price):
        """A price of the feed `name`, like binance:BTCUSDT. Polled, so there may be thousands."""
        self._client.hset(LATEST, f"feed:{name}", f"{price} {time.time():.3f}")

    def ask_for_stop(self, reason):
        """Stop all trading of the watcher's host. Nothing here takes that back."""
        self._client.set(STOP, reason)

    def _push(self, name, value):
        entry = {"name": name, "value": str(value), "at": f"{time.time():.6f}"}
        self._client.xadd(STREAM, entry, maxlen=KEPT, approximate=True)
