"""What the watcher would have stopped trading for, were it not in a dry run: told to people.

The watcher may record no event and reach nobody; root reads what it has written down. Nothing of it
is trusted: it is cleaned, cut and counted, and all that can come of it are a few alerts.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from ess import journal, regular, spool
from ess.watch import places, would_trip
from ess.watch.sample import Now

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ess.paths import Paths
    from ess.watch.would_trip import Entry

EVENT = "would-trip"
# An evaluator that comes and goes is told of at most once in so many s, and so many of them.
PAUSE = 300.0
_MOST = 20
_LARGEST = 65536


@dataclass(frozen=True, slots=True)
class Told:
    """`at`: when people were told of an evaluator (boottime, s); `lasts`: it is not over yet."""

    at: float
    lasts: bool


def look(paths: Paths) -> None:
    """Record an event when there is something new to be told. Raises OSError."""
    found = places.would_trip(paths)
    try:
        seen = os.lstat(found).st_mtime_ns
    except FileNotFoundError:
        return
    boottime = time.clock_gettime(time.CLOCK_BOOTTIME)
    entries = would_trip.read(places.state(paths), Now(time.time(), boottime, spool.boot()))
    fresh, told = news(entries, _told(paths), boottime)
    if fresh and not _record(paths, fresh, entries):
        return
    _remember(paths, told, seen)


def news(
    entries: Sequence[Entry], told: Mapping[str, Told], now: float
) -> tuple[list[Entry], dict[str, Told]]:
    """Return what people have to be told of, and what they then know. Pure.

    Of each evaluator once until it is over, then not before PAUSE has passed; `now`: boottime, s.
    """
    there = {one.evaluator for one in entries}
    after = {name: Told(one.at, one.lasts and name in there) for name, one in told.items()}
    after = {name: one for name, one in after.items() if one.lasts or now - one.at < PAUSE}
    fresh = []
    for one in entries:
        if one.evaluator not in after and len(after) < _MOST:
            fresh.append(one)
            after[one.evaluator] = Told(now, lasts=True)
    return fresh, after


def _record(paths: Paths, fresh: Sequence[Entry], entries: Sequence[Entry]) -> bool:
    names = [one.evaluator for one in fresh]
    others = [one for one in entries if one.evaluator not in names]
    what = "; ".join(f"{one.evaluator}: {one.reason}" for one in (*fresh, *others))
    journal.error(f"watcher: DRY RUN, trading was NOT stopped: {what}")
    return bool(spool.put(paths, EVENT, {"evaluators": ", ".join(names), "what": what}))


def _told(paths: Paths) -> dict[str, Told]:
    try:
        found = json.loads(regular.read(paths.dry_run_note, _LARGEST))
        return {name: Told(float(one["at"]), bool(one["lasts"])) for name, one in found.items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}


def _remember(paths: Paths, told: Mapping[str, Told], seen: int) -> None:
    """Write it down, dated as what was read: the sentry calls when that is newer."""
    draft = f"{paths.dry_run_note}.new"
    os.makedirs(os.path.dirname(draft), mode=0o700, exist_ok=True)
    with open(draft, "w", encoding="utf-8") as file:
        json.dump({name: asdict(one) for name, one in told.items()}, file)
    os.utime(draft, ns=(seen, seen))
    os.replace(draft, paths.dry_run_note)
