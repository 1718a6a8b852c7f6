"""A Redis of our own on the loopback, and when it got the marker."""

import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

KEY = "quantum:ess:active"
SUBSCRIBE = f"SUBSCRIBE __keyspace@0__:{KEY}\r\n".encode()


@contextmanager
def redis_server(*options: str) -> Iterator[int]:
    """Run a server that keeps nothing, and give its port."""
    with tempfile.TemporaryDirectory() as directory, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        argv = ("redis-server", "--port", str(port), "--dir", directory, "--save", "", *options)
        server = subprocess.Popen(argv, stdout=subprocess.DEVNULL)
        try:
            connect(port).close()
            yield port
        finally:
            server.kill()
            server.wait(timeout=10)


def connect(port: int, limit_s: float = 10) -> socket.socket:
    """A connection to the server, once it listens."""
    deadline = time.monotonic() + limit_s
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=limit_s)
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)


class MarkerWatch:
    """When the marker was set, as Redis itself tells: the server needs --notify-keyspace-events."""

    def __init__(self, port: int) -> None:
        self.set_ns: list[int] = []
        self._connection = connect(port)
        self._connection.settimeout(None)
        self._connection.sendall(SUBSCRIBE)
        self._connection.recv(4096)
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while said := self._connection.recv(4096):
            if b"\r\nset\r\n" in said:
                self.set_ns.append(time.time_ns())
