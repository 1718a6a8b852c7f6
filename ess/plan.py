"""What a release starts, and in which order: decided before the latch is touched."""

from __future__ import annotations

import re
import time
from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from ess import names, regular
from ess.errors import ReleaseError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ess.manager import Manager
    from ess.paths import Paths
    from ess.tripset import TripSet

UNKNOWN = "unknown"
# A socket has to listen before its service runs; a timer or path that fired first would start it.
_TURN = (".socket", ".service", ".timer", ".path")
_UNIT = re.compile(r"[A-Za-z0-9:_.\\@-]{1,250}\.(?:service|socket|timer|path)", re.ASCII)
# The enforcer writes the list while it stops; a release in the same second waits for it (s).
_LIST_PATIENCE = 2.0
_POLL = 0.05
_LONGEST_LIST = 1 << 20  # bytes


class Which(Enum):
    """Which units a release starts."""

    RUNNING = "running"
    ALL = "all"
    NONE = "none"


class Order(NamedTuple):
    """What the person asked for."""

    which: Which
    reason: str | None
    confirmed: bool


def choose(paths: Paths, which: Which, trip_set: TripSet, manager: Manager) -> list[str]:
    """Return the units to start, in order. Raises ReleaseError, ManagerError.

    All of them are those that a trip stops, be the configuration usable or not.
    """
    if which is Which.NONE:
        return []
    first = [unit for unit in trip_set.settings.start_order if unit in trip_set.trading]
    entries = list(dict.fromkeys((*first, *trip_set.trading)))
    units = concrete(entries, manager) if which is Which.ALL else were_running(paths)
    triggers = manager.show(units, ["Triggers"])
    return order(units, entries, {unit: triggers[unit].get("Triggers", "") for unit in units})


def were_running(paths: Paths) -> list[str]:
    """Return what ran when the latch fell. Raises ReleaseError when that is not known."""
    deadline = time.monotonic() + _LIST_PATIENCE
    while (units := _recorded(paths)) is None and time.monotonic() < deadline:
        time.sleep(_POLL)
    if units is None or UNKNOWN in units:
        raise ReleaseError(
            "release refused: it is not known what was running when the latch fell",
            "choose: --all starts every trading unit, --no-start starts none",
        )
    return [unit for unit in units if _UNIT.fullmatch(unit)]


def concrete(entries: Iterable[str], manager: Manager) -> list[str]:
    """Return the units that configured names and patterns stand for. Raises ManagerError."""
    found: list[str] = []
    for entry in entries:
        found += manager.matching([entry]) if names.is_pattern(entry) else [entry]
    return list(dict.fromkeys(found))


def listed(units: Iterable[str]) -> str:
    """Return the units as they stand after a colon: a line each, or the word for none."""
    return "".join(f"\n  {unit}" for unit in units) or " nothing."


def order(units: Sequence[str], entries: Iterable[str], triggers: Mapping[str, str]) -> list[str]:
    """Return `units` in the order of the configured entries, each with what triggers it. Pure."""
    ordered: list[str] = []
    for entry in entries:
        mine = [
            unit
            for unit in units
            if any(names.matches(entry, name) for name in (unit, *triggers[unit].split()))
        ]
        for suffix in _TURN:
            ordered += [unit for unit in mine if unit.endswith(suffix)]
    return list(dict.fromkeys((*ordered, *units)))


def _recorded(paths: Paths) -> list[str] | None:
    try:
        return regular.read(paths.running, _LONGEST_LIST).decode(errors="replace").split()
    except OSError:
        return None
