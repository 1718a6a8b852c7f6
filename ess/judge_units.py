"""Policy: are our own units in place, watching, and what was installed? Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ess.facts import FileState
from ess.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ess.facts import Facts, Properties
    from ess.paths import Paths

_WATCHING = ("waiting", "running", "elapsed")
_LIMITS = ("start-limit-hit", "unit-start-limit-hit", "trigger-limit-hit")
_ENABLED = ("enabled", "enabled-runtime", "static", "alias", "indirect", "generated")


def watchers(facts: Facts, paths: Paths) -> Iterator[Finding]:
    """Yield what keeps the units that watch from watching."""
    for prefix, unit in (
        ("path", paths.path_unit),
        ("quick-path", paths.quick_path_unit),
        ("disk-path", paths.disk_path_unit),
        ("request-path", paths.request_path_unit),
        ("request-path", paths.request_names_unit),
        ("sentry", paths.sentry_timer),
        ("drill-timer", paths.drill_timer),
    ):
        known = facts.systemd.units.get(unit, {})
        yield from _watcher(prefix, unit, known, paths)


def _watcher(prefix: str, unit: str, known: Properties, paths: Paths) -> Iterator[Finding]:
    load, active = known.get("LoadState", "unknown"), known.get("ActiveState", "unknown")
    again = f"sudo {paths.installer} --configure"
    if load == "masked":
        fix = f"sudo systemctl unmask {unit}; {again}"
        yield Finding(f"{prefix}-masked", unit, "is masked", fix)
    elif load != "loaded":
        yield Finding(f"{prefix}-missing", unit, f"is {load} for systemd", again)
    elif active == "failed":
        why = known.get("Result", "unknown")
        fix = f"sudo systemctl reset-failed {unit}; sudo systemctl start {unit}"
        yield Finding(f"{prefix}-failed", unit, f"has failed ({why})", fix)
    elif active != "active" or known.get("SubState") not in _WATCHING:
        state = f"{active} ({known.get('SubState', 'unknown')})"
        yield Finding(f"{prefix}-stopped", unit, f"is {state}", f"sudo systemctl start {unit}")
    elif known.get("UnitFileState") not in _ENABLED:
        yield Finding(f"{prefix}-disabled", unit, "is not enabled", f"sudo systemctl enable {unit}")


def parts(facts: Facts, paths: Paths) -> Iterator[Finding]:
    """Yield which of our units are missing, have hit a limit, or are not as installed."""
    watching = (
        paths.path_unit,
        paths.quick_path_unit,
        paths.disk_path_unit,
        paths.request_path_unit,
        paths.request_names_unit,
        paths.sentry_timer,
        paths.drill_timer,
    )
    again = f"sudo {paths.installer} --configure"
    for unit in paths.own_units:
        known = facts.systemd.units.get(unit, {})
        load = known.get("LoadState", "unknown")
        if unit not in watching and load != "loaded":
            yield Finding("unit-missing", unit, f"is {load} for systemd", again)
        elif unit not in watching and known.get("Result") in _LIMITS:
            fix = f"sudo systemctl reset-failed {unit}"
            yield Finding("start-limit", unit, f"failed ({known['Result']})", fix)
        if load == "loaded":
            yield from _as_installed(unit, known, facts, paths)


def _as_installed(unit: str, known: Properties, facts: Facts, paths: Paths) -> Iterator[Finding]:
    files = facts.disk.files
    expected = f"{paths.unit_dir}/{unit}"
    fragment = known.get("FragmentPath", "")
    if fragment != expected:
        fix = f"remove {fragment}; sudo systemctl daemon-reload"
        yield Finding("unit-altered", unit, f"is read from {fragment}", fix)
    for drop_in in known.get("DropInPaths", "").split():
        # Drop-ins for whole types of units are the distribution's and reset no setting of ours.
        if drop_in not in files and f"/{unit}.d/" in drop_in:
            fix = f"remove {drop_in}; sudo systemctl daemon-reload"
            yield Finding("unit-altered", unit, f"is changed by {drop_in}", fix)
    if files.get(expected) is FileState.ALTERED:
        fix = f"sudo {paths.installer} --configure"
        yield Finding("unit-altered", unit, f"{expected} was edited", fix)
    if known.get("NeedDaemonReload") == "yes":
        yield Finding(
            "needs-reload", unit, "changed since systemd read it", "sudo systemctl daemon-reload"
        )
