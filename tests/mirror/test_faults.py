"""Redis down, hanging, refusing, full, misused: an error in one line, soon, and nothing lost."""

from __future__ import annotations

import socket
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

import ess.mirror
from ess.aftermath.channel import DeliveryError
from ess.mirror import server as adapter
from tests.mirror.host import (
    MARKER,
    POLICY,
    STREAM,
    TRIPPED,
    Host,
    Listener,
    document,
    types,
)
from tests.mirror.server import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ess.paths import Paths
    from tests.mirror.server import Server

SECRET = "s3cr3t-pass"
BOTH = ["emergency.stop", "emergency.reset"]


def refusal(act: Callable[[], object]) -> str:
    """Return what the delivery is told: one line without the password."""
    with pytest.raises(DeliveryError) as caught:
        act()
    text = str(caught.value)
    assert text.isprintable()
    assert SECRET not in text
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    return text


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> float:
    monkeypatch.setattr(adapter, "PATIENCE", 0.3)
    return 0.3


def test_down(paths: Paths) -> None:
    host = Host(paths, f"redis://:{SECRET}@127.0.0.1:{free_port()}")
    assert "Connection refused" in refusal(host.trip)


def test_no_such_host(paths: Paths) -> None:
    assert refusal(Host(paths, f"redis://:{SECRET}@no-such-host.invalid").trip)
    assert refusal(Host(paths, f"redis://:{SECRET}@{'a' * 64}").trip)


def test_no_such_socket(paths: Paths) -> None:
    assert "No such file" in refusal(Host(paths, f"unix://:{SECRET}@/nonexistent/sock").trip)
    assert refusal(Host(paths, f"unix://:{SECRET}@/{'a' * 200}").trip)


def test_a_wrong_url(paths: Paths) -> None:
    for act in (Host(paths, f"redis://:{SECRET}@").trip, Host(paths, SECRET).release):
        assert refusal(act).startswith("QT_ESS_REDIS_URL: ")


def test_the_time_a_silent_server_costs(server: Server, host: Host) -> None:
    """Stopped, the kernel still takes the connection for it."""
    server.stop()
    began = time.monotonic()
    assert "Timeout" in refusal(host.trip)
    assert 4.5 < time.monotonic() - began < 7, "one timeout of 5 s, and nothing tried again"


@contextmanager
def listener(answer: bytes = b"") -> Iterator[int]:
    """Accept every connection and give everybody the same answer again and again, or none."""
    held: list[socket.socket] = []

    def speak(one: socket.socket) -> None:
        try:
            while answer and one.recv(65536):
                one.sendall(answer)
        except OSError:
            return

    def accept() -> None:
        try:
            while True:
                held.append(bottom.accept()[0])
                threading.Thread(target=speak, args=(held[-1],), daemon=True).start()
        except OSError:
            return

    with socket.create_server(("127.0.0.1", 0)) as bottom:
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield bottom.getsockname()[1]
        bottom.shutdown(socket.SHUT_RDWR)
        thread.join(timeout=10)
        for one in held:
            one.close()


@pytest.mark.parametrize("scheme", ["redis", "rediss"])
def test_accepts_and_never_answers(paths: Paths, impatient: float, scheme: str) -> None:
    with listener() as port:
        began = time.monotonic()
        assert (
            "imed out" in refusal(Host(paths, f"{scheme}://:{SECRET}@127.0.0.1:{port}").trip)
            or time.monotonic() - began < 5
        )
        assert time.monotonic() - began < impatient * 10


@pytest.mark.parametrize(
    "answer",
    [
        b"garbage\r\n",
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"$-99\r\n",
        b"*99999999\r\n",
        b"-ERR unknown command 'AUTH', with args beginning with: 's3cr3t-pass' \r\n",
        b"-WRONGPASS s3cr3t-pass\x1b[2J is not it\r\n",
        b"-LOADING Redis is loading the dataset in memory\r\n",
        b"-MOVED 1234 10.0.0.1:6379\r\n",
        b":1\r\n",
        b"+OK\r\n",
        b"\xff\xfe\r\n",
    ],
)
def test_answers_that_are_none(paths: Paths, impatient: float, answer: bytes) -> None:
    with listener(answer) as port:
        host = Host(paths, f"redis://:{SECRET}@127.0.0.1:{port}")
        assert refusal(host.trip)
        assert refusal(host.release)
    assert impatient


def test_a_wrong_password(serve: Callable[..., Server], paths: Paths) -> None:
    server = serve("--requirepass", "right", password="right")
    assert (
        "WRONGPASS"
        in (said := refusal(Host(paths, f"redis://:{SECRET}@127.0.0.1:{server.port}").trip))
        or "invalid" in said
    )
    assert "uthentication required" in refusal(Host(paths, server.url).trip)


def test_a_replica(serve: Callable[..., Server], server: Server, paths: Paths) -> None:
    replica = serve("--replicaof", f"127.0.0.1 {server.port}")
    wait_for(lambda: info(replica)["master_link_status"] == "up")
    said = refusal(Host(paths, replica.url).trip)
    assert said.count("read only replica") == 3, said
    assert not server.client.exists(MARKER)


