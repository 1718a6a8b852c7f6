"""Figures that are set in a real Redis: heard at once where it tells of them, and polled."""

from __future__ import annotations

import contextlib
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

from ess import journal
from ess.mirror.address import parse
from ess.watch import figures
from ess.watch.redis_keys import RedisKeys
from tests.mirror.test_sentinel import Cluster
from tests.watch.ear import until
from tests.watch.relay import Muted, Relay

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.mirror.server import Server
    from tests.watch.ear import Ear

# Longer than a test waits for news, and one in which nothing of what is tested here is polled.
NEVER = 60.0
EVENTS = "Kh$"
ALONE = f"{figures.LATEST}:equity"


def keys(server: Server, interval: float = NEVER, db: int = 0) -> RedisKeys:
    return RedisKeys(parse(f"{server.url}/{db}"), interval)


@pytest.fixture
def telling(serve: Callable[..., Server]) -> Server:
    """A server that tells of what is set."""
    return serve("--notify-keyspace-events", EVENTS)


def subscribers(server: Server) -> int:
    found: Any = server.client.client_list(_type="pubsub")
    return len(found)


def hearing(listen: Callable[..., Ear], server: Server, interval: float = NEVER) -> Ear:
    """One that has read all there is and is told of what is set."""
    ear = listen(keys(server, interval), of=server)
    ear.poke = lambda: put(server, -1)
    until(lambda: ear.withdrawn and subscribers(server))
    # Told at first that all may have changed.
    time.sleep(0.2)
    return ear


def put(server: Server, value: float) -> None:
    server.client.hset(figures.LATEST, "equity", f"{value} {time.time():.6f}")


def set_alone(server: Server, value: float) -> None:
    server.client.set(ALONE, f"{value} {time.time():.6f}")


