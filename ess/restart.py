"""Starting trading again: one unit at a time, each has to come up and stay up."""

from __future__ import annotations

import contextlib
import os
import time
from enum import Enum
from typing import TYPE_CHECKING

from ess.errors import ManagerError, ReleaseError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ess.config import Config
    from ess.console import Console
    from ess.manager import Manager
    from ess.paths import Paths

_PROPERTIES = ("ActiveState", "Result", "Type", "InvocationID", "NRestarts", "Job")
_RUNNING = ("active", "reloading", "refreshing")
POLL = 0.05
# Between two questions about a unit that settles (s).
_LOOK = 0.2


class Phase(Enum):
    """How far the start of a unit has come."""

    COMING = "coming"
    UP = "up"
    DONE = "done"
    DOWN = "down"


def judge(facts: Mapping[str, str], invocation_before: str) -> Phase:
    """Return how far a start has come that was queued after `invocation_before`. Pure.

    A oneshot that has run through is DONE; one that was never let run (an assert) is DOWN.
    """
    active = facts.get("ActiveState", "")
    if active in _RUNNING:
        return Phase.UP
    if active in ("activating", "deactivating") or facts.get("Job"):
        return Phase.COMING
    ran = facts.get("InvocationID", "") not in ("", invocation_before)
    well = active == "inactive" and facts.get("Result") == "success"
    return Phase.DONE if ran and well and facts.get("Type") == "oneshot" else Phase.DOWN


class Restart:
    """Starts units; `check` is called at every step and raises when the release is to stop."""

    def __init__(
        self, manager: Manager, settings: Config, console: Console, check: Callable[[], None]
    ) -> None:
        self._manager = manager
        self._settings = settings
        self._console = console
        self._check = check

    def prepare(self, paths: Paths, units: Sequence[str]) -> None:
        """Undo what the stop left on the units: `failed` from our SIGKILL, a cut network."""
        self._manager.reset_failed(units)
        for unit in _listing(paths.cut_dir):
            with contextlib.suppress(ManagerError, OSError):
                self._manager.reconnect(unit)
                os.unlink(f"{paths.cut_dir}/{unit}")

    def bring_up(self, unit: str) -> None:
        """Start one unit and return when it is up and has settled. Raises ReleaseError."""
        began = time.monotonic()
        before = self._facts(unit).get("InvocationID", "")
        self._manager.start([unit])
        facts = self._come_up(unit, before, began + self._settings.start_timeout)
        self._console.out(f"  up     {unit}  ({(time.monotonic() - began) * 1000:.0f} ms)")
        if facts is not None and unit.endswith(".service"):
            self._settle(unit, facts)

    def _come_up(self, unit: str, before: str, deadline: float) -> dict[str, str] | None:
        """Return what is known of the unit once it is up, None when it has run through."""
        while True:
            self._check()
            facts = self._facts(unit)
            phase = judge(facts, before)
            if phase is Phase.UP:
                return facts
            if phase is Phase.DONE:
                return None
            if phase is Phase.DOWN:
                # What somebody else has stopped does not come up either.
                self._check()
                why = facts.get("Result", "refused")
                raise ReleaseError(f"{unit} did not come up ({why})", _look_at(unit))
            if time.monotonic() > deadline:
                limit = self._settings.start_timeout
                raise ReleaseError(f"{unit} did not come up within {limit:g} s", _look_at(unit))
            time.sleep(POLL)

    def _settle(self, unit: str, first: Mapping[str, str]) -> None:
        now = time.monotonic()
        deadline, look = now + self._settings.settle, now + _LOOK
        while now < deadline:
            time.sleep(POLL)
            self._check()
            now = time.monotonic()
            if now >= min(look, deadline):
                look = now + _LOOK
                self._see_that_it_stays(unit, first)

    def _see_that_it_stays(self, unit: str, first: Mapping[str, str]) -> None:
        facts = self._facts(unit)
        same = all(facts.get(key) == first.get(key) for key in ("InvocationID", "NRestarts"))
        if not same or judge(facts, "") is not Phase.UP:
            self._check()
            limit = self._settings.settle
            what = f"{unit} came up but did not stay up for {limit:g} s"
            raise ReleaseError(what, _look_at(unit))

    def _facts(self, unit: str) -> dict[str, str]:
        return self._manager.show([unit], _PROPERTIES)[unit]


def _look_at(unit: str) -> str:
    return f"look at: journalctl -u {unit}"


def _listing(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError:
        return []
