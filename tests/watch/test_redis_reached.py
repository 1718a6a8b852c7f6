"""Figures through Sentinel, TLS and a unix socket, by the URL alone."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
import trustme

from ess import journal
from ess.mirror.address import parse
from ess.watch import figures
from ess.watch.redis_keys import RedisKeys
from ess.watch.redis_source import RedisSource
from tests.checks import runbook
from tests.mirror.server import Server, free_port
from tests.mirror.test_sentinel import Cluster
from tests.watch.ear import until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.watch.ear import Ear


def say(server: Server, value: float) -> None:
    fields: dict[Any, Any] = {"name": "equity", "value": str(value)}
    server.client.xadd(figures.STREAM, fields)


def sources(url: str) -> tuple[RedisSource, RedisKeys]:
    return RedisSource(parse(url), "0-0", 0.1), RedisKeys(parse(url), 0.1)


@pytest.mark.parametrize("lose", [Server.kill, Server.stop], ids=["dead", "hung"])
def test_a_failover_is_followed(
    serve: Callable[..., Server],
    listen: Callable[..., Ear],
    lose: Callable[[Server], None],
) -> None:
    cluster = Cluster(serve)
    ear = listen(*sources(cluster.url))
    say(cluster.master, 1)
    ear.await_values("equity", 1.0)
    # The lost one may not have passed on what it was told.
    cluster.master.client.wait(2, 5000)
    lose(cluster.master)
    until(lambda: cluster.new_master() is not None, seconds=40)
    new = cluster.new_master()
    assert new
    say(new, 2)
    until(lambda: ear.values("equity") == [1.0, 2.0], seconds=40)


def test_an_acl_user_with_no_more_than_the_runbook_says(
    serve: Callable[..., Server],
    listen: Callable[..., Ear],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said: list[str] = []
    monkeypatch.setattr(journal, "notice", said.append)
    server = serve("--notify-keyspace-events", "Kh$")
    [rule] = re.findall(r"`(user quantum-ess-watch on [^`]+)`", runbook.TEXT)
    _, name, *words = rule.replace(">PASSWORD", ">s3cret").split()
    getattr(server.client, "execute_command")("ACL", "SETUSER", name, *words)  # noqa: B009
    address = parse(f"redis://{name}:s3cret@127.0.0.1:{server.port}")
    ear = listen(RedisSource(address, "0-0", 0.2), RedisKeys(address, 0.2), of=server)
    say(server, 1)
    server.client.hset(figures.LATEST, "feed:a", "2")
    server.client.set(f"{figures.LATEST}:health", "OK")
    server.client.set(figures.STOP, "now")
    until(lambda: {one.name for one in ear.samples} == {"equity", "feed:a", "health", "manual"})
    until(lambda: server.client.client_list(_type="pubsub"))
    ear.await_answer()
    assert said == []


def test_a_unix_socket(
    serve: Callable[..., Server], listen: Callable[..., Ear], tmp_path: Path
) -> None:
    socket = tmp_path / "a b.sock"
    server = serve("--unixsocket", str(socket), "--port", "0", unix_socket_path=str(socket))
    say(server, 3)
    address = f"unix://{quote(str(socket))}"
    listen(*sources(address), of=server).await_values("equity", 3.0)


def test_tls_is_verified(
    serve: Callable[..., Server], listen: Callable[..., Ear], tmp_path: Path
) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    files = {name: str(tmp_path / name) for name in ("ca", "cert", "key")}
    authority.cert_pem.write_to_path(files["ca"])
    certificate.cert_chain_pems[0].write_to_path(files["cert"])
    certificate.private_key_pem.write_to_path(files["key"])
    port = free_port()
    server = serve(
        *("--tls-port", str(port), "--port", "0", "--tls-auth-clients", "no"),
        *("--tls-cert-file", files["cert"], "--tls-key-file", files["key"]),
        *("--tls-ca-cert-file", files["ca"]),
        port=port,
        ssl=True,
        ssl_ca_certs=files["ca"],
    )
    say(server, 4)
    url = f"rediss://127.0.0.1:{port}"
    trusting = sources(f"{url}?ssl_ca_certs={quote(files['ca'])}")
    listen(*trusting, of=server).await_values("equity", 4.0)
    listen(*sources(url)).await_trouble("certificate")
