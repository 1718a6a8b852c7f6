"""Figures from the stream in Redis: read the moment something is written.

One connection, one thread. Import it where it is used: the package redis is an extra.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from ess.watch import figures
from ess.watch.redis_answers import AWAY, RENEWED, Answers, text
from ess.watch.source import heard_now

if TYPE_CHECKING:
    import redis

    from ess.mirror.address import Address
    from ess.watch.source import Deliver, Report

_PORTION = 1000  # entries of the stream at a time
# Entries that follow each other faster than this (s) are read together: a flood costs no more than
# 200 reads a second, and what comes after a silence is read at once.
_BREATH = 0.005


class RedisSource:
    """Read the stream of ess/watch/figures.py. `since`: where to begin, an id of the stream."""

    name = "redis"

    def __init__(
        self, address: Address, since: str, interval: float, keys: figures.Keys = figures.KEYS
    ) -> None:
        self._address = address
        self._at = since
        self._interval = interval
        self._stream_key = keys.stream
        self._answers = Answers(address)
        self._heard = 0
        # How many were ever added, and heard by us, when nothing was left to be read.
        self._even: tuple[int, int] | None = None

    def run(self, deliver: Deliver, report: Report) -> None:
        """Deliver what is written, for ever; no answer of Redis ends it."""
        follow = partial(self._follow, deliver, report)
        while True:
            if not self._answers.served(follow, report):
                time.sleep(AWAY)

    def once(self, deliver: Deliver, report: Report) -> None:
        """Deliver what is there now."""
        if self._answers.served(partial(self._read, deliver), report):
            self._answers.tell(report)

    def _read(self, deliver: Deliver, client: redis.Redis) -> None:
        while self._stream(client, deliver, None):
            pass

    def _follow(self, deliver: Deliver, report: Report, client: redis.Redis) -> None:
        """Return when it is to be looked where the master is."""
        begun = heard_now()
        due = 0.0
        while not self._address.service or heard_now() < begun + RENEWED:
            if heard_now() >= due:
                due = heard_now() + self._interval
                self._realign(client)
                self._answers.tell(report)
            wait = min(1.0, max(0.001, due - heard_now()))
            if self._stream(client, deliver, wait):
                begun = heard_now()
                time.sleep(_BREATH)
            elif self._answers.is_wrong(self._stream_key):
                time.sleep(wait)

    def _stream(self, client: redis.Redis, deliver: Deliver, wait: float | None) -> bool:
        """Deliver what was added; tell whether it was anything. `wait`: for at most so long (s)."""
        block = None if wait is None else max(1, round(wait * 1000))
        read = partial(client.xread, {self._stream_key: self._at}, _PORTION, block)
        answer = self._answers.asked(self._stream_key, read, cast("Any", None))
        entries: list[tuple[bytes, dict[bytes, bytes]]] = answer[0][1] if answer else []
        if not entries:
            return False
        heard = heard_now()
        samples = [
            figures.entry(text(identity), _texts(fields), heard)
            for identity, fields in entries
            if fields
        ]
        if None in samples:
            self._answers.odd(f"{self._stream_key}: an entry that names no figure")
        self._at = text(entries[-1][0])
        self._heard += len(entries)
        deliver([one for one in samples if one], self._at)
        return True

    def _realign(self, client: redis.Redis) -> None:
        """Begin anew where a stream ends whose ids are before ours: it is another one.

        What is read twice could be counted twice, so nothing before that end is read.
        """
        ask = partial(client.xinfo_stream, self._stream_key)
        state = self._answers.asked(self._stream_key, ask, cast("Any", None))
        if not state:
            return
        last = text(state["last-generated-id"])
        if _order(last) < _order(self._at):
            self._at = last
        self._miss(state)

    def _miss(self, state: dict[str, Any]) -> None:
        """Take note of entries that were trimmed away before they were read."""
        added, first = state.get("entries-added"), state.get("first-entry")
        if added is not None and text(state["last-generated-id"]) == self._at:
            before, heard = self._even or (added, self._heard)
            lost = added - before - (self._heard - heard)
            self._even = added, self._heard
        else:
            # What was read last is gone, and more is to come: a flood is faster than we are.
            lost = int(bool(self._heard and first and _order(text(first[0])) > _order(self._at)))
        if lost > 0:
            self._answers.odd(f"{self._stream_key}: entries were removed before they were read")


def since(seconds: float) -> str:
    """Return where a stream is begun of which nothing is remembered: what is younger is read."""
    return f"{max(0, round((time.time() - seconds) * 1000))}-0"


def _order(identity: str) -> tuple[int, int]:
    first, _, second = identity.partition("-")
    return int(first), int(second or 0)


def _texts(fields: dict[bytes, bytes]) -> dict[str, str]:
    return {text(key): text(value) for key, value in fields.items()}