@pytest.mark.parametrize("write", [put, set_alone])
def test_what_is_set_is_heard_at_once(
    telling: Server, listen: Callable[..., Ear], write: Callable[[Server, float], None]
) -> None:
    ear = hearing(listen, telling)
    took = []
    for number in range(20):
        begun = time.monotonic()
        write(telling, number)
        until(lambda number=number: len(ear.samples) > number)  # type: ignore[misc]
        took.append(time.monotonic() - begun)
        time.sleep(0.02)
    assert ear.values("equity") == [float(number) for number in range(20)]
    assert sorted(took)[len(took) // 2] < 0.1, took


def test_a_request_for_a_stop_is_heard_at_once(telling: Server, listen: Callable[..., Ear]) -> None:
    ear = hearing(listen, telling)
    telling.client.set(figures.STOP, "drunk bot")
    until(lambda: ear.values("manual") == ["drunk bot"], seconds=5)


def test_the_last_of_many_is_heard(telling: Server, listen: Callable[..., Ear]) -> None:
    ear = hearing(listen, telling)
    for number in range(2000):
        put(telling, number)
    until(lambda: ear.values("equity")[-1:] == [1999.0], seconds=5)


def test_another_database_has_news_of_its_own(telling: Server, listen: Callable[..., Ear]) -> None:
    ear = listen(keys(telling, db=3), of=telling)
    ear.poke = lambda: put(telling, -1)
    until(lambda: subscribers(telling))
    time.sleep(0.2)
    telling.client.hset(figures.LATEST, "equity", "1")
    telling.client.select(3)
    telling.client.hset(figures.LATEST, "equity", "2")
    ear.await_values("equity", 2.0)


def test_without_news_it_is_polled(server: Server, listen: Callable[..., Ear]) -> None:
    ear = hearing(listen, server, 0.3)
    for number in range(3):
        put(server, number)
        until(lambda number=number: len(ear.samples) > number, seconds=5)  # type: ignore[misc]


def test_a_hash_and_a_key_of_one_name_are_each_heard_when_they_change(
    server: Server, listen: Callable[..., Ear]
) -> None:
    server.client.hset(figures.LATEST, "equity", "1")
    server.client.set(ALONE, "2")
    ear = listen(keys(server, 0.1), of=server)
    until(lambda: sorted(ear.values("equity"), key=str) == [1.0, 2.0])
    for _ in range(3):
        ear.await_answer()
    assert len(ear.samples) == 2


def test_news_that_are_cut_off_are_heard_again_and_nothing_is_missed(
    telling: Server, listen: Callable[..., Ear]
) -> None:
    ear = hearing(listen, telling)
    for number in range(5):
        telling.client.client_kill_filter(_type="pubsub")
        # Nobody is told of this one.
        put(telling, number)
        until(lambda number=number: len(ear.samples) > number, seconds=10)  # type: ignore[misc]
        until(lambda: subscribers(telling))
    assert ear.trouble == ""


@pytest.mark.parametrize("muted", Muted)
def test_news_that_hang_are_never_worse_than_none(
    telling: Server, listen: Callable[..., Ear], muted: Muted
) -> None:
    with Relay(telling.port, muted) as relay:
        ear = listen(RedisKeys(parse(f"redis://127.0.0.1:{relay.port}"), 0.3))
        until(lambda: relay.subscribed)
        time.sleep(1)
        for number in range(5):
            begun = time.monotonic()
            put(telling, number)
            until(lambda number=number: len(ear.samples) > number)  # type: ignore[misc]
            assert time.monotonic() - begun < 2
        assert ear.trouble == ""
        # And it does not stay with it for ever.
        until(lambda: relay.subscribed > 1)
        ear.close()


def test_who_may_not_subscribe_polls_and_says_so_once(
    telling: Server, listen: Callable[..., Ear], monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(journal, "notice", said.append)
    telling.client.acl_setuser(
        "reader", enabled=True, passwords=["+s3cret"], keys=["*"], commands=["+@all"]
    )
    telling.client.acl_setuser("reader", enabled=True, reset_channels=True)
    ear = listen(
        RedisKeys(parse(f"redis://reader:s3cret@127.0.0.1:{telling.port}"), 0.2), of=telling
    )
    until(lambda: said)
    put(telling, 1)
    ear.await_values("equity", 1.0)
    assert ear.trouble == ""
    assert len(said) == 1
    assert "they are polled" in said[0]
    assert "s3cret" not in said[0]


def test_a_restart_is_followed_by_news_again(telling: Server, listen: Callable[..., Ear]) -> None:
    ear = hearing(listen, telling)
    telling.restart()
    until(lambda: subscribers(telling))
    time.sleep(1)
    put(telling, 1)
    ear.await_values("equity", 1.0)
    put(telling, 2)
    until(lambda: ear.values("equity") == [1.0, 2.0], seconds=5)


def test_after_a_failover_the_new_master_tells(
    serve: Callable[..., Server], listen: Callable[..., Ear]
) -> None:
    cluster = Cluster(serve)
    for one in (cluster.master, *cluster.replicas):
        one.client.config_set("notify-keyspace-events", EVENTS)
    ear = listen(RedisKeys(parse(cluster.url), NEVER))
    until(lambda: ear.withdrawn)
    cluster.master.kill()
    until(lambda: cluster.new_master() is not None, seconds=40)
    new = cluster.new_master()
    assert new
    ear.poke = lambda: put(new, -1)
    begun = time.monotonic()
    while True:
        seen, wrote = len(ear.samples), time.monotonic()
        put(new, wrote)
        with contextlib.suppress(AssertionError):
            until(lambda seen=seen: len(ear.samples) > seen, seconds=0.5)  # type: ignore[misc]
            break
        assert time.monotonic() - begun < 40
    assert ear.trouble == ""


@pytest.fixture
def flooded(telling: Server) -> Iterator[Server]:
    """One to whose hash somebody writes without pause."""
    words = ("HSET", figures.LATEST, "feed:__rand_int__", "1")
    count = ("-n", "100000000", "-r", "1000", "-P", "16", "-c", "1", "-q")
    flood = subprocess.Popen(
        (
            *("setpriv", "--pdeathsig", "KILL", "redis-benchmark", "-p", str(telling.port)),
            *(*count, *words),
        ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    try:
        until(lambda: telling.client.hlen(figures.LATEST) == 1000)
        yield telling
    finally:
        flood.kill()
        flood.wait(10)


def test_a_flood_of_news_takes_a_bounded_share_and_hides_no_other_key(
    flooded: Server, listen: Callable[..., Ear]
) -> None:
    ear = listen(keys(flooded, 0.5), of=flooded)
    until(lambda: ear.answers > 1)
    spent, begun = time.process_time(), time.monotonic()
    for number in range(3):
        set_alone(flooded, number)
        until(lambda number=number: len(ear.named("equity")) > number)  # type: ignore[misc]
        time.sleep(0.5)
    share = (time.process_time() - spent) / (time.monotonic() - begun)
    assert share < 0.7
    assert ear.trouble == ""
