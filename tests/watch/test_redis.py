"""Figures through a real redis-server: what is written is heard, what is not there is not."""

from __future__ import annotations

import contextlib
import re
import time
from typing import TYPE_CHECKING, Any

import pytest
import redis

from ess.mirror.address import parse
from ess.watch import figures
from ess.watch.redis_keys import RedisKeys
from ess.watch.redis_source import RedisSource, since
from tests.watch.ear import Report, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.mirror.server import Server
    from tests.watch.ear import Ear

ALL = "0-0"


def sources(
    server: Server, begin: str = ALL, interval: float = 0.1
) -> tuple[RedisSource, RedisKeys]:
    address = parse(server.url)
    return RedisSource(address, begin, interval), RedisKeys(address, interval)


@pytest.fixture
def ear(server: Server, listen: Callable[..., Ear]) -> Ear:
    """One that hears everything, from the first entry on."""
    found = listen(*sources(server), of=server)
    found.poke = lambda: poke(server)
    found.await_answer()
    return found


def poke(server: Server) -> None:
    """End what waits for the next entry, where there still is a Redis."""
    with contextlib.suppress(redis.RedisError):
        add(server, "poke", 1)


def add(server: Server, name: str, value: object, **more: object) -> str:
    fields: dict[Any, Any] = {"name": name, "value": str(value), **more}
    identity: Any = server.client.xadd(figures.STREAM, fields)
    return str(identity.decode())


def test_an_entry_is_heard_at_once(server: Server, listen: Callable[..., Ear]) -> None:
    stream, _ = sources(server, interval=10)
    ear = listen(stream)
    ear.poke = lambda: poke(server)
    ear.await_answer()
    took = []
    for number in range(20):
        time.sleep(0.02)
        begun = time.monotonic()
        add(server, "equity", number, at="1763713331.5")
        until(lambda number=number: len(ear.samples) > number)  # type: ignore[misc]
        took.append(time.monotonic() - begun)
    assert sorted(took)[len(took) // 2] < 0.1
    assert ear.samples[0].at == 1763713331.5
    assert ear.values("equity") == [float(number) for number in range(20)]


def test_an_entry_without_a_time_has_that_of_its_id(server: Server, ear: Ear) -> None:
    identity = add(server, "feed:binance:BTCUSDT", "97000.5")
    ear.await_values("feed:binance:BTCUSDT", 97000.5)
    assert ear.samples[0].at == pytest.approx(int(identity.split("-")[0]) / 1000)
    assert abs(time.clock_gettime(time.CLOCK_BOOTTIME) - ear.samples[0].heard) < 5


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("equity", "nan", None),
        ("equity", "inf", None),
        ("equity", "1_000", None),
        ("equity", "", None),
        ("equity", "12 USD", None),
        ("equity", "1e400", None),
        ("equity", "-3.5e2", -350.0),
        ("daily_pnl_pct", "-9.99", -9.99),
        ("health", "OK", "OK"),
        ("health", "", None),
        ("feed:x", "-", None),
        ("stop_loss", "SOLUSDT", "SOLUSDT"),
        ("manual", "looks\x1b[2J wrong\n", "looks [2J wrong"),
        ("mine", "7", 7.0),
        ("mine", "seven", "seven"),
    ],
)
def test_nothing_is_made_up(
    server: Server, ear: Ear, name: str, text: str, value: float | str | None
) -> None:
    add(server, name, text)
    ear.await_values(name, value)
    server.client.hset(figures.LATEST, f"feed:{name}", f"{text} {time.time()}")
    until(lambda: ear.named(f"feed:{name}"))


def test_an_event_needs_no_value(server: Server, ear: Ear) -> None:
    server.client.xadd(figures.STREAM, {"name": "stop_loss"})
    server.client.xadd(figures.STREAM, {"name": "order_error"})
    ear.await_values("order_error", "1")
    assert ear.values("stop_loss") == ["1"]


