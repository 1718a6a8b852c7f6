"""What the mirror says of a case: the marker, the state document and the events. Pure."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from ess.text import clean

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ess.aftermath.channel import Case

MEMBER = "emergency_stop"
STOP = "stop"
RESET = "reset"
_MARKER = re.compile(r"active host=(\S+) ")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_US = 253_402_300_799_999_999  # the end of the year 9999


@dataclass(frozen=True, slots=True)
class Event:
    """One event: `name` tells the two of an activation apart, `fields` is what is published."""

    name: str
    fields: Mapping[str, str | int]


def host(case: Case) -> str:
    """Return the name of the host the case is of, in one word."""
    name = case.facts.get("host") or os.uname().nodename
    return re.sub(r"\s+", "-", clean(name)) or "unknown"


def marker(case: Case) -> str:
    """Return the value of the marker: one readable line, true to whoever asks if there is any."""
    since = stamp(case.begun)
    return f"active host={host(case)} since={since}Z id={case.id} reason={_reason(case)}"


def marks_another(there: bytes | None, case: Case) -> bool:
    """Tell whether a marker is that of another host."""
    found = _MARKER.match((there or b"").decode("utf-8", "replace"))
    return found is not None and found[1] != host(case)


def state(case: Case) -> dict[str, object]:
    """Return the document of the case; the first six fields are those of the PolicyStore."""
    fields: dict[str, object] = {
        "active": case.latched,
        "status": "active" if case.latched else "inactive",
        "reason": _reason(case),
        "timestamp": stamp(case.begun if case.latched else case.changed),
        "activation_count": case.count,
        "auto_recover": False,
        "activation_id": case.id,
        "host": host(case),
    }
    return fields if case.latched else fields | {"reset_by": _reset_by(case)}


def stated(there: object, case: Case) -> dict[str, object] | None:
    """Return the document to write in place of the one that is `there`; None to leave it alone.

    Left alone is one that says so already, and the stop of somebody else: of another host, or the
    application's own. It is neither overwritten nor cleared.
    """
    old = there if isinstance(there, dict) else {}
    new = state(case)
    if old.get("active") and not _is_ours(old, case):
        return None
    wanted = {key: value for key, value in old.items() if key != "reset_by"} | new
    return None if wanted == old else wanted


def events(case: Case) -> tuple[Event, ...]:
    """Return the events there have been in this activation, the first one first."""
    stop = Event(
        STOP,
        {
            "type": "emergency.stop",
            "reason": _reason(case),
            "timestamp": stamp(case.begun),
            # What quantum-ess has closed and canceled: it kills processes and asks no exchange.
            "positions_closed": 0,
            "orders_canceled": 0,
            **_whose(case),
            "operator": clean(case.facts.get("operator", "")),
            "source": clean(case.facts.get("source", "")),
        },
    )
    reset = Event(
        RESET,
        {
            "type": "emergency.reset",
            "timestamp": stamp(case.changed),
            "reset_by": _reset_by(case),
            **_whose(case),
            "reason": clean(case.facts.get("release_reason", "")),
        },
    )
    return (stop,) if case.latched else (stop, reset)


def message(event: Event) -> str:
    """Return the event as the JSON object that the channel carries."""
    return json.dumps(event.fields)


def stamp(us: int) -> str:
    """Return a time (us since the epoch) as the PolicyStore writes it: ISO 8601, UTC, no offset."""
    moment = _EPOCH + timedelta(microseconds=max(0, min(us, _LAST_US)))
    return moment.replace(tzinfo=None).isoformat(timespec="microseconds")


def _is_ours(old: Mapping[str, object], case: Case) -> bool:
    """No host and our time is ours, too: a store may drop a field that it does not know."""
    if "host" in old:
        return old["host"] == host(case)
    return old.get("timestamp") == stamp(case.begun)


def _whose(case: Case) -> dict[str, str | int]:
    return {"activation_id": case.id, "host": host(case), "activation_count": case.count}


def _reason(case: Case) -> str:
    return clean(case.facts.get("reason", "")) or "not given"


def _reset_by(case: Case) -> str:
    return clean(case.facts.get("released_by", "")) or "unknown"
