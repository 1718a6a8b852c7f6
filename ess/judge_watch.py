"""Policy: how the automatic watcher is, in one line and as findings. Pure.

None of it can keep a stop from working, so each finding is a warning; but a watcher that does not
watch is never passed over, and what is not known of it is never called well.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from ess.findings import Finding
from ess.text import clean

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ess.facts import Facts, Properties
    from ess.paths import Paths
    from ess.watch.look import Watch
    from ess.watch.standing import Standing

# How long a start may take (s): systemd's own limit for it.
_STARTS = 15.0
# How long who writes figures may take to begin, and a source to answer again (s).
_LEARNS = 120.0
_ANSWERS = 60.0
_MOST = 10
_TROUBLES, _WHAT = 3, 100  # sources on a line, and bytes of what is wrong with each
_UNITS = ((86400, "days"), (3600, "h"), (60, "min"))
_LONGEST = 1e6
_NEVER = ("0", "infinity", str(2**64 - 1))
_DEAF = "automatic triggers do not work"
_DOCTOR = "see: ess doctor"


class How(Enum):
    """How the watcher is."""

    OFF = "off"
    STARTING = "starting"
    DOWN = "down"
    SILENT = "silent"  # it runs, and does not say how it stands
    UNKNOWN = "unknown"
    DEAF = "deaf"  # it runs, and has no figure to judge by
    IMPAIRED = "impaired"  # something is wrong with where its figures come from
    DRY_RUN = "dry-run"
    WATCHING = "watching"


class Line(NamedTuple):
    """`tone`: bad, warn, good or ""; it never says what the text does not."""

    text: str
    tone: str


def how(watch: Watch) -> How:
    """Return how it is."""
    if watch.is_off:
        return How.OFF
    if watch.is_down:
        return How.UNKNOWN if watch.wanted is None else How.DOWN
    if watch.state.startswith("activating") and not watch.judges:
        return How.STARTING if (watch.since or 0.0) < _STARTS else How.DOWN
    if watch.standing is None and (watch.hidden or watch.wanted is None):
        return How.UNKNOWN
    if watch.standing is None or not watch.judges:
        return How.SILENT
    return _judging(watch.standing)


def line(watch: Watch, now: float) -> Line:
    """Return what a person has to know of it; "" when it is off. `now`: s since the epoch."""
    match how(watch):
        case How.OFF:
            return Line("", "")
        case How.STARTING:
            return Line(f"starting - {_DEAF} yet", "warn")
        case How.DOWN:
            return Line(f"DOWN ({_word(watch.state)}) - {_DEAF}; {_DOCTOR}", "bad")
        case How.UNKNOWN:
            why = watch.trouble or "its settings cannot be read"
            return Line(f"UNKNOWN - {why}", "warn")
        case How.SILENT:
            said = f"{_silent(watch, now)} - automatic triggers may not work; {_DOCTOR}"
            return Line(said, "bad")
        case found:
            return _running(found, watch.standing) if watch.standing else Line("", "")


def unheard(watch: Watch, now: float) -> str:
    """Return why it is not known how the limits stand."""
    if watch.standing is None and watch.trouble:
        return watch.trouble
    if watch.written is None:
        return "it has said nothing since this host was started"
    return f"it has said nothing for {_span(max(0.0, now - watch.written))}"


def record(watch: Watch, now: float) -> dict[str, object]:
    """Return the same for machines; what is not known of its evaluators is None."""
    last = watch.standing
    found = last if watch.judges else None
    return {
        "how": how(watch).value,
        "says": line(watch, now).text,
        "enabled": watch.wanted,
        "unit": watch.state,
        "dry_run": last.dry_run if last else None,
        "interval": last.interval if last else None,
        "age": round(last.age, 3) if last else None,
        "evaluators": len(found.evaluators) if found else None,
        "watching": found.watching if found else None,
        "learning": found.learning if found else None,
        "blind": found.blind if found else None,
        "broken": found.broken if found else None,
        "sources": _sources(found) if found else None,
    }


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


def _silent(watch: Watch, now: float) -> str:
    if watch.written is None or (watch.standing is None and watch.trouble):
        return f"SILENT, {unheard(watch, now)}"
    return f"SILENT for {_span(max(0.0, now - watch.written))}"


def _word(state: str) -> str:
    """Return in a word what keeps its service from running."""
    active, _, sub = state.rstrip(")").partition(" (")
    if sub in ("masked", "not installed"):
        return sub
    return {"inactive": "stopped", "activating": "does not start"}.get(active, active)


def _judging(standing: Standing) -> How:
    if standing.sources == {} or not standing.watching:
        return How.DEAF
    if standing.troubles:
        return How.IMPAIRED
    return How.DRY_RUN if standing.dry_run else How.WATCHING


def _running(found: How, standing: Standing) -> Line:
    words = []
    if found is How.DEAF:
        what = "no source is configured" if standing.sources == {} else "no figures reach it"
        if not standing.evaluators:
            what = "every evaluator is switched off"
        words.append(f"DEAF, {what} - {_DEAF}; {_DOCTOR}")
    if standing.dry_run:
        words.append("DRY RUN - it decides, and does not stop trading")
    troubles = [f"{name}: {clean(one.what, _WHAT)}" for name, one in standing.troubles.items()]
    words += [f"IN TROUBLE - {_listed(troubles, _TROUBLES)}"] if troubles else []
    words.append(f"watching {standing.watching} of {len(standing.evaluators)}")
    for what, names in (
        ("BROKEN", standing.broken),
        ("BLIND", standing.blind),
        ("no figures yet", standing.learning),
    ):
        words += [f"{what}: {_listed(names)}"] if names else []
    bad = found in (How.DEAF, How.IMPAIRED) or standing.broken or standing.blind
    tone = "bad" if bad else "warn" if standing.dry_run or standing.learning else "good"
    return Line("; ".join(words), tone)


def _sources(standing: Standing) -> dict[str, str] | None:
    if standing.sources is None:
        return None
    return {name: one.what for name, one in standing.sources.items()}


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
        message = f"no figures yet: {_listed(standing.learning)}"
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


def _span(seconds: float) -> str:
    for size, unit in _UNITS:
        if seconds >= 2 * size:
            return f"{min(seconds // size, _LONGEST):.0f} {unit}"
    return f"{seconds:.0f} s"


def _listed(names: Sequence[str], most: int = _MOST) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{more}"
