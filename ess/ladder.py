"""The stop, done by us because the enforcer does not: ask systemd, ask the processes, then kill.

The enforcer walks the same ladder (ops/lib/contain.sh). Everything that talks to systemd is done in
a child: it may be deaf.
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING

from ess import bounded, cgroup, escaped, stoppers
from ess.containment import queued_starts
from ess.errors import CgroupError, ManagerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ess.cgroup import Cgroup
    from ess.containment import Look
    from ess.manager import Manager
    from ess.paths import Paths

# For the child that asks systemd to thaw, stop and forget: three questions (s).
_ASKING = 4.0


class Ladder:
    """Stops the trading units; `kill_from` is when asking ends and killing begins (monotonic s)."""

    def __init__(
        self, paths: Paths, manager: Manager, trading: Sequence[str], kill_from: float
    ) -> None:
        self._paths = paths
        self._manager = manager
        self._trading = trading
        self._kill_from = kill_from
        self._asked = False

    def step(self, seen: Look) -> None:
        """Do what is due now to what lives. Raises nothing; call it until nothing does."""
        if not self._asked:
            self._asked = True
            bounded.spawn(lambda: self._ask_systemd(seen.alive), _ASKING, stoppers.held())
            for group in seen.alive:
                cgroup.terminate(group)
        if time.monotonic() >= self._kill_from:
            self._kill(seen.alive)
            escaped.kill(seen.escaped)

    def _kill(self, alive: Sequence[Cgroup]) -> None:
        with contextlib.suppress(CgroupError):
            top = cgroup.root(self._paths.cgroup_mount)
            for group in alive:
                with contextlib.suppress(CgroupError):
                    cgroup.kill(top, group)

    def _ask_systemd(self, alive: Sequence[Cgroup]) -> None:
        units = [group.unit for group in alive]
        # 257 refuses to stop what is frozen, and does not tell the target that conflicts with it.
        for frozen in _frozen(alive, self._paths.cgroup_mount):
            _try(self._manager.thaw, [frozen])
        if units:
            _try(self._manager.stop, units)
        with contextlib.suppress(ManagerError):
            self._manager.cancel(queued_starts(self._manager, self._trading))


def _try(request: Callable[[Sequence[str]], None], units: Sequence[str]) -> None:
    with contextlib.suppress(ManagerError):
        request(units)


def _frozen(alive: Iterable[Cgroup], mount: str) -> list[str]:
    """Return the frozen units and, before them, the slices they are in, outermost first."""
    found: dict[str, None] = {}
    for group in alive:
        if cgroup.frozen(group):
            inner = os.path.relpath(group.path, mount).split("/")
            found |= dict.fromkeys(name for name in inner if name.endswith(".slice"))
            found[group.unit] = None
    return list(found)
