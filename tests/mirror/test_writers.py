"""The PolicyStore document belongs to many: whoever writes at the same time loses nothing."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any, cast

import pytest
import redis

from ess.aftermath.channel import DeliveryError
from ess.mirror import steps
from ess.mirror.server import Server as Adapter
from tests.mirror.host import MARKER, POLICY, RELEASED, TRIPPED, Host, document, types

if TYPE_CHECKING:
    from tests.mirror.server import Server

WRITERS = 8
ROUNDS = 10
INCREMENTS = 500


def raise_own_counter(client: redis.Redis, name: str) -> None:
    """Add one to a field of the document by WATCH and MULTI, as a PolicyStore does."""
    while True:
        with cast("Any", client).pipeline() as pipe:
            pipe.watch(POLICY)
            there = json.loads(pipe.get(POLICY) or "{}")
            there[name] = there.get(name, 0) + 1
            pipe.multi()
            pipe.set(POLICY, json.dumps(there))
            try:
                pipe.execute()
            except redis.WatchError:
                continue
            return


def test_writers_of_a_string_lose_nothing_and_neither_do_we(host: Host, server: Server) -> None:
    rounds_are_over = threading.Event()
    written = [0] * WRITERS

    def write(number: int) -> None:
        client = redis.Redis(port=server.port)
        while not rounds_are_over.is_set():
            raise_own_counter(client, f"w{number}")
            written[number] += 1
        client.close()

    writers = [threading.Thread(target=write, args=(number,)) for number in range(WRITERS)]
    for one in writers:
        one.start()
    try:
        for _ in range(ROUNDS):
            host.trip()
            assert document(server.client)["emergency_stop"]["active"] is True
            host.release()
            assert document(server.client)["emergency_stop"]["active"] is False
    finally:
        rounds_are_over.set()
        for one in writers:
            one.join(timeout=30)
    found = document(server.client)
    del found["emergency_stop"]
    assert found == {f"w{number}": count for number, count in enumerate(written)}
    assert sum(written) > 0


def test_writers_of_a_hash_lose_nothing(host: Host, server: Server) -> None:
    server.client.hset(POLICY, "w", "0")

    def count() -> None:
        client = redis.Redis(port=server.port)
        for _ in range(INCREMENTS):
            client.hincrby(POLICY, "w")
        client.close()

    writers = [threading.Thread(target=count) for _ in range(WRITERS)]
    for one in writers:
        one.start()
    while any(one.is_alive() for one in writers):
        host.trip()
        host.release()
    assert server.client.hget(POLICY, "w") == str(WRITERS * INCREMENTS).encode()


def test_writers_who_never_rest(
    host: Host, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody writes between each of our looks and our writing: that is said, and ends."""
    monkeypatch.setattr(steps, "CONTENTION", 0.3)
    exchange = Adapter.exchange

    def late(self: Adapter, key: str, *words: Any) -> bool:
        raise_own_counter(server.client, "w")
        return exchange(self, key, *words)

    monkeypatch.setattr(Adapter, "exchange", late)
    with pytest.raises(DeliveryError, match="quantum:policy: others kept writing it"):
        host.trip()
    assert server.client.exists(MARKER)
    assert types(server.client) == ["emergency.stop"]
    monkeypatch.setattr(Adapter, "exchange", exchange)
    assert host.mirror.keep(TRIPPED) == "quantum:policy says active"
    assert document(server.client)["w"] > 1


def test_a_latch_that_falls_while_its_release_is_mirrored(
    host: Host, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look at the latch and the removal, the next stop is mirrored: it stays."""
    follower = TRIPPED._replace(id="next", count=8)
    remove = Adapter.remove

    def trip_first(self: Adapter, key: str, seen: bytes) -> bool:
        monkeypatch.setattr(Adapter, "remove", remove)
        host.trip(follower)
        return remove(self, key, seen)

    host.trip()
    host.unlatch()
    monkeypatch.setattr(Adapter, "remove", trip_first)
    host.mirror.tell(RELEASED, 0)
    marker: Any = server.client.get(MARKER)
    assert b"id=next" in marker
    assert document(server.client)["emergency_stop"]["activation_id"] == "next"
    assert document(server.client)["emergency_stop"]["active"] is True
