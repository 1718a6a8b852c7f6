"""Figures from Prometheus: one number for each expression, asked for again and again.

An instant query with a deadline that holds whatever the other side does: at its end the connection
is cut. Only an answer of exactly one finite number is a figure; anything else is a sample without a
value, which says what came instead.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import http.client
import json
import os
import socket
import ssl
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlencode, urlsplit

from ess.text import clean
from ess.watch.sample import Sample, number
from ess.watch.source import heard_now, repeat

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ess.watch.source import Deliver, Report

KEY = "QT_ESS_WATCH_PROMETHEUS_URL"
DEADLINE = 3.0  # s
_AUTHORITY = "ssl_ca_certs="
_LARGEST = 1024 * 1024
_PORTS = {"http": 9090, "https": 443}
_RAW = 80


class PrometheusAddressError(ValueError):
    """The URL is wrong; str() names the key and the fault, and shows nothing of the URL."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{KEY}: {what}")


class AnswerError(Exception):
    """There is no number; str() is one line that says what came instead, and holds no secret."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where a Prometheus is; over TLS its certificate is always verified.

    `authority`: the file of who is trusted; empty: whom the host trusts.
    """

    tls: bool
    host: str
    port: int
    path: str
    login: str = field(default="", repr=False)
    authority: str = ""


def parse(url: str) -> Server:
    """Return the server http(s)://[USER:PASSWORD@]HOST[:PORT][/PATH][?ssl_ca_certs=FILE] names.

    Raises PrometheusAddressError.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise PrometheusAddressError(
            "is no URL; special signs in a password are %40 etc."
        ) from None
    if parts.scheme not in _PORTS or not parts.hostname:
        raise PrometheusAddressError("must be http://HOST:PORT or https://HOST:PORT")
    authority = parts.query.removeprefix(_AUTHORITY)
    if (parts.query and authority in (parts.query, "")) or parts.fragment:
        raise PrometheusAddressError("has a ? or #; in a password write %3F and %23")
    if authority and parts.scheme != "https":
        raise PrometheusAddressError("has ssl_ca_certs, and TLS is https://")
    if not f"{parts.hostname}{parts.path}".isprintable() or " " in parts.path:
        raise PrometheusAddressError("has signs that belong in no URL")
    login = unquote(parts.username or ""), unquote(parts.password or "")
    return Server(
        parts.scheme == "https",
        parts.hostname,
        port or _PORTS[parts.scheme],
        parts.path.rstrip("/"),
        ":".join(login) if any(login) else "",
        unquote(authority),
    )


class PrometheusSource:
    """One expression, every `interval` s."""

    def __init__(self, server: Server, name: str, expression: str, interval: float) -> None:
        self.name = f"prometheus, {name}"
        self._sample = f"expr:{name}"
        self._server = server
        self._expression = expression
        self._interval = interval

    def run(self, deliver: Deliver, report: Report) -> None:
        """Deliver a sample every interval, for ever."""
        repeat(lambda: self.once(deliver, report), self._interval)

    def once(self, deliver: Deliver, report: Report) -> None:
        """Deliver one sample; takes at most DEADLINE, and as long as the host's name takes."""
        try:
            value, at = ask(self._server, self._expression, DEADLINE)
        except AnswerError as error:
            report.wrong(str(error))
            raw = clean(str(error), _RAW)
            deliver([Sample(self._sample, None, None, heard_now(), raw)], "")
            return
        report.fine()
        deliver([number(self._sample, value, at, heard_now())], "")


def ask(server: Server, expression: str, seconds: float) -> tuple[str, float | None]:
    """Return the number an expression is now, as text, and its time. Raises AnswerError."""
    deadline = time.monotonic() + seconds
    failure = ""
    try:
        status, body = _answer(server, expression, seconds)
    except ssl.SSLCertVerificationError as error:
        failure = f"its certificate is refused: {error.verify_message}"
    except (OSError, http.client.HTTPException, ValueError) as error:
        failure = getattr(error, "strerror", None) or str(error) or type(error).__name__
    if time.monotonic() >= deadline:
        # What was cut off may look like an end.
        raise AnswerError(f"no answer within {seconds:g} s")
    if failure:
        raise AnswerError(clean(failure))
    document = _document(body, status)
    if document.get("status") != "success":
        raise AnswerError(clean(f"HTTP {status}: {document.get('error')}"))
    return _number(document.get("data"))


def _answer(server: Server, expression: str, seconds: float) -> tuple[int, bytes]:
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Connection": "close"}
    if server.login:
        headers["Authorization"] = f"Basic {base64.b64encode(server.login.encode()).decode()}"
    path = f"{quote(server.path, safe='/%')}/api/v1/query"
    with _connected(server, seconds) as connection:
        connection.request("POST", path, urlencode({"query": expression}), headers)
        answer = connection.getresponse()
        body = answer.read(_LARGEST + 1)
    if len(body) > _LARGEST:
        raise ValueError(f"an answer of more than {_LARGEST} bytes")
    return answer.status, body


@contextlib.contextmanager
def _connected(server: Server, seconds: float) -> Iterator[http.client.HTTPConnection]:
    """Give a connection that is cut after so long: a byte a second would escape any other limit."""
    connection = http.client.HTTPConnection(server.host, server.port, timeout=seconds)
    context = _trust(server.authority) if server.tls else None
    with contextlib.ExitStack() as stack:
        plain = stack.enter_context(
            socket.create_connection((server.host, server.port), timeout=seconds)
        )
        # A second handle: those that read hide theirs from us.
        handle = stack.enter_context(plain.dup())
        timer = threading.Timer(seconds, _cut, (handle,))
        timer.daemon = True
        timer.start()
        stack.callback(timer.cancel)
        connection.sock = (
            context.wrap_socket(plain, server_hostname=server.host) if context else plain
        )
        stack.callback(connection.close)
        yield connection


def _trust(authority: str) -> ssl.SSLContext:
    """Return what verifies a certificate. Raises AnswerError."""
    file = authority or ssl.get_default_verify_paths().cafile or ""
    try:
        changed = os.stat(file).st_mtime_ns if file else 0
        return _context(authority, changed)
    except OSError as error:
        what = error.strerror or str(error)
        raise AnswerError(clean(f"ssl_ca_certs: {file}: {what}")) from None


@functools.lru_cache(maxsize=1)
def _context(authority: str, changed: int) -> ssl.SSLContext:  # noqa: ARG001 - read anew then
    # Reading all whom a host trusts takes longer than asking.
    return ssl.create_default_context(cafile=authority or None)


def _cut(handle: socket.socket) -> None:
    with contextlib.suppress(OSError):
        handle.shutdown(socket.SHUT_RDWR)


def _document(body: bytes, status: int) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise AnswerError(f"HTTP {status}, and no answer of a Prometheus") from None
    if not isinstance(document, dict):
        raise AnswerError(f"HTTP {status}, and no answer of a Prometheus")
    return document


def _number(data: object) -> tuple[str, float | None]:
    """Return the one number in the data of an answer."""
    try:
        kind, result = data["resultType"], data["result"]  # type: ignore[index]
        if kind == "vector":
            if len(result) != 1:
                raise AnswerError(f"{len(result)} series, not one")
            result = result[0]["value"]
        elif kind != "scalar":
            raise AnswerError(f"the expression is a {clean(str(kind), 20)}, not a number")
        at, value = result
        return str(value), float(at)
    except (TypeError, KeyError, ValueError, IndexError):
        raise AnswerError("no answer of a Prometheus") from None
