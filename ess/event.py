"""One event as it lies in the spool: KEY=VALUE lines, written by bash and by Python alike. Pure.

    ess-event=1            the format; always the first line
    event=contained        what happened, one of EVENTS
    us=1763713331123456    wall clock, microseconds since the epoch
    ms=5190570             milliseconds since boot
    boot=UUID              the boot it happened in
    id=UUID                the activation it belongs to; none for what belongs to no activation
    took=82                of contained: ms from the flag to the last process dead
    KEY=VALUE ...          what more there is to say; `unit=` may stand several times
    end=contained          always the last line: a file without it is torn

`unit=` says what became of a trading unit: its name, then words KEY=VALUE (pids, signal, ms).
Every value is one line without control characters, at most 500 bytes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from ess.text import clean

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FORMAT = "1"
EVENTS = (
    "trip",
    "contained",
    "not-contained",
    "denied",
    "request",
    "killed",
    "release-begun",
    "release-finished",
    "release-failed",
    "armed",
    "disarmed",
    "watcher-died",
    "watcher-back",
    "would-trip",
    "drill",
    "sentry-repair",
    "alert-sent",
    "alert-failed",
    "alert-given-up",
    "alert-test",
    "ack",
)
# Of one activation there is one of each, however often an enforcer is restarted.
ONCE = frozenset({"trip", "contained", "not-contained"})
# Of one delivery (field `delivery`) there is one of each, wherever whoever delivers is killed.
ONCE_DELIVERED = frozenset({"alert-sent", "alert-failed", "alert-given-up"})
LARGEST = 65536  # bytes
_LINE = re.compile(r"([a-z][a-z-]{0,30})=(.*)")
_NAME = re.compile(r"\d{16}-\d{1,10}-\d{1,5}", re.ASCII)
_NUMBER = re.compile(r"\d{1,18}", re.ASCII)
_NOTHING: Mapping[str, str] = {}
_STATED = frozenset({"ess-event", "event", "us", "ms", "boot", "id", "unit", "end"})


class TornError(ValueError):
    """The file is no event, or not a whole one; the text says in what way."""


class Event(NamedTuple):
    """`us`: since the epoch; `ms`: since the boot `boot`; `id`: of the activation, or ""."""

    name: str
    kind: str
    us: int
    ms: int
    boot: str
    id: str = ""
    fields: Mapping[str, str] = _NOTHING
    units: tuple[str, ...] = ()

    @property
    def once_key(self) -> tuple[str, str] | None:
        """What only one record in the audit may have; None for what may come again."""
        return once_key(self.kind, self.id, self.fields.get("delivery", ""))


def once_key(kind: str, activation: str, delivery: str) -> tuple[str, str] | None:
    """Return what only one record may have of what is so called; None for what may come again."""
    if kind in ONCE and activation:
        return kind, activation
    return (kind, delivery) if kind in ONCE_DELIVERED and delivery else None


def is_name(name: str) -> bool:
    """Tell whether a file of this name can be an event of ours."""
    return _NAME.fullmatch(name) is not None


def encode(event: Event) -> bytes:
    """Return the file of an event."""
    stated = {"us": str(event.us), "ms": str(event.ms), "boot": event.boot, "id": event.id}
    lines = [("ess-event", FORMAT), ("event", event.kind), *stated.items(), *event.fields.items()]
    lines += [("unit", unit) for unit in event.units] + [("end", event.kind)]
    return "".join(f"{key}={clean(value)}\n" for key, value in lines).encode()


def decode(name: str, data: bytes) -> Event:
    """Return the event in a file called `name`. Raises TornError."""
    if len(data) > LARGEST:
        raise TornError(f"larger than {LARGEST} bytes")
    lines = _lines(data)
    if lines[0] != ("ess-event", FORMAT):
        raise TornError(f"does not begin with ess-event={FORMAT}")
    values: dict[str, str] = {}
    units: list[str] = []
    for key, value in lines:
        if key == "unit":
            units.append(clean(value))
        elif key in values:
            raise TornError(f"{key} stands there twice")
        else:
            values[key] = clean(value)
    if values.get("event") not in EVENTS:
        raise TornError("no event that is known")
    if lines[-1] != ("end", values["event"]):
        raise TornError("its end is missing")
    more = {key: value for key, value in values.items() if key not in _STATED}
    return Event(
        name,
        values["event"],
        _number(values, "us"),
        _number(values, "ms"),
        values.get("boot", ""),
        values.get("id", ""),
        more,
        tuple(units),
    )


def ordered(events: Sequence[Event], boot: str) -> list[Event]:
    """Return events in the order in which they happened; `boot` is the present one.

    Within a boot its own clock counts, which nobody can set; boots come in the order of their
    earliest wall clock, the present one last.
    """
    begun: dict[str, int] = {}
    for event in events:
        begun[event.boot] = min(event.us, begun.get(event.boot, event.us))

    def place(event: Event) -> tuple[bool, int, str, int, int, str]:
        then = begun[event.boot]
        return (event.boot == boot, then, event.boot, event.ms, event.us, event.name)

    return sorted(events, key=place)


def _lines(data: bytes) -> list[tuple[str, str]]:
    text = data.decode("utf-8", "replace")
    if not text.endswith("\n"):
        raise TornError("its last line is not whole")
    found = []
    for number, line in enumerate(text[:-1].split("\n"), start=1):
        match = _LINE.fullmatch(line)
        if not match:
            raise TornError(f"line {number} is no KEY=VALUE")
        found.append((match[1], match[2]))
    return found


def _number(values: Mapping[str, str], key: str) -> int:
    text = values.get(key, "")
    if not _NUMBER.fullmatch(text):
        raise TornError(f"{key} is no number")
    return int(text)
