"""Whether trading is down, measured: what lives, in its cgroups or not, and what may start."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ess import cgroup, escaped, names
from ess.errors import CgroupError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ess.cgroup import Cgroup
    from ess.escaped import Escaped
    from ess.manager import Job, Manager
    from ess.paths import Paths

_MOVING = ("activating", "deactivating")


class Look(NamedTuple):
    """One look at trading; `error` says why it is not known what else lives.

    `escaped`: what lives outside its unit's cgroup.
    """

    alive: tuple[Cgroup, ...]
    error: str = ""
    escaped: tuple[Escaped, ...] = ()

    @property
    def empty(self) -> bool:
        """Nothing lives, and that is known."""
        return not (self.alive or self.escaped or self.error)

    def units(self) -> list[str]:
        """Return the names of the units that live, sorted."""
        found = {group.unit for group in self.alive}
        return sorted(found.union(process.unit for process in self.escaped))

    def pids(self) -> dict[str, tuple[int, ...]]:
        """Return the processes of each unit that lives, as far as they can be read."""
        found: dict[str, tuple[int, ...]] = dict.fromkeys(self.units(), ())
        for group in self.alive:
            found[group.unit] += tuple(cgroup.pids(group))
        for process in self.escaped:
            found[process.unit] += (process.pid,)
        return found


def look(paths: Paths, patterns: Sequence[str]) -> Look:
    """Return which trading units have a living process. Raises nothing."""
    try:
        found = cgroup.find(cgroup.root(paths.cgroup_mount), patterns)
    except CgroupError as error:
        return Look((), str(error))
    alive, errors = [], []
    for group in found:
        try:
            if cgroup.populated(group):
                alive.append(group)
        except CgroupError as error:
            errors.append(str(error))
    try:
        outside = escaped.alive(paths)
    except OSError as error:
        outside = ()
        errors.append(f"{paths.escaped}: {error.strerror}")
    outside = tuple(process for process in outside if names.matches_any(patterns, process.unit))
    return Look(tuple(alive), "; ".join(errors[:1]), outside)


def queued_starts(manager: Manager, patterns: Sequence[str]) -> list[Job]:
    """Return the jobs that end with a trading unit running. Raises ManagerError."""
    return [job for job in manager.jobs() if job.starts and names.matches_any(patterns, job.unit)]


def coming(manager: Manager, patterns: Sequence[str]) -> list[str]:
    """Return the trading units that may have a process in a moment, though they have none now.

    Queued to start; waiting for their restart; or between ExecStop= and ExecStopPost=: in neither
    is an empty cgroup a proof. Raises ManagerError.
    """
    units = {job.unit for job in queued_starts(manager, patterns)}
    globs = [pattern for pattern in patterns if names.is_pattern(pattern)]
    known = [pattern for pattern in patterns if pattern not in globs]
    known += manager.matching(globs) if globs else []
    states = manager.show(known, ["ActiveState"])
    return sorted(units.union(unit for unit in known if states[unit].get("ActiveState") in _MOVING))
