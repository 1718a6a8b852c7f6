"""Policy: what keeps the automatic watcher from watching. Pure.

None of it can keep a stop from working, so each finding is a warning.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ess.findings import Finding
from ess.watch.how import How, how, listed, unheard

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ess.facts import Facts, Properties
    from ess.paths import Paths
    from ess.watch.look import Watch
    from ess.watch.standing import Standing

# How long who writes figures may take to begin, and a source to answer again (s).
_LEARNS = 120.0
_ANSWERS = 60.0
_MOST = 10
_NEVER = ("0", "infinity", str(2**64 - 1))


def judge(facts: Facts, paths: Paths) -> Iterator[Finding]:
    """Yield what is wrong with the watcher; nothing where it is switched off."""
    watch = facts.watch
    if watch is None or watch.is_off:
        return
    unit = facts.systemd.units.get(paths.watch_unit, {})
    yield from _settings(watch, paths)
    found = how(watch)
    if found is How.DOWN:
        yield _down(watch, unit, paths)
    elif found is How.UNKNOWN:
        where = paths.watch_config if watch.hidden else paths.watch_unit
        yield Finding("watch-unknown", where, _unknown(watch), "sudo ess doctor")
    elif found is How.SILENT:
        again = f"sudo systemctl restart {paths.watch_unit}"
        fix = f"{again}; journalctl -u {paths.watch_unit} -n 20"
        yield Finding("watcher-silent", paths.watch_unit, unheard(watch, facts.now), fix)
    elif watch.standing is not None:
        yield from _judges(watch, watch.standing, paths)
    if watch.hidden and found is not How.UNKNOWN:
        yield Finding("watch-unknown", paths.watch_config, _unknown(watch), "sudo ess doctor")
    if not facts.systemd.error:
        yield from _after_boot(watch, unit, paths)
        yield from _dead_man(facts, unit, paths)


def _settings(watch: Watch, paths: Paths) -> Iterator[Finding]:
    file, restart = paths.watch_config, f"sudo systemctl restart {paths.watch_unit}"
    for problem in watch.problems[:_MOST]:
        place, _, what = problem.partition(": ")
        where, message = (place, what) if place.startswith(file) else (file, problem)
        yield Finding("watch-misconfigured", where, message, f"correct {file}; {restart}")
    if (more := len(watch.problems) - _MOST) > 0:
        message = f"{more} more lines of it are wrong"
        yield Finding("watch-misconfigured", file, message, f"correct {file}; {restart}")


def _down(watch: Watch, unit: Properties, paths: Paths) -> Finding:
    name, load = paths.watch_unit, unit.get("LoadState", "")
    again = f"sudo {paths.installer} --configure"
    if load == "masked":
        return Finding("watcher-down", name, "is masked", f"sudo systemctl unmask {name}; {again}")
    if load == "not-found":
        return Finding("watcher-down", name, "is not installed", again)
    start = f"sudo systemctl start {name}; journalctl -u {name} -n 20"
    if watch.state.startswith("failed"):
        why = unit.get("Result", "unknown")
        fix = f"sudo systemctl reset-failed {name}; {start}"
        return Finding("watcher-down", name, f"has failed ({why})", fix)
    if watch.state.startswith("activating"):
        message = f"is {watch.state} for {watch.since or 0.0:.0f} s"
        return Finding("watcher-down", name, message, f"journalctl -u {name} -n 20")
    message = f"is {watch.state}, though switched on"
    # Whoever has changed the file and not applied it needs more than a start.
    enabled = unit.get("UnitFileState", "").startswith("enabled")
    return Finding("watcher-down", name, message, start if enabled else again)


def _unknown(watch: Watch) -> str:
    if watch.hidden:
        return "cannot be read: only root and the group quantum-ess may"
    return watch.trouble or "it is not known whether it is switched on"


def _judges(watch: Watch, standing: Standing, paths: Paths) -> Iterator[Finding]:
    unit, file = paths.watch_unit, paths.watch_config
    restart = f"sudo systemctl restart {unit}"
    if watch.outdated:
        message = f"{file} was changed since it was started"
        yield Finding("watcher-outdated", unit, message, restart)
    if standing.dry_run:
        fix = f"set QT_ESS_DRY_RUN=false in {file}; {restart}"
        yield Finding("watcher-dry-run", unit, "decides and alerts, and stops nothing", fix)
    if standing.sources == {}:
        fix = f"set QT_ESS_WATCH_REDIS_URL in {file}; {restart}"
        yield Finding("watcher-deaf", unit, "no source of figures is configured", fix)
        return
    if not standing.evaluators:
        fix = f"correct QT_ESS_WATCH_OFF in {file}; {restart}"
        yield Finding("watcher-deaf", unit, "every evaluator is switched off", fix)
    for name, one in standing.troubles.items():
        if one.lasts > _ANSWERS:
            message = f"{name}: {one.what}; for {one.lasts:.0f} s"
            yield Finding("watcher-deaf", unit, message, "sudo ess watch check")
    if standing.learning and (watch.since is None or watch.since > _LEARNS):
        message = f"no figures yet: {listed(standing.learning)}"
        fix = f"have a process write them, or name them in QT_ESS_WATCH_OFF in {file}; {restart}"
        yield Finding("watcher-deaf", unit, message, fix)


def _after_boot(watch: Watch, unit: Properties, paths: Paths) -> Iterator[Finding]:
    if watch.judges and unit.get("UnitFileState") == "disabled":
        fix = f"sudo {paths.installer} --configure"
        yield Finding("watcher-disabled", paths.watch_unit, "is not enabled", fix)


def _dead_man(facts: Facts, unit: Properties, paths: Paths) -> Iterator[Finding]:
    name, load = paths.watch_deadman_unit, unit.get("LoadState")
    known = facts.systemd.units.get(name, {})
    again = f"sudo {paths.installer} --configure"
    drop_ins = [one for one in unit.get("DropInPaths", "").split() if f"/{paths.watch_unit}" in one]
    mend = "; ".join([*(f"remove {one}" for one in drop_ins), "sudo systemctl daemon-reload"])
    code = "watcher-without-dead-man"
    if known.get("LoadState") == "masked":
        yield Finding(code, name, "is masked", f"sudo systemctl unmask {name}; {again}")
    elif known.get("LoadState", "loaded") != "loaded":
        yield Finding(code, name, f"is {known['LoadState']} for systemd", again)
    elif "watch_deadman.sh died" not in known.get("ExecStart", "watch_deadman.sh died"):
        own = [one for one in known.get("DropInPaths", "").split() if f"/{name}" in one]
        fix = "; ".join([*(f"remove {one}" for one in own), "sudo systemctl daemon-reload", again])
        yield Finding(code, name, "does not run what was installed", fix)
    if load == "loaded" and name not in unit.get("OnFailure", name).split():
        message = "OnFailure= does not name the dead man"
        yield Finding(code, paths.watch_unit, message, f"{mend}; {again}")
    if load == "loaded" and unit.get("WatchdogUSec") in _NEVER:
        message = "WatchdogSec= is off: nobody notices when it hangs"
        yield Finding(code, paths.watch_unit, message, f"{mend}; {again}")
