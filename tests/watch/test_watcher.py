"""The watcher as a process, figures from a real redis-server, and what it asks for."""

from __future__ import annotations

import json
import os
import re
import signal
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ess.watch import figures, places, would_trip
from tests.watch.daemon import Daemon, Host
from tests.watch.ear import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.mirror.server import Server


@pytest.fixture
def host(tmp_path: Path, server: Server) -> Host:
    """One whose watcher reads the server's figures."""
    found = Host(tmp_path / "root")
    found.configure(WATCH_REDIS_URL=server.url)
    return found


@pytest.fixture
def start(host: Host, tmp_path: Path) -> Iterator[Callable[..., Daemon]]:
    """Start watchers that are ready; all are gone after the test."""
    daemons: list[Daemon] = []

    def begin(before: str = "") -> Daemon:
        daemons.append(Daemon(host, tmp_path, before))
        daemons[-1].await_round()
        return daemons[-1]

    yield begin
    for one in daemons:
        one.close()


def say(server: Server, name: str, *values: object) -> None:
    for value in values:
        fields: dict[Any, Any] = {"name": name, "value": str(value)}
        server.client.xadd(figures.STREAM, fields)
        # Figures of one ms would be dated alike.
        time.sleep(0.002)


def test_it_is_ready_and_lives(start: Callable[..., Daemon]) -> None:
    daemon = start()
    assert daemon.told[0].startswith("READY=1\nSTATUS=")
    assert "evaluators" in daemon.status
    for _ in range(2):
        daemon.await_round()


def test_a_broken_limit_is_asked_for_once_and_at_once(
    start: Callable[..., Daemon], host: Host, server: Server
) -> None:
    daemon = start()
    say(server, "equity", 1000, 1000, 991)
    daemon.await_round()
    assert host.asked() == []
    begun = time.monotonic()
    say(server, "equity", 969)
    until(host.asked)
    took = time.monotonic() - begun
    daemon.await_round()
    (request,) = host.asked()
    reason, source, _, detail = request.splitlines()
    assert reason.startswith("reason=flash-crash: equity fell by 3.1")
    assert reason.endswith("beyond the limit of 3 %")
    assert source == "source=watcher"
    assert re.fullmatch(
        r"detail=flash-crash: value 3\.1, limit 3;"
        r" equity: 969, heard 0\.\d s ago, dated 0\.\d s ago",
        detail,
    )
    assert took < 1
    assert "BROKEN: flash-crash" in daemon.status
    assert oct(next(host.requests.iterdir()).stat().st_mode & 0o777) == "0o600"


def test_from_redis_to_the_request_takes_no_round(
    start: Callable[..., Daemon], host: Host, server: Server
) -> None:
    """From XADD to the file, each time a new request."""
    start()
    took = []
    for number in range(20):
        fields: dict[Any, Any] = {"name": "manual", "value": f"number {number}"}
        begun = time.monotonic()
        server.client.xadd(figures.STREAM, fields)
        until(lambda number=number: len(list(host.requests.iterdir())) > number)  # type: ignore[misc]
        took.append(time.monotonic() - begun)
        time.sleep(0.02)
    assert statistics.median(took) < 0.1, took


def test_while_latched_and_after_the_release_it_asks_for_nothing_twice(
    start: Callable[..., Daemon], host: Host, server: Server
) -> None:
    daemon = start()
    server.client.set(figures.STOP, "drunk bot")
    until(host.asked)
    host.latch()
    daemon.await_round()
    host.release()
    for _ in range(2):
        daemon.await_round()
    assert len(host.asked()) == 1
    server.client.delete(figures.STOP)
    daemon.await_round()
    server.client.set(figures.STOP, "drunk bot")
    until(lambda: len(host.asked()) == 2)


def test_a_kill_in_the_middle_of_a_loss_does_not_forget_it(
    start: Callable[..., Daemon], host: Host, server: Server
) -> None:
    daemon = start()
    say(server, "equity", 1000, 1000, 999)
    for _ in range(3):
        daemon.await_round()
    daemon.kill()
    # Written while nobody reads.
    say(server, "equity", 960)
    start()
    until(host.asked)
    assert "(1000 to 960)" in host.asked()[0]


def test_events_of_before_a_kill_count_once(
    start: Callable[..., Daemon], host: Host, server: Server
) -> None:
    daemon = start()
    say(server, "stop_loss", "A", "B")
    for _ in range(3):
        daemon.await_round()
    daemon.kill()
    say(server, "stop_loss", "C")
    again = start()
    again.await_round()
    assert host.asked() == []
    say(server, "stop_loss", "D")
    until(host.asked)
    assert "4 stop-loss hits within 15 min" in host.asked()[0]