def test_a_time_that_is_none_takes_the_figure_with_it(server: Server, ear: Ear) -> None:
    add(server, "equity", "5", at="yesterday")
    ear.await_values("equity", None)
    assert "yesterday" in ear.samples[0].raw


def test_garbage_is_passed_over_and_told(server: Server, ear: Ear) -> None:
    for fields in ({"x": "y"}, {"name": "a b"}, {"name": ""}, {b"\xff\xfe": b"\x00"}):
        server.client.xadd(figures.STREAM, fields)  # type: ignore[arg-type]
    ear.await_trouble("an entry that names no figure")
    add(server, "equity", 1)
    ear.await_values("equity", 1.0)
    ear.await_answer()


def test_what_is_only_set_is_polled_and_told_when_it_changes(server: Server, ear: Ear) -> None:
    now = f"{time.time():.3f}"
    server.client.hset(figures.LATEST, mapping={"equity": f"10 {now}", "feed:a": f"3 {now}"})
    server.client.set(f"{figures.LATEST}:health", f"all is well {now}")
    ear.await_values("health", "all is well")
    assert ear.named("feed:a")[0].at == float(now)
    for _ in range(3):
        ear.await_answer()
    assert len(ear.samples) == 3
    server.client.hset(figures.LATEST, "equity", f"10 {time.time() + 1:.3f}")
    ear.await_values("equity", 10.0, 10.0)


def test_what_says_no_time_is_heard_when_it_changes_and_then_ages(server: Server, ear: Ear) -> None:
    server.client.hset(figures.LATEST, "equity", "10")
    ear.await_values("equity", 10.0)
    for _ in range(3):
        ear.await_answer()
    assert ear.samples[0].at is None
    server.client.hset(figures.LATEST, "equity", "11")
    ear.await_values("equity", 10.0, 11.0)


@pytest.mark.parametrize("kind", ["text", "empty", "hash", "list"])
def test_whatever_lies_at_the_key_asks_for_a_stop(server: Server, ear: Ear, kind: str) -> None:
    put: dict[str, Callable[[], object]] = {
        "text": lambda: server.client.set(figures.STOP, "drunk bot"),
        "empty": lambda: server.client.set(figures.STOP, ""),
        "hash": lambda: server.client.hset(figures.STOP, "a", "b"),
        "list": lambda: server.client.lpush(figures.STOP, "a"),
    }
    put[kind]()
    until(lambda: ear.named("manual"))
    wanted = "drunk bot" if kind == "text" else "no reason given"
    assert ear.values("manual")[0] == wanted
    assert ear.trouble == ""
    # That there was none when it began was told, too.
    assert ear.withdrawn == 1
    server.client.delete(figures.STOP)
    until(lambda: ear.withdrawn == 2)
    seen = len(ear.samples)
    ear.await_answer()
    assert len(ear.samples) == seen


@pytest.mark.parametrize("key", [figures.STREAM, figures.LATEST, f"{figures.LATEST}:equity"])
def test_a_wrong_type_is_told_and_the_others_are_read(server: Server, ear: Ear, key: str) -> None:
    server.client.sadd(key, "a")
    ear.await_trouble(f"{key}: WRONGTYPE")
    server.client.set(f"{figures.LATEST}:health", "OK")
    ear.await_values("health", "OK")
    assert ear.values("equity") == []
    server.client.delete(key)
    ear.await_answer()
    add(server, "equity", 4)
    ear.await_values("equity", 4.0)


def test_a_restart_is_told_and_then_heard_again(server: Server, ear: Ear) -> None:
    add(server, "equity", 1)
    ear.await_values("equity", 1.0)
    server.kill()
    ear.await_trouble("refused")
    server.restart()
    ear.await_answer()
    add(server, "equity", 2)
    ear.await_values("equity", 1.0, 2.0)


def test_a_redis_that_hangs_is_told_within_its_patience(server: Server, ear: Ear) -> None:
    ear.await_answer()
    server.stop()
    begun = time.monotonic()
    ear.await_trouble("imeout")
    assert time.monotonic() - begun < 12
    assert ear.samples == []
    ear.poke = server.kill


