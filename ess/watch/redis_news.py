"""Which keys Redis says were written to, where it is set to say so (notify-keyspace-events).

A hint and nothing more: heard on a connection and in a thread of its own, so that news that stay
away, hang or come in floods cost whoever waits for them nothing.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Self, cast

from ess import journal
from ess.aftermath.channel import DeliveryError
from ess.mirror.server import RefusedError, reached, spoken

if TYPE_CHECKING:
    from collections.abc import Iterable

    import redis

    from ess.mirror.address import Address

_AWAY = 0.5  # s until a Redis that does not answer is asked again
_REFUSED = 30.0  # s until one that refuses is
_ASKED = 2.0  # s of silence after which it is asked whether it is still there
_LOST = 6.0  # s of silence after which it is not
# A flood of news costs at most a fifth of a core, looked at after so much of it (s).
_SHARE = 5
_LOOKED = 0.005


class News:
    """Keys of those given that were written to, or may have been, since wait() was called last."""

    def __init__(self, address: Address, keys: Iterable[str]) -> None:
        self._address = address
        self._channels = {f"__keyspace@{address.db}__:{key}".encode(): key for key in keys}
        self._written: set[str] = set()
        self._came = threading.Condition()
        self._over = threading.Event()
        self._refused = ""
        self._thread = threading.Thread(target=self._listen, name="redis news", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        # One that hangs is left behind.
        self._thread.join(_ASKED)

    def wait(self, seconds: float) -> set[str]:
        """Return the keys as soon as there are any, none after so long."""
        with self._came:
            if not self._written:
                self._came.wait(seconds)
            written, self._written = self._written, set()
        return written

    def _tell(self, keys: Iterable[str]) -> None:
        with self._came:
            self._written.update(keys)
            self._came.notify()

    def _listen(self) -> None:
        while not self._over.is_set():
            pause = _AWAY
            try:
                with reached(self._address) as client:
                    pause = self._subscribed(client)
            except DeliveryError:
                # Whoever reads the keys says so.
                pass
            self._over.wait(pause)

    def _subscribed(self, client: redis.Redis) -> float:
        """Return after how many s to try again. Raises whatever ends the connection."""
        news = cast("Any", client).pubsub()
        try:
            self._hear(news)
        except RefusedError as error:
            self._say(spoken(error, self._address))
            return _REFUSED
        return _AWAY

    def _hear(self, news: Any) -> None:
        news.subscribe(*self._channels)
        # Written to since the keys were read last, and before we were there to hear of it.
        stale = True
        heard = asked = time.monotonic()
        spent, since = time.thread_time(), heard
        while not self._over.is_set():
            message = cast("dict[str, Any] | None", news.get_message(timeout=_ASKED / 2))
            now = time.monotonic()
            if message is None:
                if now > heard + _LOST:
                    return
                if now > max(heard, asked) + _ASKED:
                    asked = now
                    # It is answered, and takes no right that is not there already.
                    news.subscribe(next(iter(self._channels)))
                continue
            heard = now
            if message["type"] == "message":
                self._tell(filter(None, [self._channels.get(message["channel"])]))
            elif stale:
                stale = False
                self._say("")
                self._tell(self._channels.values())
            if (used := time.thread_time() - spent) > _LOOKED:
                self._over.wait(max(0.0, since + _SHARE * used - now))
                spent, since = time.thread_time(), time.monotonic()

    def _say(self, refused: str) -> None:
        if refused and not self._refused:
            journal.notice(
                f"watcher: redis keys: not told of what is written, they are polled: {refused}"
            )
        self._refused = refused
