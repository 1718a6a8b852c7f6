"""Users that nobody but trading runs as: what they run outside its units is trading, too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ess import names, regular, strays
from ess.errors import ManagerError
from ess.facts import Stray

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ess.facts import Properties
    from ess.manager import Manager
    from ess.strays import Process
    from ess.tripset import TripSet

_LARGEST = 1 << 20
_ROOT, _NOBODY = 0, 65534
_FIELDS = 7
_NO_LOGIN = ("nologin", "false")
# A user's manager, which is no more than systemd itself.
_USER_MANAGER, _MANAGER_ITSELF = "user@", "/init.scope"


def and_strays(
    units: Mapping[str, Properties], main: Mapping[int, str], trip: TripSet, manager: Manager
) -> tuple[Stray, ...]:
    """Return what strays.outside() finds on this host, then what outside() finds besides.

    `units`: strays.PROPERTIES of each trading unit; `main` as there. Raises OSError.
    """
    monitors, processes = trip.settings.monitors, strays.read()
    found = strays.outside(strays.programs(units), main, trip.trading, monitors, processes)
    known = {stray.pid for stray in found}
    others = [process for process in processes if process.pid not in known]
    return (*found, *outside(units, monitors, others, manager))


def outside(
    units: Mapping[str, Properties],
    monitors: Sequence[str],
    processes: Sequence[Process],
    manager: Manager,
    accounts: str = "/etc/passwd",
) -> tuple[Stray, ...]:
    """Return the processes of trading's users outside the trading units.

    `units`: User and DynamicUser of each trading unit. A user is trading's when nobody can log in
    as it, and a process of it is not another service's that runs as it; a systemd that does not
    answer makes none of them another service's. Raises nothing.
    """
    owners = _owners(units, accounts)
    ours = (*units, *monitors)
    found = [
        process
        for process in processes
        if process.user in owners
        and not strays.unit_of(process.cgroup, ours)
        and not process.cgroup.endswith(_MANAGER_ITSELF)
    ]
    if not found:
        return ()
    served = _served({strays.unit_of(process.cgroup, ("*",)) for process in found}, manager)
    return tuple(
        Stray(unit, process.pid, process.cgroup, user=user)
        for process in found
        for unit, user in [owners[process.user]]
        if served.get(strays.unit_of(process.cgroup, ("*",))) not in (user, str(process.user))
    )


def _served(groups: set[str], manager: Manager) -> dict[str, str]:
    """Return the User= of each service among these units."""
    services = [
        unit
        for unit in sorted(groups)
        if unit.endswith(names.SERVICE) and not unit.startswith(_USER_MANAGER)
    ]
    try:
        known = manager.show(services, ["User"]) if services else {}
    except ManagerError:
        return {}
    return {unit: known[unit].get("User", "") for unit in services}


def _owners(units: Mapping[str, Properties], accounts: str) -> dict[int, tuple[str, str]]:
    """Return, by user number, a trading unit that runs as this user, and the name it has there."""
    numbers = _closed(accounts)
    found = {}
    for unit, known in units.items():
        name = known.get("User", "")
        if numbers.get(name, _ROOT) not in (_ROOT, _NOBODY) and known.get("DynamicUser") != "yes":
            found[numbers[name]] = (unit, name)
    return found


def _closed(accounts: str) -> dict[str, int]:
    """Return the users as whom nobody can log in, by name and by number in decimal."""
    try:
        # Not asked of a directory service, which may hang.
        text = regular.read(accounts, _LARGEST).decode(errors="replace")
    except OSError:
        return {}
    rows = [row for line in text.splitlines() if len(row := line.split(":")) == _FIELDS]
    rows = [row for row in rows if row[2].isascii() and row[2].isdigit()]
    # A number may have a second name.
    someone = {int(row[2]) for row in rows if row[6].rsplit("/", 1)[-1] not in _NO_LOGIN}
    closed = {row[0]: int(row[2]) for row in rows if int(row[2]) not in someone}
    return closed | {str(number): number for number in closed.values()}
