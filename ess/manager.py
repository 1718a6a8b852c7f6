"""What we ask of systemd, whoever carries the question."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, NamedTuple, Protocol

from ess.errors import EssError

if TYPE_CHECKING:
    from collections.abc import Sequence

# systemd answers in milliseconds; past this it is taken for hung (s).
READ_PATIENCE = 2.0
SYSTEMCTL = "systemctl"
PYSTEMD = "pystemd"
# Jobs that end with the unit running.
START_JOBS = frozenset(
    ("start", "restart", "reload-or-start", "try-restart", "try-reload", "verify-active", "reload")
)
_COMMAND = re.compile(r"\{ path=(.*?) ; argv\[\]=(.*?) ; ignore_errors=", re.DOTALL)


class Assertion(NamedTuple):
    """One Assert...= of a loaded unit, as systemd has it."""

    kind: str
    trigger: bool
    negate: bool
    parameter: str


class Job(NamedTuple):
    """One queued or running job."""

    number: int
    unit: str
    kind: str

    @property
    def starts(self) -> bool:
        """Whether the unit runs when the job is done."""
        return self.kind in START_JOBS


class Command(NamedTuple):
    """One ExecStart= line: the program, and its arguments joined by spaces (argv[0] first).

    `directory`: where it runs, empty when that is not known.
    """

    path: str
    arguments: str
    directory: str = "/"


class Manager(Protocol):
    """systemd. Every method is bounded in time and raises ManagerError for want of an answer."""

    @property
    def name(self) -> str:
        """Which implementation this is."""

    def show(self, units: Sequence[str], properties: Sequence[str]) -> dict[str, dict[str, str]]:
        """Return the properties of each unit in systemctl's spelling; empty where it has none."""

    def assertions(self, units: Sequence[str]) -> dict[str, tuple[Assertion, ...]]:
        """Return the asserts in effect for each unit."""

    def runtime_directories(self, units: Sequence[str]) -> dict[str, list[str]]:
        """Return, of each service, the directories below /run that go when it stops."""

    def matching(self, patterns: Sequence[str]) -> list[str]:
        """Return the units that systemd has loaded or could load and that a pattern stands for."""

    def jobs(self) -> list[Job]:
        """Return the job queue."""

    def cancel(self, jobs: Sequence[Job]) -> None:
        """Take the jobs out of the queue."""

    def start(self, units: Sequence[str]) -> None:
        """Queue the start of all the units, and return without waiting for it."""

    def stop(self, units: Sequence[str]) -> None:
        """Queue the stop of all the units, and return without waiting for it."""

    def thaw(self, units: Sequence[str]) -> None:
        """Thaw the units and slices that are frozen."""

    def reset_failed(self, units: Sequence[str]) -> None:
        """Forget that the units failed; a unit with nothing to forget is no error."""

    def reconnect(self, unit: str) -> None:
        """Give back the network that the enforcer took from a unit that outlived SIGKILL."""


def choose(seconds: float = READ_PATIENCE) -> Manager:
    """Return pystemd's way to systemd where it imports, systemctl's otherwise.

    QT_ESS_MANAGER=systemctl|pystemd overrides the choice. Raises EssError for an override that
    cannot be had.
    """
    wanted = os.environ.get("QT_ESS_MANAGER", "")
    if wanted not in ("", SYSTEMCTL, PYSTEMD):
        raise EssError(f"QT_ESS_MANAGER={wanted}: no such manager", "use systemctl or pystemd")
    if wanted != SYSTEMCTL:
        pystemd = _pystemd(seconds)
        if pystemd is not None:
            return pystemd
        if wanted == PYSTEMD:
            raise EssError("QT_ESS_MANAGER=pystemd: pystemd cannot be imported", "install it")
    from ess.systemctl import SystemctlManager  # noqa: PLC0415 - see above

    return SystemctlManager(seconds)


def _pystemd(seconds: float) -> Manager | None:
    try:
        import pystemd  # noqa: PLC0415, F401 - most hosts have none, and need not load what uses it
    except ImportError:
        return None
    from ess.dbus import DBusManager  # noqa: PLC0415 - see above

    return DBusManager(seconds) if DBusManager.available() else None


def commands(exec_start: str, working_directory: str = "") -> tuple[Command, ...]:
    """Return the commands in an ExecStart property, of a unit with this WorkingDirectory."""
    directory = working_directory.lstrip("!-") or "/"
    directory = directory if directory.startswith("/") else ""
    return tuple(Command(path, argv, directory) for path, argv in _COMMAND.findall(exec_start))
