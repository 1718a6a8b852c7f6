"""One number from what answers like a Prometheus, and nothing from what does not.

The real Prometheus is asked in tests/lab/test_watcher.py.
"""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
import trustme

from ess.watch.prometheus_source import (
    AnswerError,
    PrometheusAddressError,
    PrometheusSource,
    Server,
    ask,
    parse,
)
from tests.watch.ear import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.watch.ear import Ear

AT = 1763713331.5


class Answers:
    """Says the same to everybody; `pieces` come one by one, `pause` s apart."""

    def __init__(
        self, *pieces: bytes, pause: float = 0.0, tls: ssl.SSLContext | None = None
    ) -> None:
        self.heard = b""
        self._pieces, self._pause = pieces, pause
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http{'s' * bool(tls)}://127.0.0.1:{self._listener.getsockname()[1]}"
        if tls:
            self._listener = tls.wrap_socket(self._listener, server_side=True)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                try:
                    client, _ = self._listener.accept()
                except ssl.SSLError:
                    # Who does not trust us hangs up.
                    continue
                with client, contextlib.suppress(ConnectionError):
                    while b"query=" not in self.heard:
                        self.heard += client.recv(65536)
                    for piece in self._pieces:
                        client.sendall(piece)
                        if self._closing.wait(self._pause):
                            return

    def close(self) -> None:
        self._closing.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)
        assert not self._thread.is_alive()


@pytest.fixture
def answers() -> Iterator[Callable[..., Answers]]:
    servers: list[Answers] = []

    def start(*pieces: bytes, pause: float = 0.0, tls: ssl.SSLContext | None = None) -> Answers:
        servers.append(Answers(*pieces, pause=pause, tls=tls))
        return servers[-1]

    yield start
    for one in servers:
        one.close()