BROKEN_DETAIL = """
from ess.watch import detail
def line(*_):
    raise ValueError("a bug")
detail.line = line
"""


def test_no_stop_fails_for_what_is_to_be_recorded_of_it(
    start: Callable[..., Daemon], host: Host, server: Server
) -> None:
    start(BROKEN_DETAIL)
    say(server, "manual", "now")
    until(host.asked)
    assert host.asked()[0].endswith("detail=not known: ValueError\n")


def test_a_dry_run_asks_for_nothing(
    start: Callable[..., Daemon], host: Host, server: Server
) -> None:
    host.configure(WATCH_REDIS_URL=server.url, DRY_RUN="true")
    daemon = start()
    say(server, "manual", "now")
    until(lambda: "BROKEN" in daemon.status)
    assert "DRY RUN" in daemon.status
    daemon.await_round()
    assert host.asked() == []
    told = Path(places.state(host.paths), would_trip.NAME)
    (entry,) = json.loads(told.read_text())["entries"]
    assert (entry["evaluator"], entry["reason"]) == ("manual", "manual request: now")
    daemon.kill()
    host.configure(WATCH_REDIS_URL=server.url)
    start()
    assert json.loads(told.read_text())["entries"] == []


def test_switched_off_it_says_so_and_ends_well(host: Host, tmp_path: Path) -> None:
    host.configure(ENABLED="false")
    daemon = Daemon(host, tmp_path)
    try:
        assert daemon.end() == ""
        assert daemon.process.returncode == 0
        until(lambda: len(daemon.told) == 3)
        assert "QT_ESS_ENABLED" in daemon.told[0]
        assert daemon.told[0].startswith("READY=1\n")
        assert daemon.told[1:] == ["STOPPING=1", "BARRIER=1"]
    finally:
        daemon.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_at_once(start: Callable[..., Daemon], number: signal.Signals) -> None:
    daemon = start("import signal; signal.signal(signal.SIGINT, signal.SIG_DFL)")
    daemon.process.send_signal(number)
    daemon.end()
    assert daemon.process.returncode == -number


def test_one_that_cannot_ask_for_a_stop_ends(
    start: Callable[..., Daemon], host: Host, server: Server
) -> None:
    daemon = start()
    host.requests.rmdir()
    say(server, "manual", "now")
    said = daemon.end()
    assert "the stop could not be asked for" in said
    assert daemon.process.returncode == 4


def test_settings_that_cannot_be_read_are_no_settings(host: Host, tmp_path: Path) -> None:
    Path(host.paths.watch_config).unlink()
    os.mkfifo(host.paths.watch_config)
    daemon = Daemon(host, tmp_path)
    try:
        assert "not a regular file" in daemon.end()
        assert daemon.process.returncode == 2
        assert daemon.told == []
    finally:
        daemon.close()


def test_an_evaluator_in_an_endless_loop_is_not_called_alive(
    start: Callable[..., Daemon], server: Server
) -> None:
    daemon = start(
        "from ess.watch.health import Health\n"
        "def loop(self, sample, now):\n    while True: pass\n"
        "Health.hear = loop\n"
    )
    seen = daemon.pings
    say(server, "health", "OK")
    time.sleep(1.5)
    assert daemon.pings <= seen + 1
    daemon.process.send_signal(signal.SIGTERM)
    daemon.end()
    assert daemon.process.returncode == -signal.SIGTERM


def test_redis_away_is_shown_and_missed_when_its_figures_are_due(
    start: Callable[..., Daemon], host: Host, server: Server
) -> None:
    host.configure(WATCH_REDIS_URL=server.url, MAX_DATA_STALENESS="0.1")
    daemon = start()
    say(server, "feed:a", 1, 2)
    daemon.await_round()
    server.kill()
    until(lambda: "redis: " in daemon.status)
    until(host.asked)
    assert "feeds: no news of feed a for" in host.asked()[0]


def test_it_tells_others_how_it_stands(
    start: Callable[..., Daemon], host: Host, server: Server
) -> None:
    daemon = start()
    say(server, "feed:a", 1)
    daemon.await_round()
    found = json.loads(Path(places.state(host.paths), "standing.json").read_text())
    assert {"feeds", "redis", "daily-loss"} <= {one["evaluator"] for one in found["verdicts"]}
    assert list(found["feeds"]) == ["a"]


def test_a_disk_that_takes_nothing_does_not_end_the_watch(
    start: Callable[..., Daemon], host: Host, server: Server
) -> None:
    daemon = start()
    state = Path(places.state(host.paths))
    for file in state.iterdir():
        file.unlink()
    state.rmdir()
    daemon.await_round()
    say(server, "manual", "now")
    until(host.asked)
