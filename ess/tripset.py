"""What a trip has to stop, and how: the answer that never fails."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from ess import config, names
from ess.errors import ConfigError
from ess.paths import GATE

if TYPE_CHECKING:
    from ess.config import Config
    from ess.paths import Paths


_UNIT_PATH = (
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
)


class TripSet(NamedTuple):
    """Names and patterns of the trading units, the settings, and what to tell the person."""

    trading: tuple[str, ...]
    settings: Config
    notes: tuple[str, ...]


def for_trip(paths: Paths) -> TripSet:
    """Return what to stop: all that is configured now, was configured at the last install, or
    carries the gate.

    Never fails and is never empty: a broken configuration is noted and the last good one used, and
    without any the four default units are stopped.
    """
    notes: list[str] = []
    installed = _load(paths.installed, [])
    used = "the units of the last installation" if installed else "the default units"
    current = _load(paths.config, notes, used)
    known = [loaded for loaded in (current, installed) if loaded] or [config.default()]
    units = [unit for loaded in known for unit in loaded.trading] + gated(paths)
    units += [own for unit in units if (own := own_name(paths, unit))]
    return TripSet(tuple(dict.fromkeys(units)), known[0], tuple(notes))


def own_name(paths: Paths, unit: str) -> str:
    """Return the own name of a unit that is only another name, a symlink in the unit path, or "".

    The kernel knows a unit by its own name only.
    """
    for directory in (paths.unit_dir, *(f"{paths.root}{place}" for place in _UNIT_PATH)):
        try:
            target = os.path.basename(os.readlink(f"{directory}/{unit}"))
        except OSError:
            continue
        return target if target != unit and target.endswith(names.SERVICE) else ""
    return ""


def gated(paths: Paths) -> list[str]:
    """Return the units whose gate is on disk, templates as patterns of their instances."""
    found = []
    for name in _listing(paths.unit_dir):
        unit = name.removesuffix(".d")
        own = unit.startswith(names.OWN_PREFIX)
        if own or unit == name or not os.path.exists(f"{paths.unit_dir}/{name}/{GATE}"):
            continue
        bare = names.is_bare_template(unit)
        found.append(unit.replace("@.", "@*.") if bare else unit)
    return sorted(found)


def _listing(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError:
        return []


def _load(path: str, notes: list[str], used: str = "") -> Config | None:
    """Return None where it cannot be used, and note what is `used` instead."""
    try:
        return config.load(path)
    except ConfigError as error:
        notes.append(f"configuration not usable: {error}; using {used}")
        return None
