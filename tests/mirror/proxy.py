"""A way to Redis that breaks off at a chosen command: before Redis has it, or before the answer."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_PATIENCE = 30


class When(Enum):
    """BEFORE: Redis never sees the command. AFTER: it obeys, and nobody hears of it."""

    BEFORE = "before"
    AFTER = "after"


class Proxy:
    """Forward what comes to `port`; command number `at` (from 1) is the one that breaks it off.

    `act` is done at that moment, with the client still waiting. `seen` is how many commands came.
    """

    def __init__(
        self, target: int, at: int = 0, when: When = When.BEFORE, act: Callable[[], object] = bool
    ) -> None:
        self.seen = 0
        self.broke = False
        self._target = target
        self._at = at
        self._when = when
        self._act = act
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *_: object) -> None:
        # close() alone would not wake up the accept() that waits.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(timeout=_PATIENCE)
        assert not self._thread.is_alive()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                with client, socket.create_connection(("127.0.0.1", self._target)) as upstream:
                    client.settimeout(_PATIENCE)
                    upstream.settimeout(_PATIENCE)
                    with contextlib.suppress(ConnectionError, EOFError):
                        self._relay(client, upstream)

    def _relay(self, client: socket.socket, upstream: socket.socket) -> None:
        """One command, one answer, until somebody hangs up: the mirror sends no more at a time."""
        data = b""
        while True:
            while (length := _command(data)) is None:
                data += _received(client)
            command, data = data[:length], data[length:]
            self.seen += 1
            breaks = self.seen == self._at
            if not breaks or self._when is When.AFTER:
                upstream.sendall(command)
                answer = _received(upstream)
                while not _is_whole(answer):
                    answer += _received(upstream)
            if breaks:
                self.broke = True
                self._act()
                return
            client.sendall(answer)


def _received(side: socket.socket) -> bytes:
    data = side.recv(65536)
    if not data:
        raise EOFError
    return data


def _command(data: bytes) -> int | None:
    """Return the length of the first command, an array of strings; None while it is not whole."""
    head = re.match(rb"\*(\d+)\r\n", data)
    if not head:
        return None
    at = head.end()
    for _ in range(int(head[1])):
        size = re.compile(rb"\$(\d+)\r\n").match(data, at)
        if not size:
            return None
        at = size.end() + int(size[1]) + 2
    return at if at <= len(data) else None


def _is_whole(data: bytes) -> bool:
    try:
        return _end(data, 0) == len(data)
    except ValueError:
        return False


def _end(data: bytes, at: int) -> int:
    """Return where the answer that begins at `at` ends. Raises ValueError while it is not whole."""
    line = data.index(b"\r\n", at)
    kind, rest = data[at : at + 1], data[at + 1 : line]
    at = line + 2
    if kind == b"$" and rest != b"-1":
        at += int(rest) + 2
        if at > len(data):
            raise ValueError
    if kind == b"*":
        for _ in range(int(rest)):
            at = _end(data, at)
    return at