def test_too_few_replicas(serve: Callable[..., Server], paths: Paths) -> None:
    server = serve("--min-replicas-to-write", "1")
    host = Host(paths, server.url)
    assert "enough good replicas" in refusal(host.trip)
    server.client.config_set("min-replicas-to-write", 0)
    host.trip()
    assert types(server.client) == ["emergency.stop"]


def test_out_of_memory(serve: Callable[..., Server], paths: Paths) -> None:
    """The release takes back what it can even so, and says what it cannot."""
    server = serve("--maxmemory-policy", "noeviction")
    host = Host(paths, server.url)
    server.client.config_set("maxmemory", 1)
    assert "used memory > 'maxmemory'" in refusal(host.trip)
    assert server.client.dbsize() == 0
    server.client.config_set("maxmemory", 0)
    host.trip()
    server.client.config_set("maxmemory", 1)
    assert "used memory > 'maxmemory'" in refusal(host.release)
    assert not server.client.exists(MARKER)
    server.client.config_set("maxmemory", 0)
    host.release()
    assert types(server.client) == BOTH
    assert document(server.client)["emergency_stop"]["active"] is False


def test_a_policy_document_of_another_type(host: Host, server: Server) -> None:
    server.client.rpush(POLICY, "theirs")
    for act in (host.trip, lambda: host.mirror.keep(TRIPPED), host.release):
        assert "quantum:policy: is a list, neither a string nor a hash; left alone" in refusal(act)
    assert server.client.lrange(POLICY, 0, -1) == [b"theirs"]
    assert not server.client.exists(MARKER)
    assert types(server.client) == BOTH, "the other steps are taken, and once each"


def test_a_stream_of_another_type(host: Host, server: Server) -> None:
    server.client.set(STREAM, "theirs")
    for _ in range(2):
        assert "quantum:events: WRONGTYPE" in refusal(host.trip)
    assert server.client.get(STREAM) == b"theirs"
    assert server.client.exists(MARKER)
    server.client.delete(STREAM)
    host.release()
    assert types(server.client) == BOTH


def test_a_channel_goes_on_when_the_stream_does_not(host: Host, server: Server) -> None:
    ear = Listener(server.client)
    server.client.set(STREAM, "theirs")
    for act in (host.trip, host.trip, host.release, host.release):
        assert refusal(act)
    server.client.delete(STREAM)
    host.release()
    assert [one["type"] for one in ear.heard()] == BOTH
    assert types(server.client) == BOTH
    ear.close()


def test_a_marker_of_another_type_is_ours_to_replace(host: Host, server: Server) -> None:
    server.client.rpush(MARKER, "whose?")
    host.trip()
    assert server.client.type(MARKER) == b"string"
    host.unlatch()
    server.client.delete(MARKER)
    server.client.rpush(MARKER, "whose?")
    assert "quantum:ess:active: WRONGTYPE" in refusal(host.release)
    assert server.client.exists(MARKER), "no marker of ours, so not ours to remove"
    assert types(server.client) == BOTH


def test_a_record_of_another_type(host: Host, server: Server) -> None:
    server.client.set(f"quantum:ess:published:{TRIPPED.id}", "theirs")
    assert "events: WRONGTYPE" in refusal(host.trip)
    assert server.client.exists(MARKER)
    assert not server.client.exists(STREAM), "nothing is published that could not be remembered"


def test_the_client_library_is_missing(
    host: Host, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("server", "steps"):
        monkeypatch.delitem(sys.modules, f"ess.mirror.{name}")
        monkeypatch.delattr(ess.mirror, name)
    monkeypatch.setitem(sys.modules, "redis", None)
    said = refusal(host.trip)
    assert "it is the extra `redis`" in said
    assert "pip install 'redis>=5'" in said
    assert server.client.dbsize() == 0


@pytest.mark.parametrize(
    "command", ["get", "set", "type", "eval", "smembers", "sadd", "sismember", "xadd", "publish"]
)
def test_a_command_that_is_not_permitted(host: Host, server: Server, command: str) -> None:
    """However far it comes, the events are published once each when it is permitted again."""
    ear = Listener(server.client)
    for tell in (host.trip, host.release):
        server.client.acl_setuser(
            "ess",
            enabled=True,
            nopass=True,
            keys="*",
            channels="*",
            commands=["+@all", f"-{command}"],
        )
        limited = Host(host.paths, f"redis://ess:any@127.0.0.1:{server.port}")
        said = refusal(limited.trip if tell == host.trip else limited.release)
        assert "permission" in said or "can't run this command" in said
        tell()
    assert types(server.client) == BOTH
    assert [one["type"] for one in ear.heard()] == BOTH
    ear.close()


def info(server: Server) -> dict[str, Any]:
    found: Any = server.client.info("replication")
    return dict(found)


def wait_for(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.05)
