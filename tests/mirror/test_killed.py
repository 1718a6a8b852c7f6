"""Killed, or cut off, at any command and then called again: every event exactly once, in order."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from ess.aftermath.channel import DeliveryError
from tests.checks.tracked import CHECKOUT
from tests.mirror.host import MARKER, TRIPPED, Host, Listener, document, entries, types
from tests.mirror.proxy import Proxy, When
from tests.thorough import in_turn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ess.paths import Paths
    from tests.mirror.server import Server

BOTH = ["emergency.stop", "emergency.reset"]
# More than any of the calls sends; that the last of them broke nothing off is asserted.
COMMANDS = 14


@pytest.fixture
def ear(server: Server) -> Iterator[Listener]:
    one = Listener(server.client)
    yield one
    one.close()


def is_stopped(server: Server) -> bool:
    return (
        bool(server.client.exists(MARKER)) and document(server.client)["emergency_stop"]["active"]
    )


def is_released(server: Server) -> bool:
    state = document(server.client)["emergency_stop"]
    return not server.client.exists(MARKER) and state["active"] is False


@pytest.mark.parametrize("when", When)
def test_cut_off_at_any_command(
    host: Host, server: Server, ear: Listener, paths: Paths, when: When
) -> None:
    """Also a second time, while it makes good for the first."""
    broke = []
    for at in range(1, COMMANDS + 1):
        server.client.flushall()
        for tell, holds in ((Host.trip, is_stopped), (Host.release, is_released)):
            for number in (at, max(1, at - 1)):
                with Proxy(server.port, number, when) as proxy:
                    with contextlib.suppress(DeliveryError):
                        tell(Host(paths, f"redis://127.0.0.1:{proxy.port}"))
                    broke.append(proxy.broke)
            tell(host)
            assert holds(server), (at, when)
        assert types(server.client) == BOTH, (at, when)
        assert [one["type"] for one in ear.heard(0.05)] == BOTH, (at, when)
    assert broke[0]
    assert not any(broke[-4::2]), "COMMANDS is too small to reach every command"


@pytest.mark.parametrize("when", When)
def test_a_missed_activation_cut_off_at_any_command(
    host: Host, server: Server, ear: Listener, paths: Paths, when: When
) -> None:
    for at in range(1, COMMANDS + 1):
        server.client.flushall()
        with Proxy(server.port, at, when) as proxy, contextlib.suppress(DeliveryError):
            Host(paths, f"redis://127.0.0.1:{proxy.port}").release()
        host.release()
        assert is_released(server)
        assert types(server.client) == BOTH, (at, when)
        assert [one["type"] for one in ear.heard(0.05)] == BOTH, (at, when)


def killed_at(server: Server, paths: Paths, what: str, at: int, when: When) -> bool:
    """Run a process that tells `what` and is killed at command `at`; false if it sends fewer."""
    children: list[subprocess.Popen[bytes]] = []

    def kill() -> None:
        children[0].kill()

    with Proxy(server.port, at, when, act=kill) as proxy:
        url = f"redis://127.0.0.1:{proxy.port}"
        child = subprocess.Popen(
            (sys.executable, "-m", "tests.mirror.child", paths.root, url, what),
            cwd=CHECKOUT,
            stdin=subprocess.DEVNULL,
        )
        children.append(child)
        assert child.wait(timeout=30) == (-9 if proxy.broke else 0)
        return proxy.broke


# What Redis knows before a command it knows after the one before that.
@pytest.mark.parametrize(("what", "when"), in_turn(["stop", "reset"], [When.AFTER, When.BEFORE]))
def test_killed_at_any_command(
    host: Host, server: Server, ear: Listener, what: str, when: When
) -> None:
    at, broke = 0, True
    while broke:
        at += 1
        server.client.flushall()
        host.latch()
        if what == "reset":
            host.trip()
            host.unlatch()
        broke = killed_at(server, host.paths, what, at, when)
        if what == "stop":
            host.trip()
            assert is_stopped(server), (at, when)
        host.release()
        assert is_released(server), (at, when)
        assert types(server.client) == BOTH, (at, when)
        assert [one["type"] for one in ear.heard(0.05)] == BOTH, (at, when)
    assert at > 6, "it was killed at every command, not at one or two"


def test_keep_after_a_redis_that_was_killed(host: Host, server: Server) -> None:
    host.trip()
    server.restart()
    host.mirror.keep(TRIPPED)
    assert is_stopped(server)
    assert [entry["activation_id"] for entry in entries(server.client)] == [TRIPPED.id]


def test_a_redis_with_persistence_hears_of_nothing_twice(
    serve: Callable[..., Server], paths: Paths
) -> None:
    server = serve("--appendonly", "yes", "--appendfsync", "always")
    host = Host(paths, server.url)
    host.trip()
    server.restart()
    assert host.mirror.keep(TRIPPED) == ""
    host.release()
    server.restart()
    host.release()
    assert types(server.client) == BOTH
