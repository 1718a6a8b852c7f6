"""Three Sentinels, a master and two replicas; the master dies without a word."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from ess.aftermath.channel import DeliveryError
from tests.mirror.host import MARKER, TRIPPED, Host, document, types
from tests.mirror.server import Server, free_port

if TYPE_CHECKING:
    from collections.abc import Callable

    from ess.paths import Paths

SECRET = "s3cr3t-pass"
SENTINELS = 3


class Cluster:
    """All of it; `url` names every Sentinel."""

    def __init__(self, serve: Callable[..., Server]) -> None:
        secret = ("--requirepass", SECRET, "--masterauth", SECRET)
        # A slow host must not look like a dead one, nor a replica wait 5 s for its first copy.
        soon = ("--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1")
        self.master = serve(*secret, *soon, password=SECRET)
        of = ("--replicaof", f"127.0.0.1 {self.master.port}")
        self.replicas = [serve(*secret, *soon, *of, password=SECRET) for _ in range(2)]
        self.sentinels = [self._sentinel(serve) for _ in range(SENTINELS)]
        hosts = ",".join(f"127.0.0.1:{one.port}" for one in self.sentinels)
        self.url = f"redis+sentinel://:{SECRET}@{hosts}/prime/0"
        wait_until(self._is_ready)

    def _sentinel(self, serve: Callable[..., Server]) -> Server:
        port = free_port()
        return serve(
            *("--port", str(port), "--sentinel", "monitor", "prime", "127.0.0.1"),
            *(str(self.master.port), "2"),
            *("--sentinel", "auth-pass", "prime", SECRET),
            *("--sentinel", "down-after-milliseconds", "prime", "500"),
            *("--sentinel", "failover-timeout", "prime", "5000"),
            port=port,
            role="sentinel",
        )

    def _is_ready(self) -> bool:
        for one in self.sentinels:
            state: Any = one.client.sentinel_master("prime")
            if (state["num-slaves"], state["num-other-sentinels"]) != (2, SENTINELS - 1):
                return False
        return all(info(one)["master_link_status"] == "up" for one in self.replicas)

    def new_master(self) -> Server | None:
        return next((one for one in self.replicas if info(one)["role"] == "master"), None)


def info(server: Server) -> dict[str, Any]:
    found: Any = server.client.info("replication")
    return dict(found)


def wait_until(done: Callable[[], object], seconds: float = 40) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def until_told(tell: Callable[[], str]) -> tuple[str, list[str]]:
    """Tell it again and again, as the delivery does; return the answer and what was said before."""
    said: list[str] = []
    deadline = time.monotonic() + 40
    while time.monotonic() < deadline:
        try:
            return tell(), said
        except DeliveryError as error:
            said.append(str(error))
            time.sleep(0.2)
    raise AssertionError(said[-1])


@pytest.fixture
def cluster(serve: Callable[..., Server]) -> Cluster:
    return Cluster(serve)


def test_a_failover(cluster: Cluster, paths: Paths) -> None:
    host = Host(paths, cluster.url)
    host.trip()
    assert cluster.master.client.exists(MARKER)
    for one in cluster.replicas:
        wait_until(lambda one=one: types(one.client))  # type: ignore[misc]
    cluster.master.kill()
    answer, said = until_told(lambda: host.mirror.keep(TRIPPED) or "nothing was missing")
    assert answer == "nothing was missing"
    assert said, "there was a time without a master"
    assert not [text for text in said if SECRET in text or not text.isprintable()]
    promoted = cluster.new_master()
    assert promoted
    assert promoted.client.exists(MARKER)
    assert document(promoted.client)["emergency_stop"]["active"] is True
    host.release()
    assert types(promoted.client) == ["emergency.stop", "emergency.reset"]
    assert not promoted.client.exists(MARKER)


def test_a_trip_during_the_failover(cluster: Cluster, paths: Paths) -> None:
    """One Sentinel is gone, too."""
    host = Host(paths, cluster.url)
    cluster.master.kill()
    cluster.sentinels[0].kill()
    until_told(host.trip)
    promoted = cluster.new_master()
    assert promoted
    assert types(promoted.client) == ["emergency.stop"]
    until_told(host.release)
    assert types(promoted.client) == ["emergency.stop", "emergency.reset"]


def test_a_sentinel_that_has_not_noticed(cluster: Cluster, paths: Paths) -> None:
    """The first one asked still names the old master, which has become a replica."""
    liar = cluster.replicas[0]
    host, port = "127.0.0.1", str(liar.port)
    first = cluster.sentinels[0].client
    first.sentinel_remove("prime")
    first.sentinel_monitor("prime", host, int(port), 3)
    getattr(first, "execute_command")("SENTINEL", "SET", "prime", "auth-pass", SECRET)  # noqa: B009
    Host(paths, cluster.url).trip()
    assert types(cluster.master.client) == ["emergency.stop"]


def test_nobody_knows_the_service(cluster: Cluster, paths: Paths) -> None:
    with pytest.raises(DeliveryError) as caught:
        Host(paths, cluster.url.replace("/prime/", "/other/")).trip()
    assert str(caught.value).count("knows no service other") == SENTINELS
    assert SECRET not in str(caught.value)


def test_all_sentinels_are_gone(paths: Paths) -> None:
    hosts = ",".join(f"127.0.0.1:{free_port()}" for _ in range(SENTINELS))
    with pytest.raises(DeliveryError, match="no master of prime") as caught:
        Host(paths, f"redis+sentinel://:{SECRET}@{hosts}/prime").trip()
    assert str(caught.value).count("Connection refused") == SENTINELS
