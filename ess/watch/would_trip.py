"""What a watcher in a dry run would have stopped trading for, for root to tell people of.

The watcher writes a file in its own directory and may do no more; ess/aftermath/dry_run.py reads it
as hostile input. It is written when what it says changes, so that its time says that it did.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ess import regular
from ess.text import clean
from ess.watch import places, stored

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ess.watch.sample import Now
    from ess.watch.verdict import Verdict

NAME = places.WOULD_TRIP
# How long one that is over again stays (s): the sentry looks every 10.
KEPT = 60.0
MOST = 20
_LARGEST = 65536
_NAME_BYTES = 80
_REASON_BYTES = 200


@dataclass(frozen=True, slots=True)
class Entry:
    """`at`: when it was decided, on the boottime clock."""

    evaluator: str
    reason: str
    at: float


class WouldTrip:
    """The file, for the one who writes it. Raises OSError."""

    def __init__(self, directory: str, now: Now) -> None:
        self._directory = directory
        self._entries = {one.evaluator: one for one in read(directory, now)}

    def decided(self, verdicts: Iterable[Verdict], now: Now) -> None:
        """Take up what would have tripped at this moment."""
        new = {one.evaluator: Entry(one.evaluator, one.reason, now.boottime) for one in verdicts}
        self._put(self._entries | new, now)

    def settle(self, verdicts: Iterable[Verdict], now: Now) -> None:
        """Forget what is over, by the verdicts of all evaluators."""
        trips = {one.evaluator for one in verdicts if one.trips}
        left = {
            name: one
            for name, one in self._entries.items()
            if name in trips or now.boottime - one.at < KEPT
        }
        if left != self._entries:
            self._put(left, now)

    def ended(self, now: Now) -> None:
        """Take note that it is no dry run: what trips now trips."""
        if os.path.lexists(f"{self._directory}/{NAME}"):
            self._put({}, now)

    def _put(self, entries: dict[str, Entry], now: Now) -> None:
        self._entries = entries
        newest = sorted(entries.values(), key=lambda one: -one.at)[:MOST]
        write(self._directory, newest, now)


def write(directory: str, entries: Iterable[Entry], now: Now) -> None:
    """Write the file, whole or not at all. Raises OSError."""
    told = [
        {
            "evaluator": clean(one.evaluator, _NAME_BYTES),
            "reason": clean(one.reason, _REASON_BYTES),
            "at": one.at,
        }
        for one in entries
    ]
    draft = f"{directory}/{NAME}.new"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(draft)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    with open(os.open(draft, flags, 0o640), "w", encoding="ascii") as file:
        json.dump({"boot": now.boot, "entries": told}, file)
    os.replace(draft, f"{directory}/{NAME}")


def read(directory: str, now: Now) -> list[Entry]:
    """Return what stands there, MOST at most; of another boot and of garbage nothing."""
    try:
        found = json.loads(regular.read(f"{directory}/{NAME}", _LARGEST, follow=False))
        entries = found["entries"] if found["boot"] == now.boot else []
        return [_entry(one, now) for one in entries[:MOST]]
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return []


def _entry(found: dict[str, object], now: Now) -> Entry:
    name = clean(stored.word(found, "evaluator"), _NAME_BYTES)
    reason = clean(stored.word(found, "reason"), _REASON_BYTES)
    return Entry(name, reason, min(now.boottime, stored.real(found, "at")))
