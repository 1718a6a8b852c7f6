"""The facts of a host on which nothing is wrong, to be spoilt by tests."""

from __future__ import annotations

import itertools
from typing import Any

from ess import config
from ess.facts import Disk, Drill, Facts, FileState, Kernel, Settings, Systemd
from ess.judge_trading import required
from ess.latch import State
from ess.paths import GATE, Paths

PATHS = Paths()
NOW = 1_800_000_000.0
TRADING = ("quantum-execution.service", "quantum-governor.service")
CONFIG = config.default()._replace(trading=TRADING, start_order=TRADING)
WATCHERS = (
    PATHS.path_unit,
    PATHS.quick_path_unit,
    PATHS.disk_path_unit,
    PATHS.request_path_unit,
    PATHS.request_names_unit,
    PATHS.sentry_timer,
    PATHS.drill_timer,
)
HALT_LIST = f"{PATHS.unit_dir}/{PATHS.halt_target}.d/units.conf"


def gate(unit: str) -> str:
    return f"{PATHS.unit_dir}/{unit}.d/{GATE}"


def own_unit(unit: str) -> dict[str, str]:
    watching = unit in WATCHERS
    return {
        "LoadState": "loaded",
        "ActiveState": "active" if watching else "inactive",
        "ActiveEnterTimestampMonotonic": "1000000" if watching else "0",
        "SubState": "waiting" if watching else "dead",
        "Result": "success",
        "UnitFileState": "enabled" if watching else "static",
        "FragmentPath": f"{PATHS.unit_dir}/{unit}",
        "DropInPaths": HALT_LIST if unit == PATHS.halt_target else "",
        "NeedDaemonReload": "no",
        "Conflicts": " ".join(TRADING) if unit == PATHS.halt_target else "",
    }


def trading_unit(unit: str) -> dict[str, str]:
    return {
        "LoadState": "loaded",
        "ActiveState": "active",
        "SubState": "running",
        "DropInPaths": gate(unit),
        "NeedDaemonReload": "no",
        "RuntimeDirectory": "",
        "ExecStart": "",
    }


def healthy() -> Facts:
    units = {unit: own_unit(unit) for unit in PATHS.own_units}
    units |= {unit: trading_unit(unit) for unit in TRADING}
    installed = itertools.chain(
        (f"{PATHS.unit_dir}/{unit}" for unit in PATHS.own_units),
        map(gate, TRADING),
        (HALT_LIST, PATHS.controller),
    )
    return Facts(
        now=NOW,
        monotonic=1000.0,
        latch=State.CLEAR,
        settings=Settings(CONFIG, "", CONFIG),
        systemd=Systemd(
            trading=TRADING,
            units=units,
            assertions={unit: required(PATHS) for unit in TRADING},
        ),
        kernel=Kernel(),
        disk=Disk(
            files=dict.fromkeys(installed, FileState.SAME),
            manifest_error="",
            directories=dict.fromkeys(
                (PATHS.run_dir, PATHS.state_dir, PATHS.runtime_dir, PATHS.requests), ""
            ),
            drill=Drill(NOW - 3600, "PASS", "2027-01-15T07:00:00Z"),
            left_running=False,
        ),
    )


def with_unit(unit: str, **changed: str) -> Facts:
    facts = healthy()
    units = dict(facts.systemd.units)
    units[unit] = units.get(unit, {}) | changed
    return facts._replace(systemd=facts.systemd._replace(units=units))


def with_file(path: str, state: FileState | None) -> Facts:
    facts = healthy()
    files = {name: known for name, known in facts.disk.files.items() if name != path}
    if state is not None:
        files[path] = state
    return facts._replace(disk=facts.disk._replace(files=files))


def with_part(part: str, **changed: Any) -> Facts:
    facts = healthy()
    return facts._replace(**{part: getattr(facts, part)._replace(**changed)})
