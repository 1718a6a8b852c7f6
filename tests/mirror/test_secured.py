"""Unix socket, TLS, password, ACL user: by the URL alone, and the certificate always verified."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
import trustme

from ess.aftermath.channel import DeliveryError
from tests.checks import runbook
from tests.mirror.host import MARKER, TRIPPED, Host, types
from tests.mirror.server import Server, free_port

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ess.paths import Paths

PASSWORD = "p@ss/w:o#r?d%41 &=,é"
WRITTEN = quote(PASSWORD, safe="")
BOTH = ["emergency.stop", "emergency.reset"]


def works(host: Host, server: Server) -> bool:
    host.trip()
    marked = bool(server.client.exists(MARKER))
    host.release()
    return marked and not server.client.exists(MARKER) and types(server.client) == BOTH


def test_a_unix_socket(serve: Callable[..., Server], paths: Paths, tmp_path: Path) -> None:
    socket = tmp_path / "a b.sock"
    server = serve("--unixsocket", str(socket), "--port", "0", unix_socket_path=str(socket))
    assert works(Host(paths, f"unix://{quote(str(socket))}"), server)
    Host(paths, f"unix://{quote(str(socket))}?db=3").trip()
    assert server.client.info("keyspace").keys() == {"db0", "db3"}


def test_another_database(server: Server, paths: Paths) -> None:
    Host(paths, f"{server.url}/5").trip()
    assert server.client.dbsize() == 0
    assert list(server.client.info("keyspace")) == ["db5"]


def test_ipv6(server: Server, paths: Paths) -> None:
    assert works(Host(paths, f"redis://[::1]:{server.port}"), server)


def test_a_password(serve: Callable[..., Server], paths: Paths) -> None:
    server = serve("--requirepass", PASSWORD, password=PASSWORD)
    assert works(Host(paths, f"redis://:{WRITTEN}@127.0.0.1:{server.port}"), server)
    server.client.flushall()
    assert works(Host(paths, f"redis://127.0.0.1:{server.port}?password={WRITTEN}"), server)


def test_an_acl_user_with_no_more_than_the_runbook_says(server: Server, paths: Paths) -> None:
    """Everything the mirror does, to a missing document, a string and a hash."""
    [rule] = re.findall(r"`(user quantum-ess on [^`]+)`", runbook.TEXT)
    _, name, *words = rule.replace(">PASSWORD", f">{WRITTEN}").split()
    getattr(server.client, "execute_command")("ACL", "SETUSER", name, *words)  # noqa: B009
    host = Host(paths, f"redis://{name}:{quote(WRITTEN, safe='')}@127.0.0.1:{server.port}")
    for kind in ("none", "string", "hash"):
        server.client.flushall()
        if kind == "string":
            server.client.set("quantum:policy", "{}")
        if kind == "hash":
            server.client.hset("quantum:policy", "mode", "normal")
        host.trip()
        host.mirror.keep(TRIPPED)
        host.release()
        assert types(server.client) == BOTH
    with pytest.raises(DeliveryError, match="permission"):
        Host(paths, str(host.settings.text("QT_ESS_REDIS_URL")), POLICY_KEY="theirs").trip()


@dataclass(frozen=True)
class Files:
    """PEM files of a certificate authority, a server and a client."""

    ca: Path
    server: Path
    client: Path

    @classmethod
    def issue(cls, directory: Path, name: str) -> Files:
        authority = trustme.CA()
        files = cls(*(directory / f"{one}.pem" for one in ("ca", "server", "client")))
        authority.cert_pem.write_to_path(str(files.ca))
        authority.issue_cert(name).private_key_and_cert_chain_pem.write_to_path(str(files.server))
        mine = authority.issue_cert("client@quantum")
        mine.private_key_and_cert_chain_pem.write_to_path(str(files.client))
        return files

    def options(self, port: int, clients: str = "no") -> tuple[str, ...]:
        return (
            *("--port", "0", "--tls-port", str(port), "--tls-auth-clients", clients),
            *("--tls-cert-file", str(self.server), "--tls-key-file", str(self.server)),
            *("--tls-ca-cert-file", str(self.ca)),
        )

    @property
    def way_in(self) -> dict[str, object]:
        client = str(self.client)
        return {
            "ssl": True,
            "ssl_ca_certs": str(self.ca),
            "ssl_certfile": client,
            "ssl_keyfile": client,
        }


def secured(
    serve: Callable[..., Server], files: Files, clients: str = "no", **way_in: object
) -> Server:
    port = free_port()
    return serve(*files.options(port, clients), port=port, **files.way_in | way_in)


def test_tls(serve: Callable[..., Server], paths: Paths, tmp_path: Path) -> None:
    files = Files.issue(tmp_path, "127.0.0.1")
    server = secured(serve, files)
    url = f"rediss://127.0.0.1:{server.port}"
    assert works(Host(paths, f"{url}?ssl_ca_certs={quote(str(files.ca))}"), server)
    with pytest.raises(DeliveryError, match="certificate verify failed"):
        Host(paths, url).trip()


def test_tls_with_a_certificate_of_ours(
    serve: Callable[..., Server], paths: Paths, tmp_path: Path
) -> None:
    files = Files.issue(tmp_path, "127.0.0.1")
    server = secured(serve, files, clients="yes")
    url = f"rediss://127.0.0.1:{server.port}?ssl_ca_certs={files.ca}"
    assert works(
        Host(paths, f"{url}&ssl_certfile={files.client}&ssl_keyfile={files.client}"), server
    )
    with pytest.raises(DeliveryError):
        Host(paths, url).trip()


def test_a_certificate_of_somebody_else(
    serve: Callable[..., Server], paths: Paths, tmp_path: Path
) -> None:
    files = Files.issue(tmp_path, "redis.local")
    server = secured(serve, files, ssl_check_hostname=False)
    with pytest.raises(DeliveryError, match=r"(?i)mismatch|not valid for"):
        Host(paths, f"rediss://127.0.0.1:{server.port}?ssl_ca_certs={files.ca}").trip()
    assert server.client.dbsize() == 0


def test_tls_and_no_tls_do_not_meet(
    serve: Callable[..., Server], server: Server, paths: Paths, tmp_path: Path
) -> None:
    encrypted = secured(serve, Files.issue(tmp_path, "127.0.0.1"))
    for url in (f"rediss://127.0.0.1:{server.port}", f"redis://127.0.0.1:{encrypted.port}"):
        with pytest.raises(DeliveryError):
            Host(paths, url).trip()


def test_certificate_files_that_are_none(paths: Paths, tmp_path: Path, server: Server) -> None:
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("no certificate")
    for file in (wrong, tmp_path / "missing.pem"):
        with pytest.raises(DeliveryError):
            Host(paths, f"rediss://127.0.0.1:{server.port}?ssl_ca_certs={file}").trip()
