"""A real redis-server for a test: its own directory, its own port, gone with the test.

Debian's redis-tools holds the whole server: redis-check-rdb is the same program as redis-server and
redis-sentinel, and is what its name says it is. So no service is installed, and none starts.
"""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import subprocess
import time
from typing import TYPE_CHECKING, Any

import redis

if TYPE_CHECKING:
    from pathlib import Path

PROGRAM = "redis-check-rdb"
_START_SECONDS = 10.0


def free_port() -> int:
    """Return a port nobody listens on at this moment."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


class Server:
    """One running server. `client` is the test's own way in, as root of it."""

    def __init__(
        self, directory: Path, *options: str, port: int = 0, role: str = "server", **client: Any
    ) -> None:
        directory.mkdir(exist_ok=True)
        self.port = port or free_port()
        self.directory = directory
        self.log = directory / "log"
        self._role = role
        self._options = options
        way_in: dict[str, Any] = {"host": "127.0.0.1", "port": self.port, "socket_timeout": 5}
        self.client = redis.Redis(**way_in | client)
        self._start()

    def _start(self) -> None:
        program = shutil.which(PROGRAM)
        assert program, f"{PROGRAM} is not installed: apt-get install redis-tools"
        settings = f"dir {self.directory}\nlogfile {self.log}\nsave ''\nbind 127.0.0.1 ::1\n"
        if not any("--port" in option for option in self._options):
            settings += f"port {self.port}\n"
        config = self.directory / "conf"
        if not config.exists():
            config.write_text(
                settings.replace("save ''\n", "") if self._role != "server" else settings
            )
        run = 'exec -a "$0" "$@"'
        self._process = subprocess.Popen(
            (
                *("setpriv", "--pdeathsig", "KILL", "bash", "-c", run),
                *(f"redis-{self._role}", program, str(config), *self._options),
            ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.STDOUT,
        )
        deadline = time.monotonic() + _START_SECONDS
        while True:
            with contextlib.suppress(redis.RedisError):
                self.client.ping()
                return
            words = self.log.read_text() if self.log.exists() else "no log"
            assert self._process.poll() is None, words
            assert time.monotonic() < deadline, words
            time.sleep(0.01)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def stop(self) -> None:
        """Freeze it: it accepts connections and answers nobody."""
        self._process.send_signal(signal.SIGSTOP)

    def kill(self) -> None:
        """End it without a chance to write anything."""
        self._process.kill()
        self._process.wait(timeout=10)

    def restart(self) -> None:
        """Start it again with what it has on disk, which by default is nothing."""
        self.kill()
        self.client.close()
        self._start()

    def close(self) -> None:
        """End it and let go of everything."""
        self.kill()
        self.client.close()
