"""The watcher as a process, with a root of its own and our ear where systemd's would be."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from ess.paths import Paths
from ess.watch import places
from tests.checks.tracked import CHECKOUT
from tests.watch.ear import until

if TYPE_CHECKING:
    from collections.abc import Mapping

SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
from ess.errors import EssError
from ess.paths import Paths
from ess.watch import service, settings
settings._RANGES["QT_ESS_CHECK_INTERVAL"] = (0.1, 10, "seconds")
{before}
try:
    sys.exit(service.run(Paths(sys.argv[2])))
except EssError as error:
    print(error, file=sys.stderr)
    sys.exit(error.exit_code)
"""


# In s; five times as often as who configures it could have it.
INTERVAL = "0.2"


class Host:
    """The directories the installer would make, below `root`."""

    def __init__(self, root: Path) -> None:
        self.paths = Paths(str(root))
        self.requests = Path(self.paths.requests)
        for flag in (self.paths.run_flag, self.paths.var_flag):
            Path(flag).parent.mkdir(parents=True)
        self.requests.mkdir(parents=True)
        Path(places.state(self.paths)).mkdir(parents=True)

    def configure(self, **keys: str) -> None:
        """Write the settings; keys without QT_ESS_."""
        wanted = {"ENABLED": "true", "CHECK_INTERVAL": INTERVAL, **keys}
        file = Path(self.paths.watch_config)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(f"QT_ESS_{key}={value}\n" for key, value in wanted.items()))
        file.chmod(0o640)

    def asked(self) -> list[str]:
        """Return the requests for a stop, oldest first."""
        return [path.read_text() for path in sorted(self.requests.iterdir())]

    def latch(self) -> None:
        for flag in (self.paths.run_flag, self.paths.var_flag):
            Path(flag).touch()

    def release(self) -> None:
        for flag in (self.paths.run_flag, self.paths.var_flag):
            Path(flag).unlink()


class Daemon:
    """One run; `told` is what it told systemd. `before`: Python that is run first."""

    def __init__(self, host: Host, directory: Path, before: str = "") -> None:
        self.told: list[str] = []
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        address = directory / f"notify-{os.urandom(4).hex()}"
        self._listener.bind(str(address))
        self._thread = threading.Thread(target=self._hear, daemon=True)
        self._thread.start()
        environment: Mapping[str, str] = {**os.environ, "NOTIFY_SOCKET": str(address)}
        argv = [sys.executable, "-c", SCRIPT.format(before=before), str(CHECKOUT), host.paths.root]
        self.process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *argv],
            env=environment,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def _hear(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                data, rights, *_ = socket.recv_fds(self._listener, 4096, 4)
                for descriptor in rights:
                    os.close(descriptor)
                if data == b"end":
                    return
                self.told.append(data.decode())

    @property
    def pings(self) -> int:
        return sum(text.startswith("WATCHDOG=1\n") for text in self.told)

    @property
    def status(self) -> str:
        return (self.told or [""])[-1].partition("STATUS=")[2]

    def await_round(self) -> None:
        """Return once everything was judged anew."""
        seen = self.pings
        until(lambda: self.pings > seen + 1, self._state)

    def _state(self) -> str:
        return f"{self.told} {self.process.poll()}"

    def end(self) -> str:
        """Wait until it has ended by itself; return what it said on standard error."""
        _, said = self.process.communicate(timeout=20)
        return said

    def kill(self) -> None:
        self.process.kill()
        self.end()

    def close(self) -> None:
        if self.process.returncode is None:
            self.kill()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one:
            one.sendto(b"end", self._listener.getsockname())
        self._thread.join(10)
        assert not self._thread.is_alive()
        self._listener.close()
