"""Looking at everything the monitor shows. What cannot be looked at is unknown, and says why."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ess import config, containment, names, plan, status, tripset
from ess.audit import history
from ess.audit import log as audit
from ess.errors import ConfigError, ManagerError
from ess.manager import choose
from ess.monitor.picture import Past, Picture, Role, Unit
from ess.text import clean
from ess.watch.look import Watch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ess.manager import Manager
    from ess.paths import Paths

_PROPERTIES = ("Id", "LoadState", "ActiveState", "SubState")


class Gatherer:
    """Takes pictures, one after the other; the audit log is read anew only when it has changed."""

    def __init__(self, paths: Paths, most: int) -> None:
        self._paths = paths
        self._most = most
        self._seen: tuple[int, ...] | None = None
        self._past = Past()

    def picture(self) -> Picture:
        """Return everything as it is now. Raises EssError when there is no way to systemd at all.

        Bounded in time like `ess status`.
        """
        manager = choose()
        view = status.current(self._paths, manager)
        # A systemd that has just not answered is not waited for again.
        asked = None if _is_silent(view.findings) else manager
        return Picture(
            view,
            status.exit_code(view),
            units(self._paths, asked),
            view.watch or Watch(wanted=None),
            self._history() if self._most else None,
        )

    def _history(self) -> Past:
        seen = _signature(self._paths.audit)
        if seen is None or seen != self._seen:
            self._past, self._seen = past(self._paths, self._most), seen
        return self._past


def units(paths: Paths, manager: Manager | None) -> tuple[Unit, ...]:
    """Return the trading units and those that keep running, each once. Raises nothing.

    `manager`: None when systemd does not answer; then the kernel alone is asked.
    """
    wanted = {Role.TRADING: tripset.for_trip(paths).trading, Role.MONITOR: _monitors(paths)}
    found: dict[str, Unit] = {}
    for role, entries in wanted.items():
        concrete = _concrete(entries, manager)
        states = _states(manager, concrete)
        # The kernel knows a unit by its own name only, and another name is no other unit.
        own = {
            unit: states.get(unit, {}).get("Id") or tripset.own_name(paths, unit) or unit
            for unit in concrete
        }
        alive = _alive(paths, [*entries, *own.values()])
        said = {own[unit]: _said(states.get(unit, {})) for unit in concrete}
        for name in dict.fromkeys((*own.values(), *sorted(alive or ()))):
            lives = None if alive is None else name in alive
            found.setdefault(name, Unit(clean(name), role, lives, said.get(name, "")))
    return tuple(found.values())


def past(paths: Paths, most: int) -> Past:
    """Return the last `most` activations. Raises nothing."""
    try:
        found = history.activations(audit.records(paths))
    except PermissionError:
        return Past((), "only root may read the audit log; run: sudo ess monitor")
    except (OSError, EOFError, ValueError) as error:
        return Past((), clean(f"the audit log cannot be read: {error}"))
    return Past(tuple(found[:most]))


def _is_silent(findings: Sequence[object]) -> bool:
    return any(getattr(finding, "code", "") == "systemd-silent" for finding in findings)


def _monitors(paths: Paths) -> tuple[str, ...]:
    for place in (paths.config, paths.installed):
        try:
            return config.load(place).monitors
        except ConfigError:
            continue
    return config.default().monitors


def _alive(paths: Paths, entries: Sequence[str]) -> set[str] | None:
    seen = containment.look(paths, entries)
    return None if seen.error else set(seen.units())


def _concrete(entries: Sequence[str], manager: Manager | None) -> list[str]:
    if manager is not None:
        try:
            return plan.concrete(entries, manager)
        except ManagerError:
            pass
    return [entry for entry in entries if not names.is_pattern(entry)]


def _states(manager: Manager | None, wanted: Sequence[str]) -> dict[str, dict[str, str]]:
    try:
        return manager.show(wanted, _PROPERTIES) if manager else {}
    except ManagerError:
        return {}


def _said(known: dict[str, str]) -> str:
    """Return what systemd says of a unit, in its words."""
    if not known.get("ActiveState"):
        return ""
    if known.get("LoadState") == "not-found":
        return "inactive (not installed)"
    return clean(f"{known['ActiveState']} ({known.get('SubState') or 'unknown'})", 60)


def _signature(path: str) -> tuple[int, ...] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return (found.st_ino, found.st_size, found.st_mtime_ns)
