"""Armed labs that are kept from test to test, as long as each test leaves them as they were."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from tests.lab import ground as g
from tests.lab import rig
from tests.lab.rig import BRISK, alive, any_flag, arm, configure, ess
from tests.lab.stack import TRADING_UNITS

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from tests.lab.lab import Lab

Key = tuple[str, tuple[tuple[str, str], ...], tuple[tuple[str, str], ...]]
# What decides how a lab behaves from now on; the rest is state, which `ess status` judges.
_ON_DISK = ("etc", "usr", "opt")
_IN_RUN = ("run/systemd/system", "run/systemd/transient", "run/systemd/system.control")
# Where tests lay down what they need.
_LISTED = ("run", "root", "srv", "mnt", "var/lib")
# What `ess status` judges beside that. A lab that is in all of it as it was when it was called
# armed is not judged again, which costs ten times as much.
_OURS = tuple(
    f"quantum-ess{unit}"
    for unit in (
        *(".path", "-disk.path", "-halt.path", "-quick.path", "-request.path"),
        *("-request-names.path", "-sentry.timer", "-trigger.service", "-request.service"),
        *("-halt.target", "-watch.service"),
    )
)
_JUDGED = "Id,LoadState,ActiveState,SubState,UnitFileState,NeedDaemonReload,DropInPaths"
State = tuple[str, tuple[tuple[int, int, int], ...], int]
_DIRECTORIES = ("run/quantum", "run/quantum-ess", "run/quantum-ess/requests", "var/lib/quantum-ess")


class Stable:
    """One armed lab at a time. Whatever a test changed on its disk for good ends it."""

    def __init__(self, *, without: Callable[[str], Collection[str]]) -> None:
        self._without = without
        self._key: Key | None = None
        self._units: tuple[str, ...] = ()
        self._lab: Lab | None = None
        self._made: frozenset[tuple[str, int]] = frozenset()
        self._groups: frozenset[str] = frozenset()
        self._state: State | None = None

    def lab(
        self,
        image: str,
        units: Mapping[str, str] | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> Lab:
        """Return a lab that trades and is armed, with these units beside the four of the stack."""
        units, settings = dict(units or {}), dict(BRISK if settings is None else settings)
        key = (image, tuple(units.items()), tuple(settings.items()))
        before, self._key = self._key, None
        lab = self._lab
        if lab is None or before is None or before[:2] != key[:2]:
            self.drop()
            self._units = (*TRADING_UNITS, *units)
            lab = self._boot(image, units, settings)
            self._remember(lab)
        elif before != key:
            self._configure(lab, settings)
            self._remember(lab)
        self._key = key
        lab.begin_journal()
        return lab

    def _boot(self, image: str, units: Mapping[str, str], settings: Mapping[str, str]) -> Lab:
        self._lab = g.boot(image, without=self._without(image))
        if units:
            g.put_units(self._lab, units)
        return arm(self._lab, *units, settings=settings)

    def _configure(self, lab: Lab, settings: Mapping[str, str]) -> None:
        """Give the lab other settings: that takes a third of what another lab does."""
        configure(lab, {"QT_ESS_TRADING_UNITS": " ".join(self._units), **settings})
        done = ess(lab, "status")
        assert done.returncode == 0, done.stdout

    def _remember(self, lab: Lab) -> None:
        self._made, self._state = _made(lab), _state(lab, self._units)
        self._groups = _groups(lab)

    @property
    def labs(self) -> list[Lab]:
        """The lab, if one is up."""
        return [] if self._lab is None else [self._lab]

    def back(self) -> None:
        """Take the lab back after a test: it is released and trades again, or it is ended."""
        lab = self._lab
        if lab is None:
            return
        try:
            as_before = self._is_as_before(lab) or self._is_brought_back(lab)
        except (AssertionError, OSError):
            as_before = False
        if not as_before or _made(lab) != self._made:
            self.drop()

    def _is_as_before(self, lab: Lab) -> bool:
        state = _state(lab, self._units)
        return state is not None and state == self._state and _groups(lab) <= self._groups

    def _is_brought_back(self, lab: Lab) -> bool:
        if any_flag(lab):
            ess(lab, "deactivate", "--no-start")
        lab.systemctl("reset-failed", check=False)
        lab.systemctl("start", *self._units)
        lab.wait_until(lambda: len(alive(lab, self._units)) == len(self._units))
        return self._is_as_before(lab) or ess(lab, "status", "--quiet").returncode == 0

    def drop(self) -> None:
        """End the lab, if there is one."""
        if self._lab is not None:
            self._lab.down()
            self._lab = None


def _state(lab: Lab, units: Sequence[str]) -> State | None:
    """Return what was said of the units, how the directories are, and of when the last drill is.

    None while it is latched, a release is not through, or one of the units does not live.
    """
    if any_flag(lab) or lab.exists(rig.RUNNING) or len(alive(lab, units)) < len(units):
        return None
    told = lab.systemctl("show", f"--property={_JUDGED}", "--", *units, *_OURS).stdout
    inside = Path(f"/proc/{lab.leader}/root")
    held = [os.lstat(inside / one) for one in _DIRECTORIES]
    drill = os.lstat(inside / rig.DRILL.lstrip("/")).st_mtime_ns
    return told, tuple((one.st_mode, one.st_uid, one.st_gid) for one in held), drill


def _groups(lab: Lab) -> frozenset[str]:
    """Return the control groups there are, and the processes that tests have started."""
    groups = [directory for directory, _, _ in os.walk(lab.cgroup)]
    return frozenset((*groups, *(lab.cgroup / "lab.exec/cgroup.procs").read_text().split()))


def _made(lab: Lab) -> frozenset[tuple[str, int]]:
    """Return the files that were made in the lab, with their times, and names where tests work."""
    inside = Path(f"/proc/{lab.leader}/root")
    roots = (*(lab.upper / name for name in _ON_DISK), *(inside / name for name in _IN_RUN))
    made = [
        (path, os.lstat(path).st_mtime_ns)
        for root in roots
        for directory, _, files in os.walk(root)
        for path in (f"{directory}/{file}" for file in files)
    ]
    listed = [(f"{one}/{name}", 0) for one in _LISTED for name in os.listdir(inside / one)]
    return frozenset((*made, *listed))
