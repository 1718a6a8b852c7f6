"""What was measured about this host, for the policy to judge. Empty errors mean known."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ess.config import Config
    from ess.latch import State
    from ess.manager import Assertion
    from ess.watch.look import Watch

Properties = dict[str, str]


class FileState(Enum):
    """How an installed file compares with the manifest."""

    SAME = "same"
    MISSING = "missing"
    ALTERED = "altered"
    UNREADABLE = "unreadable"


class Settings(NamedTuple):
    """The configuration as it is, and as it was installed."""

    current: Config | None
    current_error: str
    installed: Config | None
    exists: bool = True


class Systemd(NamedTuple):
    """What systemd says; with `error` the rest is what it said before it fell silent."""

    error: str = ""
    trading: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    units: Mapping[str, Properties] = {}
    assertions: Mapping[str, tuple[Assertion, ...]] | None = None
    assertions_error: str = ""


class Drill(NamedTuple):
    """The record of the last drill; `epoch` is None when there is none that can be read.

    `channels`: of each alert channel that was tried, whether it took a test; `chain`: "yes" when
    the audit log was whole, "no" when it was not, "" when nobody looked.
    """

    epoch: float | None
    result: str = ""
    at: str = ""
    channels: Mapping[str, bool] = {}
    chain: str = ""


class Stray(NamedTuple):
    """A trading program that runs where the stop does not look.

    `left`: it is a process of the unit, which left the cgroup; else it was never in it. `user`:
    what it has in common with the unit is this user alone, whom nobody but trading runs as.
    """

    unit: str
    pid: int
    cgroup: str
    left: bool = False
    user: str = ""


class Kernel(NamedTuple):
    """What the cgroup tree and /proc say."""

    cgroup_error: str = ""
    can_kill: bool = True
    strays: tuple[Stray, ...] = ()
    strays_error: str = ""


class Disk(NamedTuple):
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


class Waiting(NamedTuple):
    """Events in a spool: how many, and the age of the oldest (s)."""

    events: int
    age: float


class Aftermath(NamedTuple):
    """What follows a stop, as it is.

    `unknown`: what could not be looked at, and why; `broken`: why the delivery service cannot run;
    `problems`: of aftermath.env and of credentials, a line each, no value shown; `credentials`: the
    keys it gets as such; `exposed`: why others than root can read the file; `packages`: each that a
    configured channel needs and that cannot be loaded, and why; `waiting`: by spool; `channels`:
    the names of all that are configured; `missed`: since when (s since the epoch) nothing got
    through a channel; `faults`: of the newest part of the audit log, (where, what).
    """

    unknown: Mapping[str, str] = {}
    problems: tuple[str, ...] = ()
    broken: str = ""
    credentials: tuple[str, ...] = ()
    exposed: str = ""
    packages: Mapping[str, str] = {}
    waiting: Mapping[str, Waiting] = {}
    channels: tuple[str, ...] = ()
    missed: Mapping[str, int] = {}
    faults: tuple[tuple[str, str], ...] = ()


class Facts(NamedTuple):
    """Everything measured, at one time: `now`, s since the epoch; `monotonic`, s of the clock
    that systemd's ...TimestampMonotonic tell in us; `aftermath`, `watch`: None when nobody asked.
    """

    now: float
    latch: State
    settings: Settings
    systemd: Systemd
    kernel: Kernel
    disk: Disk
    monotonic: float = 0.0
    aftermath: Aftermath | None = None
    watch: Watch | None = None