def test_flushall_is_silence_and_what_comes_then_is_heard(server: Server, ear: Ear) -> None:
    add(server, "equity", 1)
    ear.await_values("equity", 1.0)
    server.client.flushall()
    ear.await_answer()
    assert ear.values("equity") == [1.0]
    add(server, "equity", 2)
    ear.await_values("equity", 1.0, 2.0)


def test_ids_that_are_before_those_read_are_another_stream(server: Server, ear: Ear) -> None:
    add(server, "equity", 1)
    ear.await_values("equity", 1.0)
    server.client.delete(figures.STREAM)
    server.client.xadd(figures.STREAM, {"name": "equity", "value": "2"}, id="5-1")
    until(lambda: ear.trouble == "" and ear.answers > 0)
    # The round that is on its way may have looked before.
    ear.await_answer()
    ear.await_answer()
    server.client.xadd(figures.STREAM, {"name": "equity", "value": "3"}, id="6-1")
    until(lambda: 3.0 in ear.values("equity"))


def test_a_trimmed_stream_is_read_on_from_where_it_begins(
    server: Server, listen: Callable[..., Ear]
) -> None:
    first = add(server, "equity", 0)
    for number in range(1, 3001):
        fields: Any = {"name": "equity", "value": number}
        server.client.xadd(figures.STREAM, fields, maxlen=2000, approximate=False)
    ear = listen(*sources(server, first), of=server)
    until(lambda: len(ear.samples) == 2000)
    assert ear.values("equity")[-1] == 3000.0
    assert ear.cursor > first


def test_what_is_trimmed_before_it_is_read_is_told(server: Server, ear: Ear) -> None:
    add(server, "equity", 1)
    ear.await_values("equity", 1.0)
    ear.await_answer()
    ear.await_answer()
    pipe = server.client.pipeline(transaction=True)
    for number in range(300):
        fields: Any = {"name": "equity", "value": number}
        pipe.xadd(figures.STREAM, fields, maxlen=100, approximate=False)
    pipe.execute()
    ear.await_trouble("entries were removed before they were read")
    ear.await_answer()
    # What was read may be trimmed.
    server.client.xtrim(figures.STREAM, maxlen=1, approximate=False)
    for _ in range(5):
        add(server, "equity", 2)
        ear.await_answer()


def test_it_begins_where_it_was_and_hears_nothing_twice(
    server: Server, listen: Callable[..., Ear]
) -> None:
    for number in range(3):
        last = add(server, "stop_loss", number)
    ear = listen(*sources(server), of=server)
    ear.await_values("stop_loss", "0", "1", "2")
    assert ear.cursor == last
    add(server, "stop_loss", 3)
    begin = ear.cursor if ear.cursor == last else last
    again = listen(*sources(server, begin), of=server)
    again.await_values("stop_loss", "3")


def test_without_a_memory_only_what_is_young_is_read(
    server: Server, listen: Callable[..., Ear]
) -> None:
    server.client.xadd(figures.STREAM, {"name": "stop_loss"}, id="1-1")
    add(server, "stop_loss", 7)
    listen(*sources(server, since(900)), of=server).await_values("stop_loss", "7")


def test_once_is_all_there_is(server: Server) -> None:
    for number in range(1500):
        server.client.xadd(figures.STREAM, {"name": "equity", "value": number})
    server.client.hset(figures.LATEST, "feed:a", "1")
    heard: list[str] = []
    for one in sources(server):
        one.once(lambda samples, _: heard.extend(sample.name for sample in samples), Report("x"))
    assert len(heard) == 1502
    assert heard.count("manual") == 1


def test_a_secret_is_in_no_word_of_trouble(serve: Callable[..., Server], listen: Any) -> None:
    server = serve("--requirepass", "s3cret-word", password="s3cret-word")
    url = f"redis://:wr0ng-word@127.0.0.1:{server.port}"
    ear = listen(RedisSource(parse(url), ALL, 0.1))
    until(lambda: ear.trouble)
    assert not re.search("wr0ng|s3cret", ear.trouble)
