"""Armed labs that are kept from test to test, as long as each test leaves them as they were."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from tests.lab import ground as g
from tests.lab.rig import BRISK, alive, any_flag, arm, ess
from tests.lab.stack import TRADING_UNITS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from tests.lab.lab import Lab

Key = tuple[str, tuple[tuple[str, str], ...], tuple[tuple[str, str], ...]]
# What decides how a lab behaves from now on; the rest is state, which `ess status` judges.
_ON_DISK = ("etc", "usr", "opt")
_IN_RUN = ("run/systemd/system", "run/systemd/transient", "run/systemd/system.control")
# Where tests lay down what they need.
_LISTED = ("run", "root", "srv", "mnt", "var/lib")


class Stable:
    """One armed lab at a time. Whatever a test changed on its disk for good ends it."""

    def __init__(self, *, latch_alone: Collection[str]) -> None:
        self._latch_alone = latch_alone
        self._key: Key | None = None
        self._units: tuple[str, ...] = ()
        self._lab: Lab | None = None
        self._made: frozenset[tuple[str, int]] = frozenset()

    def lab(
        self,
        image: str,
        units: Mapping[str, str] | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> Lab:
        """Return a lab that trades and is armed, with these units beside the four of the stack."""
        units, settings = dict(units or {}), dict(BRISK if settings is None else settings)
        key = (image, tuple(units.items()), tuple(settings.items()))
        if self._lab is None or self._key != key:
            self.drop()
            self._lab = g.boot(image, latch_alone=image in self._latch_alone)
            self._key = key
            self._units = (*TRADING_UNITS, *units)
            if units:
                g.put_units(self._lab, units)
            arm(self._lab, *units, settings=settings)
            self._made = _made(self._lab)
        self._lab.begin_journal()
        return self._lab

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
            if any_flag(lab):
                ess(lab, "deactivate", "--no-start")
            lab.systemctl("reset-failed", check=False)
            lab.systemctl("start", *self._units)
            lab.wait_until(lambda: len(alive(lab, self._units)) == len(self._units))
            as_before = ess(lab, "status", "--quiet").returncode == 0 and _made(lab) == self._made
        except AssertionError:
            as_before = False
        if not as_before:
            self.drop()

    def drop(self) -> None:
        """End the lab, if there is one."""
        if self._lab is not None:
            self._lab.down()
            self._lab = None


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
