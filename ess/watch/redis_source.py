"""Figures from Redis: the stream is read the moment something is written, the keys are polled.

One connection, one thread. Import it where it is used: the package redis is an extra.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

from ess.aftermath.channel import DeliveryError
from ess.mirror.server import RefusedError, reached, spoken
from ess.watch import figures
from ess.watch.source import heard_now

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import redis

    from ess.mirror.address import Address
    from ess.watch.sample import Sample
    from ess.watch.source import Deliver, Report

T = TypeVar("T")
_PORTION = 1000  # entries of the stream at a time
# Entries that follow each other faster than this (s) are read together: a flood costs no more than
# 200 reads a second, and what comes after a silence is read at once.
_BREATH = 0.005
_AWAY = 0.5  # s until a Redis that does not answer is asked again
_RENEWED = 5.0  # s of silence after which Sentinel is asked whether it is still the same one
_MISSING = "no such key"


class RedisSource:
    """Read the contract of ess/watch/figures.py. `since`: where to begin, an id of the stream."""

    name = "redis"

    def __init__(
        self, address: Address, since: str, interval: float, keys: figures.Keys = figures.KEYS
    ) -> None:
        self._address = address
        self._at = since
        self._interval = interval
        self._keys = keys
        self._known: dict[str, tuple[str, float]] = {}
        self._wrong: dict[str, str] = {}
        # Until it was looked: what was there when we were not may be gone.
        self._requested = True

    def run(self, deliver: Deliver, report: Report) -> None:
        """Deliver what is written, for ever; no answer of Redis ends it."""
        while True:
            try:
                with reached(self._address) as client:
                    self._follow(client, deliver, report)
            except DeliveryError as error:
                report.wrong(str(error))
                time.sleep(_AWAY)

    def once(self, deliver: Deliver, report: Report) -> None:
        """Deliver what is there now."""
        try:
            with reached(self._address) as client:
                while self._stream(client, deliver, None):
                    pass
                self._poll(client, deliver)
                self._tell(report)
        except DeliveryError as error:
            report.wrong(str(error))

    def _follow(self, client: redis.Redis, deliver: Deliver, report: Report) -> None:
        """Return when it is to be looked where the master is."""
        begun = heard_now()
        due = 0.0
        while not self._address.service or heard_now() < begun + _RENEWED:
            if heard_now() >= due:
                due = heard_now() + self._interval
                self._realign(client)
                self._poll(client, deliver)
                self._tell(report)
            wait = min(1.0, max(0.001, due - heard_now()))
            if self._stream(client, deliver, wait):
                begun = heard_now()
                time.sleep(_BREATH)
            elif self._keys.stream in self._wrong:
                time.sleep(wait)

    def _stream(self, client: redis.Redis, deliver: Deliver, wait: float | None) -> bool:
        """Deliver what was added; tell whether it was anything. `wait`: for at most so long (s)."""
        block = None if wait is None else max(1, round(wait * 1000))
        read = partial(client.xread, {self._keys.stream: self._at}, _PORTION, block)
        answer = self._asked(self._keys.stream, read, cast("Any", None))
        entries: list[tuple[bytes, dict[bytes, bytes]]] = answer[0][1] if answer else []
        if not entries:
            return False
        heard = heard_now()
        samples = [
            figures.entry(_text(identity), _texts(fields), heard)
            for identity, fields in entries
            if fields
        ]
        if None in samples:
            self._wrong["entries"] = f"{self._keys.stream}: an entry that names no figure"
        self._at = _text(entries[-1][0])
        deliver([one for one in samples if one], self._at)
        return True

    def _realign(self, client: redis.Redis) -> None:
        """Begin anew where a stream ends whose ids are before ours: it is another one.

        What is read twice could be counted twice, so nothing before that end is read.
        """
        ask = partial(client.xinfo_stream, self._keys.stream)
        state = self._asked(self._keys.stream, ask, cast("Any", None))
        if not state:
            return
        last = _text(state["last-generated-id"])
        if _order(last) < _order(self._at):
            self._at = last

    def _poll(self, client: redis.Redis, deliver: Deliver) -> None:
        samples = [one for name, text in self._lying(client) if (one := self._changed(name, text))]
        samples += self._request(client)
        if samples:
            deliver(samples, "")

    def _lying(self, client: redis.Redis) -> Iterator[tuple[str, str]]:
        fields: dict[bytes, bytes] = self._asked(
            self._keys.latest, partial(client.hgetall, self._keys.latest), cast("Any", {})
        )
        yield from ((_text(name), _text(value)) for name, value in fields.items())
        for name in figures.ALONE:
            key = f"{self._keys.latest}:{name}"
            value = self._asked(key, partial(client.get, key), cast("Any", None))
            if value is not None:
                yield name, _text(value)

    def _changed(self, name: str, text: str) -> Sample | None:
        """Return a sample of what was written since; what lies there as before is no news."""
        if self._known.get(name, ("", 0.0))[0] == text:
            return None
        heard = heard_now()
        self._known[name] = text, heard
        sample = figures.latest(name, text, heard)
        if sample is None:
            self._wrong["entries"] = f"{self._keys.latest}: a field that is no name of a figure"
        return sample

    def _request(self, client: redis.Redis) -> list[Sample]:
        """Return the request for a stop; anything at its key is one. That it is gone is told, too:

        only then is the same one a new one.
        """
        key = self._keys.stop
        there = self._asked(key, partial(client.exists, key), cast("Any", None))
        if there:
            reason = self._asked(key, partial(client.get, key), cast("Any", b""))
            self._wrong.pop(key, None)
            self._requested = True
            return [figures.request(_text(reason or b""), heard_now())]
        if there is None or not self._requested:
            return []
        self._requested = False
        return [figures.no_request(heard_now())]

    def _asked(self, key: str, ask: Callable[[], object], nothing: T) -> T:
        """Return the answer; `nothing` when Redis refuses it, because of what lies at `key`."""
        try:
            answer = ask()
        except RefusedError as error:
            if _MISSING in str(error):
                self._wrong.pop(key, None)
            else:
                self._wrong[key] = f"{key}: {spoken(error, self._address)}"
            return nothing
        self._wrong.pop(key, None)
        return cast("T", answer)

    def _tell(self, report: Report) -> None:
        if self._wrong:
            report.wrong("; ".join(self._wrong.values()))
        else:
            report.fine()
        self._wrong.pop("entries", None)


def since(seconds: float) -> str:
    """Return where a stream is begun of which nothing is remembered: what is younger is read."""
    return f"{max(0, round((time.time() - seconds) * 1000))}-0"


def _order(identity: str) -> tuple[int, int]:
    first, _, second = identity.partition("-")
    return int(first), int(second or 0)


def _texts(fields: dict[bytes, bytes]) -> dict[str, str]:
    return {_text(key): _text(value) for key, value in fields.items()}


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")
