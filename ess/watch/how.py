"""How the automatic watcher is, in one line for people and as a record for machines. Pure.

One that does not watch is never passed over, and what is not known of it is never called well.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, NamedTuple

from ess.text import clean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ess.watch.look import Watch
    from ess.watch.standing import Standing, Trouble

# How long a start may take (s): systemd's own limit for it.
_STARTS = 15.0
_MOST = 10
_TROUBLES, _WHAT = 3, 100  # sources on a line, and bytes of what is wrong with each
_UNITS = ((86400, "days"), (3600, "h"), (60, "min"))
_LONGEST = 1e6
_DEAF = "automatic triggers do not work"
_DOCTOR = "see: ess doctor"
_OUTDATED = "OUTDATED - watch.env was changed since: sudo systemctl restart quantum-ess-watch"


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
            return _running(found, watch, watch.standing) if watch.standing else Line("", "")


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
        "outdated": watch.outdated if found else None,
        "interval": last.interval if last else None,
        "age": round(last.age, 3) if last else None,
        "evaluators": len(found.evaluators) if found else None,
        "watching": found.watching if found else None,
        "learning": found.learning if found else None,
        "blind": found.blind if found else None,
        "broken": found.broken if found else None,
        "sources": _sources(found) if found else None,
    }


def listed(names: Sequence[str], most: int = _MOST) -> str:
    """Return the names in words, the first `most` of them."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{more}"


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


def _running(found: How, watch: Watch, standing: Standing) -> Line:
    words = []
    if found is How.DEAF:
        what = "no source is configured" if standing.sources == {} else "no figures reach it"
        if not standing.evaluators:
            what = "every evaluator is switched off"
        words.append(f"DEAF, {what} - {_DEAF}; {_DOCTOR}")
    if standing.dry_run:
        words.append("DRY RUN - it decides, and does not stop trading")
    troubles = [_trouble(name, one) for name, one in standing.troubles.items()]
    words += [_OUTDATED] if watch.outdated else []
    words += [f"IN TROUBLE - {listed(troubles, _TROUBLES)}"] if troubles else []
    words.append(f"watching {standing.watching} of {len(standing.evaluators)}")
    for what, names in (
        ("BROKEN", standing.broken),
        ("BLIND", standing.blind),
        ("no figures yet", standing.learning),
    ):
        words += [f"{what}: {listed(names)}"] if names else []
    bad = found in (How.DEAF, How.IMPAIRED) or standing.broken or standing.blind
    doubtful = standing.dry_run or standing.learning or watch.outdated
    tone = "bad" if bad else "warn" if doubtful else "good"
    return Line("; ".join(words), tone)


def _trouble(name: str, one: Trouble) -> str:
    return f"{name}: {clean(one.what, _WHAT).rstrip('.')}"


def _sources(standing: Standing) -> dict[str, str] | None:
    if standing.sources is None:
        return None
    return {name: one.what for name, one in standing.sources.items()}


def _span(seconds: float) -> str:
    for size, unit in _UNITS:
        if seconds >= 2 * size:
            return f"{min(seconds // size, _LONGEST):.0f} {unit}"
    return f"{seconds:.0f} s"
