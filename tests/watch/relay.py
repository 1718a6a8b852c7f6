"""A way to Redis on which whoever subscribes hears nothing, and everybody else is served."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from enum import Enum


class Muted(Enum):
    """When a connection that subscribes falls silent; it stays open."""

    BEFORE = "before the server has seen it"
    AFTER = "once the server has confirmed it"


class Relay:
    """Forwards what comes to `port`; `subscribed` counts the connections that did."""

    def __init__(self, target: int, muted: Muted) -> None:
        self.subscribed = 0
        self._target, self._muted = target, muted
        self._over, self._wake = socket.socketpair()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._other: dict[socket.socket, socket.socket] = {}
        self._deaf: set[socket.socket] = set()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def __enter__(self) -> Relay:
        return self

    def __exit__(self, *_: object) -> None:
        self._wake.close()
        self._thread.join(timeout=10)
        assert not self._thread.is_alive()
        for one in (self._listener, self._over, *self._other):
            one.close()

    def _serve(self) -> None:
        with selectors.DefaultSelector() as self._ready:
            for one in (self._listener, self._over):
                self._ready.register(one, selectors.EVENT_READ)
            while True:
                for key, _ in self._ready.select():
                    side = key.fileobj
                    assert isinstance(side, socket.socket)
                    if side is self._over:
                        return
                    if side is self._listener:
                        self._accept()
                    elif side in self._other:
                        self._pass_on(side)

    def _accept(self) -> None:
        client = self._listener.accept()[0]
        upstream = socket.create_connection(("127.0.0.1", self._target))
        for one, other in ((client, upstream), (upstream, client)):
            self._other[one] = other
            self._ready.register(one, selectors.EVENT_READ)

    def _pass_on(self, side: socket.socket) -> None:
        other = self._other[side]
        data = b""
        with contextlib.suppress(ConnectionError):
            data = side.recv(65536)
        if not data:
            for one in (side, other):
                self._ready.unregister(one)
                del self._other[one]
                one.close()
            return
        subscribes = b"SUBSCRIBE" in data
        if subscribes and side not in self._deaf:
            self.subscribed += 1
        if side in self._deaf or (subscribes and self._muted is Muted.BEFORE):
            self._deaf |= {side, other}
            return
        if b"subscribe\r\n" in data:
            # All that comes after the confirmation, in both directions.
            self._deaf |= {side, other}
        with contextlib.suppress(ConnectionError):
            other.sendall(data)
