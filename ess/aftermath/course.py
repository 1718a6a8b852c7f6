"""Policy: what an event makes of the cases that somebody has to be told of. Pure.

A case says how things stand, not what happened: who was out of reach is told the present state and
not an old alarm.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ess.aftermath.channel import Case, Phase

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ess.event import Event

ARMED = "armed"
WATCHER = "watcher"
DRY_RUN = "dry-run"
DRILL = "drill"
# Of an activation whose flag says no usable id.
NAMELESS = "nameless"

_ENDED = frozenset(
    {Phase.RELEASED, Phase.ARMED, Phase.WATCHED, Phase.WOULD_TRIP, Phase.DRILL_PASSED}
)
# kind of event: (case, what it is while it lasts, what it is once it is over)
_CONDITIONS = {
    "armed": (ARMED, Phase.DISARMED, Phase.ARMED),
    "disarmed": (ARMED, Phase.DISARMED, Phase.ARMED),
    "watcher-died": (WATCHER, Phase.UNWATCHED, Phase.WATCHED),
    "watcher-back": (WATCHER, Phase.UNWATCHED, Phase.WATCHED),
    "would-trip": (DRY_RUN, Phase.WOULD_TRIP, Phase.WOULD_TRIP),
    "drill": (DRILL, Phase.DRILL_FAILED, Phase.DRILL_PASSED),
}
_BAD = ("disarmed", "watcher-died", "would-trip")
_STOPS = ("trip", "contained", "not-contained")
_RELEASES = ("release-finished", "release-failed")


def advance(cases: Mapping[str, Case], event: Event, host: str, count: int) -> list[Case]:
    """Return the cases that are new or changed by an event; none changes twice by the same event.

    `count`: of activations of this host, this one included.
    """
    if event.kind in _STOPS:
        return _stopped(cases, event, host, count)
    if event.kind in _RELEASES:
        return _released(cases, event)
    if event.kind in _CONDITIONS:
        return _condition(cases, event, host)
    if event.kind == "ack":
        return _acknowledged(cases, event)
    return []


def superseded(cases: Mapping[str, Case]) -> list[str]:
    """Return the ids of activations after which there was another: there is one latch only."""
    stops = sorted((one for one in cases.values() if one.latched), key=lambda one: one.begun)
    return [one.id for one in stops[:-1]]


def is_ended(case: Case) -> bool:
    """Tell whether nothing more is to come: once everybody knows, the case is closed."""
    return case.phase in _ENDED


def _stopped(cases: Mapping[str, Case], event: Event, host: str, count: int) -> list[Case]:
    key = event.id or NAMELESS
    known = cases.get(key)
    if known is None or (key == NAMELESS and not known.latched):
        known = Case(key, Phase.TRIPPED, event.us, event.us, count, {"host": host})
    if not known.latched:
        return []
    said = {
        key: event.fields[key]
        for key in ("operator", "source", "reason")
        if event.kind == "trip" and key in event.fields
    }
    if event.kind == "trip":
        return [known._replace(count=count, facts={**known.facts, **said})]
    phase = Phase.CONTAINED if event.kind == "contained" else Phase.NOT_CONTAINED
    found = {key: event.fields[key] for key in ("took", "alive") if key in event.fields}
    return [known._replace(phase=phase, changed=event.us, facts={**known.facts, **found})]


def _released(cases: Mapping[str, Case], event: Event) -> list[Case]:
    meant = [one for one in cases.values() if one.latched and event.id in ("", one.id)]
    done = event.kind == "release-finished"
    phase = Phase.RELEASED if done else Phase.RELEASE_FAILED
    names = {"operator": "released_by", "reason": "release_reason", "why": "what"}
    said = {to: event.fields[key] for key, to in names.items() if key in event.fields}
    return [
        one._replace(phase=phase, changed=event.us, facts={**one.facts, **said}) for one in meant
    ]


def _condition(cases: Mapping[str, Case], event: Event, host: str) -> list[Case]:
    key, bad, good = _CONDITIONS[event.kind]
    known = cases.get(key)
    what = {"host": host, "what": event.fields.get("what", "")}
    if event.kind in _BAD or event.fields.get("result", "PASS") != "PASS":
        return [Case(key, bad, event.us, event.us, 0, what)]
    if known is None or known.phase is not bad:
        return []
    return [known._replace(phase=good, changed=event.us, facts=what)]


def _acknowledged(cases: Mapping[str, Case], event: Event) -> list[Case]:
    who = event.fields.get("operator", "unknown")
    return [
        one._replace(facts={**one.facts, "acked_by": who})
        for one in cases.values()
        if event.id in ("", one.id)
    ]