def http(body: str, status: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()


def success(kind: str, result: object) -> bytes:
    data = {"resultType": kind, "result": result}
    return http(json.dumps({"status": "success", "data": data}))


def one(value: object) -> bytes:
    return success("vector", [{"metric": {}, "value": [AT, value]}])


def test_one_series_and_a_scalar_are_a_number(answers: Callable[..., Answers]) -> None:
    assert ask(parse(answers(one("4.5")).url), "up", 5) == ("4.5", AT)
    assert ask(parse(answers(success("scalar", [AT, "-1e3"])).url), "up", 5) == ("-1e3", AT)


def test_the_expression_arrives_as_it_is(answers: Callable[..., Answers]) -> None:
    server = answers(one("1"))
    ask(parse(f"{server.url}/prom/"), 'rate(a{b="c+d&e"}[5m])', 5)
    assert server.heard.startswith(b"POST /prom/api/v1/query HTTP/1.1\r\n")
    assert server.heard.endswith(b"query=rate%28a%7Bb%3D%22c%2Bd%26e%22%7D%5B5m%5D%29")


def test_a_login_is_sent_and_shown_nowhere(answers: Callable[..., Answers]) -> None:
    server = answers(http("no", "401 Unauthorized"))
    found = parse(server.url.replace("//", "//bob:p%40ss@"))
    assert "p@ss" not in repr(found)
    with pytest.raises(AnswerError, match=r"^HTTP 401") as caught:
        ask(found, "up", 5)
    assert "p@ss" not in str(caught.value)
    assert b"Authorization: Basic Ym9iOnBAc3M=" in server.heard


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (success("vector", []), "0 series"),
        (success("vector", [{"value": [1, "2"]}] * 3), "3 series"),
        (success("matrix", []), "is a matrix"),
        (success("string", [1, "x"]), "is a string"),
        (success("vector", ["x"]), "no answer of a Prometheus"),
        (success("scalar", {}), "no answer of a Prometheus"),
        (http('{"status":"error","error":"parse error:\\u001b"}', "400 Bad"), "HTTP 400: parse"),
        (http("[]"), "no answer of a Prometheus"),
        (http("<html>", "502 Bad Gateway"), "HTTP 502"),
        (http("[" * 100000), "no answer of a Prometheus"),
        (b"SSH-2.0\r\n", "SSH-2.0"),
        (b"", "closed"),
        (http("x" * 1100000), "more than 1048576"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{", "no answer of a Prometheus"),
    ],
)
def test_anything_else_is_no_number(
    answers: Callable[..., Answers], answer: bytes, said: str
) -> None:
    server = parse(answers(answer).url)
    with pytest.raises(AnswerError, match=said):
        ask(server, "up", 5)


@pytest.mark.parametrize("head", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\n\r\n"])
def test_a_byte_at_a_time_ends_at_the_deadline(
    answers: Callable[..., Answers], head: bytes
) -> None:
    server = parse(answers(head, *[b"1"] * 500, pause=0.1).url)
    begun = time.monotonic()
    with pytest.raises(AnswerError, match="no answer within 1 s"):
        ask(server, "up", 1)
    assert time.monotonic() - begun < 2


def test_nobody_there() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        server = Server(tls=False, host="127.0.0.1", port=free.getsockname()[1], path="")
        with pytest.raises(AnswerError, match="refused"):
            ask(server, "up", 5)


@pytest.mark.parametrize(("text", "value"), [("3", 3.0), ("NaN", None), ("+Inf", None)])
def test_what_is_no_finite_number_has_no_value(
    answers: Callable[..., Answers],
    listen: Callable[[PrometheusSource], Ear],
    text: str,
    value: float | None,
) -> None:
    ear = listen(PrometheusSource(parse(answers(one(text)).url), "lag", "up", 0.1))
    until(lambda: ear.samples)
    assert (ear.samples[0].name, ear.samples[0].value) == ("expr:lag", value)
    assert (ear.samples[0].at, ear.samples[0].raw) == (AT, text)


def test_no_answer_is_a_sample_that_says_so(
    answers: Callable[..., Answers], listen: Callable[[PrometheusSource], Ear]
) -> None:
    server = answers(success("vector", []))
    ear = listen(PrometheusSource(parse(server.url), "lag", "up", 0.1))
    ear.await_trouble("0 series")
    assert (ear.samples[0].value, ear.samples[0].raw) == (None, "0 series, not one")


class Authority:
    """Issues certificates; `file` is what trusts it."""

    def __init__(self, directory: Path, name: str) -> None:
        self._authority = trustme.CA()
        self.file = directory / f"{name}.pem"
        self._authority.cert_pem.write_to_path(str(self.file))

    def server(self, host: str) -> ssl.SSLContext:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._authority.issue_cert(host).configure_cert(context)
        return context


def test_a_certificate_is_verified(answers: Callable[..., Answers], tmp_path: Path) -> None:
    ours, theirs = Authority(tmp_path, "our s?"), Authority(tmp_path, "theirs")
    server = answers(one("4.5"), tls=ours.server("127.0.0.1"))
    assert ask(parse(f"{server.url}?ssl_ca_certs={quote(str(ours.file))}"), "up", 5)[0] == "4.5"
    heard = server.heard
    for url in (server.url, f"{server.url}?ssl_ca_certs={theirs.file}"):
        with pytest.raises(AnswerError, match=r"^its certificate is refused: [a-z ]+$"):
            ask(parse(f"{url}"), "up", 5)
    elsewhere = answers(one("4.5"), tls=ours.server("elsewhere.example"))
    with pytest.raises(AnswerError, match=r"^its certificate is refused: IP address mismatch"):
        ask(parse(f"{elsewhere.url}?ssl_ca_certs={quote(str(ours.file))}"), "up", 5)
    # Nobody was told the expression, nor the password.
    assert (server.heard, elsewhere.heard) == (heard, b"")


def test_an_authority_that_is_exchanged_is_read_anew(
    answers: Callable[..., Answers], tmp_path: Path
) -> None:
    ours, theirs = Authority(tmp_path, "ours"), Authority(tmp_path, "theirs")
    server = answers(one("1"), tls=ours.server("127.0.0.1"))
    found = parse(f"{server.url}?ssl_ca_certs={theirs.file}")
    with pytest.raises(AnswerError, match="refused"):
        ask(found, "up", 5)
    ours.file.replace(theirs.file)
    assert ask(found, "up", 5)[0] == "1"


@pytest.mark.parametrize("content", ["", "no certificate"])
def test_an_authority_that_is_none_is_said(tmp_path: Path, content: str) -> None:
    file = tmp_path / "ca.pem"
    if content:
        file.write_text(content)
    with pytest.raises(AnswerError, match=f"^ssl_ca_certs: {file}: "):
        ask(parse(f"https://127.0.0.1:9?ssl_ca_certs={file}"), "up", 5)


def test_urls() -> None:
    assert parse("http://[::1]:1/a/") == Server(tls=False, host="::1", port=1, path="/a")
    assert parse("https://p.example") == Server(tls=True, host="p.example", port=443, path="")
    assert parse("http://p").port == 9090


@pytest.mark.parametrize(
    "url",
    [
        "p:9090",
        "ftp://p",
        "http:///x",
        "http://p:99999",
        "http://p?x",
        "https://p?x",
        "https://p?ssl_ca_certs=",
        "http://p?ssl_ca_certs=/ca.pem",
        "https://user:ssl_ca_certs?word@p",
        "http://[::1",
        "http://a b/ c",
    ],
)
def test_a_wrong_url_is_refused_without_showing_it(url: str) -> None:
    with pytest.raises(PrometheusAddressError, match=r"^QT_ESS_WATCH_PROMETHEUS_URL: ") as caught:
        parse(url)
    assert url not in str(caught.value)
