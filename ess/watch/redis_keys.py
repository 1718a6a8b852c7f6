"""Figures that are set in Redis, and the request to stop: read once an interval, and at once where
Redis tells of it.

One connection, one thread. Import it where it is used: the package redis is an extra.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from ess.watch import figures
from ess.watch.redis_answers import AWAY, RENEWED, Answers, text
from ess.watch.redis_news import News
from ess.watch.source import heard_now

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    import redis

    from ess.mirror.address import Address
    from ess.watch.sample import Sample
    from ess.watch.source import Deliver, Report

# Whoever writes to a key without pause has it read for a tenth of the time, and at least this long
# apart (s): a hash of a thousand feeds takes as long to read as a thousand feeds.
_SHARE = 10
_BREATH = 0.005


class RedisKeys:
    """Read the hash and the keys of ess/watch/figures.py every `interval` s, and when told to."""

    name = "redis keys"

    def __init__(
        self, address: Address, interval: float, keys: figures.Keys = figures.KEYS
    ) -> None:
        self._address = address
        self._stop = keys.stop
        self._latest = keys.latest
        self._alone = {f"{keys.latest}:{name}": name for name in figures.ALONE}
        # What is short is not kept waiting by the hash.
        self._keys = (keys.stop, *self._alone, keys.latest)
        self._interval = interval
        self._answers = Answers(address)
        self._known: dict[tuple[str, str], str] = {}
        self._told: set[str] = set()
        self._rests: dict[str, float] = {}
        # Until it was looked: what was there when we were not may be gone.
        self._requested = True

    def run(self, deliver: Deliver, report: Report) -> None:
        """Deliver what is set, for ever; no answer of Redis ends it, nor do news that stay away."""
        with News(self._address, self._keys) as news:
            follow = partial(self._follow, news, deliver, report)
            while True:
                if not self._answers.served(follow, report):
                    time.sleep(AWAY)

    def once(self, deliver: Deliver, report: Report) -> None:
        """Deliver what is there now."""
        if self._answers.served(partial(self._read, self._keys, deliver), report):
            self._answers.tell(report)

    def _follow(self, news: News, deliver: Deliver, report: Report, client: redis.Redis) -> None:
        """Return when it is to be looked where the master is."""
        begun = heard_now()
        due = 0.0
        while not self._address.service or heard_now() < begun + RENEWED:
            if heard_now() >= due:
                due = heard_now() + self._interval
                self._told.clear()
                self._read(self._keys, deliver, client)
                self._answers.tell(report)
            else:
                self._read(self._await(news, due), deliver, client)

    def _await(self, news: News, due: float) -> list[str]:
        """Return the keys that were written to; none when nobody tells of any until `due`."""
        rested = min((self._rests.get(key, 0.0) for key in self._told), default=due)
        self._told |= news.wait(max(0.0, min(due, rested) - heard_now()))
        now = heard_now()
        ready = [
            key for key in self._keys if key in self._told and self._rests.get(key, 0.0) <= now
        ]
        self._told.difference_update(ready)
        return ready

    def _read(self, keys: Collection[str], deliver: Deliver, client: redis.Redis) -> None:
        """Deliver what is new at these keys; what is read first does not wait for the others."""
        for key in keys:
            begun = heard_now()
            found = self._request(client) if key == self._stop else self._changed(client, key)
            if found:
                deliver(found, "")
            now = heard_now()
            self._rests[key] = now + max(_BREATH, (_SHARE - 1) * (now - begun))

    def _changed(self, client: redis.Redis, key: str) -> list[Sample]:
        """Return what was written there since; what lies there as before is no news."""
        heard = heard_now()
        samples = []
        for name, value in self._lying(client, key):
            if self._known.get((key, name)) == value:
                continue
            self._known[key, name] = value
            sample = figures.latest(name, value, heard)
            if sample is None:
                self._answers.odd(f"{self._latest}: a field that is no name of a figure")
            else:
                samples.append(sample)
        return samples

    def _lying(self, client: redis.Redis, key: str) -> Iterator[tuple[str, str]]:
        if key in self._alone:
            value = self._answers.asked(key, partial(client.get, key), cast("Any", None))
            if value is not None:
                yield self._alone[key], text(value)
            return
        ask = partial(client.hgetall, key)
        fields: dict[bytes, bytes] = self._answers.asked(key, ask, cast("Any", {}))
        yield from ((text(name), text(value)) for name, value in fields.items())

    def _request(self, client: redis.Redis) -> list[Sample]:
        """Return the request for a stop; anything at its key is one. That it is gone is told, too:

        only then is the same one a new one.
        """
        there = self._answers.asked(
            self._stop, partial(client.exists, self._stop), cast("Any", None)
        )
        if there:
            ask = partial(client.get, self._stop)
            reason = self._answers.asked(self._stop, ask, cast("Any", b""))
            self._answers.right(self._stop)
            self._requested = True
            return [figures.request(text(reason or b""), heard_now())]
        if there is None or not self._requested:
            return []
        self._requested = False
        return [figures.no_request(heard_now())]
