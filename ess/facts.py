"""What was measured about this host, for the policy to judge. Empty errors mean known."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ess.config import Config
    from ess.latch import State
    from ess.manager import Assertion

Properties = dict[str, str]


class FileState(Enum):
    """How an installed file compares with the manifest."""

    SAME = "same"
    MISSING = "missing"
    ALTERED = "altered"
    UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Settings:
    """The configuration as it is, and as it was installed."""

    current: Config | None
    current_error: str
    installed: Config | None
    exists: bool = True


@dataclass(frozen=True, slots=True)
class Systemd:
    """What systemd says; with `error` the rest is what it said before it fell silent."""

    error: str = ""
    trading: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    units: Mapping[str, Properties] = field(default_factory=dict)
    assertions: Mapping[str, tuple[Assertion, ...]] | None = None
    assertions_error: str = ""


@dataclass(frozen=True, slots=True)
class Drill:
    """The record of the last drill; `epoch` is None when there is none that can be read."""

    epoch: float | None
    result: str = ""
    at: str = ""


@dataclass(frozen=True, slots=True)
class Stray:
    """A trading program that runs where the stop does not look."""

    unit: str
    pid: int
    cgroup: str


@dataclass(frozen=True, slots=True)
class Kernel:
    """What the cgroup tree and /proc say."""

    cgroup_error: str = ""
    can_kill: bool = True
    strays: tuple[Stray, ...] = ()
    strays_error: str = ""


@dataclass(frozen=True, slots=True)
class Disk:
    """What the file system says about our files and directories.

    `metrics_age`: s since the sentry wrote its file; None where none is expected, infinite where
    there is none.
    """

    files: Mapping[str, FileState]
    manifest_error: str
    directories: Mapping[str, str]
    drill: Drill
    left_running: bool
    metrics_age: float | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything measured, at one time: `now`, s since the epoch; `monotonic`, s of the clock
    that systemd's ...TimestampMonotonic tell in us.
    """

    now: float
    latch: State
    settings: Settings
    systemd: Systemd
    kernel: Kernel
    disk: Disk
    monotonic: float = 0.0
