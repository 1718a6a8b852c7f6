"""What the records of the audit log add up to. Pure.

It is remembered beside the log, so that no figure changes when logrotate takes old records away.
"""

from __future__ import annotations

import datetime
import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# A name becomes a label that anybody may read; whatever is no plain name is told as OTHER.
_CHANNEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}", re.ASCII)
_CHANNELS_MOST = 32
OTHER = "other"
_DIGITS_MOST = 12
_NONE: Mapping[str, int] = {}


class Tally(NamedTuple):
    """Counts by channel for alerts; moments in s since the epoch, 0 when it never was.

    `contained_ms`: of the last stop, from the flag to the last process dead; -1 when not known.
    `missed`: since when (s since the epoch) nothing got through a channel; the others got theirs.
    """

    activations: int = 0
    activated: float = 0.0
    contained_ms: int = -1
    sent: Mapping[str, int] = _NONE
    failed: Mapping[str, int] = _NONE
    given_up: Mapping[str, int] = _NONE
    alert_failed: float = 0.0
    missed: Mapping[str, int] = _NONE


def add(tally: Tally, record: Mapping[str, object]) -> Tally:
    """Return the tally with one record more."""
    at = _moment(record)
    match record.get("event"):
        case "trip":
            return tally._replace(activations=tally.activations + 1, activated=at)
        case "contained":
            return tally._replace(contained_ms=_milliseconds(record.get("took")))
        case "alert-sent":
            tally = tally._replace(sent=_one_more(tally.sent, record))
        case "alert-failed":
            tally = tally._replace(failed=_one_more(tally.failed, record), alert_failed=at)
        case "alert-given-up":
            tally = tally._replace(given_up=_one_more(tally.given_up, record), alert_failed=at)
    return tally._replace(missed=_missed(tally.missed, record, at))


def total(tally: Tally, records: Iterable[Mapping[str, object]]) -> Tally:
    """Return the tally with all of these records."""
    for record in records:
        tally = add(tally, record)
    return tally


def encode(tally: Tally) -> dict[str, object]:
    """Return the tally for JSON."""
    return tally._asdict()


def decode(found: object) -> Tally:
    """Return the tally that was encoded. Raises ValueError."""
    if not isinstance(found, dict):
        raise ValueError("no tally")
    plain = Tally()
    known: dict[str, object] = {}
    for key, default in plain._asdict().items():
        value = found.get(key, default)
        known[key] = _counts(value) if isinstance(default, dict) else _number(value, default)
    return Tally(**known)  # type: ignore[arg-type]


def _missed(missed: Mapping[str, int], record: Mapping[str, object], at: float) -> dict[str, int]:
    """Return the channels that nothing gets through, with this record taken into account."""
    name, kind = _name(record, missed), record.get("event")
    if kind in ("alert-failed", "alert-given-up"):
        return {name: int(at), **missed}
    if kind == "alert-sent" or (kind == "alert-test" and record.get("delivered") == "yes"):
        return {one: since for one, since in missed.items() if one != name}
    return dict(missed)


def _one_more(counts: Mapping[str, int], record: Mapping[str, object]) -> dict[str, int]:
    name = _name(record, counts)
    return {**counts, name: counts.get(name, 0) + 1}


def _name(record: Mapping[str, object], known: Mapping[str, int]) -> str:
    name = str(record.get("channel", ""))
    full = name not in known and len(known) >= _CHANNELS_MOST
    return OTHER if full or not _CHANNEL.fullmatch(name) else name


def _moment(record: Mapping[str, object]) -> float:
    try:
        return datetime.datetime.fromisoformat(str(record.get("at"))).timestamp()
    except (ValueError, OverflowError):
        return 0.0


def _milliseconds(took: object) -> int:
    text = str(took)
    whole = text.isascii() and text.isdigit() and len(text) <= _DIGITS_MOST
    return int(text) if whole else -1


def _counts(value: object) -> dict[str, int]:
    if isinstance(value, dict) and all(
        isinstance(name, str) and type(count) is int for name, count in value.items()
    ):
        return value
    raise ValueError("no counts")


def _number(value: object, default: object) -> object:
    if type(value) is type(default) or (type(value), type(default)) == (int, float):
        return value
    raise ValueError("no number")
