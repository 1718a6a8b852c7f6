"""How the watcher's evaluators stand, for others to read: what would trip if released now.

The watcher writes it after each round, `ess monitor` and `ess deactivate` read it. It is no
evidence that all is well when it is old, or not there: that is said, too.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ess import regular
from ess.text import clean
from ess.watch import stored
from ess.watch.sample import figure
from ess.watch.verdict import Mood, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ess.watch.sample import Now

NAME = "standing.json"
LARGEST = 1024 * 1024
_FEEDS = 5000
_SOURCES = 50
# What stands among the evaluators and judges nothing.
_NO_EVALUATOR = "redis"


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong with a source, "" for nothing, and for how long (s)."""

    what: str = ""
    lasts: float = 0.0


@dataclass(frozen=True, slots=True)
class Standing:
    """`interval`, `pause`: as set, s; `feeds`: s without news, by feed; `age`: s since written;
    `sources`: where figures come from, None when that is not known; `edition`: of the settings it
    runs with, "" when that is not known.
    """

    interval: float
    pause: float
    dry_run: bool
    verdicts: tuple[Verdict, ...]
    feeds: Mapping[str, float]
    age: float = 0.0
    sources: Mapping[str, Trouble] | None = None
    edition: str = ""

    @property
    def is_current(self) -> bool:
        """Tell whether the watcher still writes: three intervals may pass, 15 s at least."""
        return self.age <= max(15.0, 3 * self.interval)

    @property
    def evaluators(self) -> tuple[Verdict, ...]:
        """Return the verdicts of those that judge anything."""
        return tuple(one for one in self.verdicts if one.evaluator != _NO_EVALUATOR)

    @property
    def learning(self) -> list[str]:
        """Return the evaluators that have no figure yet, and so guard nothing."""
        return self._in(Mood.LEARNING)

    @property
    def blind(self) -> list[str]:
        """Return the evaluators whose figures are missing or too old."""
        return self._in(Mood.BLIND)

    @property
    def broken(self) -> list[str]:
        """Return the evaluators whose limit is broken."""
        return self._in(Mood.BREACH)

    @property
    def watching(self) -> int:
        """Return how many evaluators have figures to judge by."""
        return len(self.evaluators) - len(self.learning) - len(self.blind)

    @property
    def troubles(self) -> dict[str, Trouble]:
        """Return the sources with which something is wrong."""
        return {name: one for name, one in (self.sources or {}).items() if one.what}

    def _in(self, mood: Mood) -> list[str]:
        return [one.evaluator for one in self.evaluators if one.mood is mood]


def write(directory: str, standing: Standing, now: Now) -> None:
    """Write how it stands now, whole or not at all. Raises OSError."""
    document = {
        "boot": now.boot,
        "boottime": now.boottime,
        "interval": standing.interval,
        "pause": standing.pause,
        "dry_run": standing.dry_run,
        "verdicts": [_as_json(verdict) for verdict in standing.verdicts],
        "feeds": {name: round(age, 3) for name, age in list(standing.feeds.items())[:_FEEDS]},
    }
    if standing.edition:
        document["edition"] = standing.edition
    if standing.sources is not None:
        document["sources"] = {
            name: {"trouble": clean(one.what), "lasts": round(one.lasts, 3)}
            for name, one in list(standing.sources.items())[:_SOURCES]
        }
    draft = f"{directory}/{NAME}.new"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(draft)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    with open(os.open(draft, flags, 0o644), "w", encoding="ascii") as file:
        json.dump(document, file)
    os.replace(draft, f"{directory}/{NAME}")


def read(directory: str, now: Now) -> Standing | None:
    """Return how it stood last, None when nothing is known. Raises nothing.

    What another boot has left is nothing. The file is the watcher's, which is not root: it is read
    as hostile input, and every text of it is cleaned.
    """
    try:
        return parse(regular.read(f"{directory}/{NAME}", LARGEST, follow=False), now)
    except OSError:
        return None


def parse(data: bytes, now: Now) -> Standing | None:
    """Return how it stood last by what the file holds; see read()."""
    try:
        found = json.loads(data)
        return _standing(found, now) if isinstance(found, dict) else None
    except (ValueError, RecursionError):
        return None


def would_trip(standing: Standing | None) -> list[str]:
    """Return, line by line, what trips again after a release now; empty when nothing does."""
    if standing is None:
        return []
    minutes = standing.pause / 60
    lines = [
        f"{one.evaluator}: {one.reason}; trips again in {minutes:g} min, at once if it gets worse"
        for one in standing.verdicts
        if one.trips
    ]
    if not standing.is_current:
        lines.append(f"the watcher has not judged for {standing.age:.0f} s; this is how it was")
    return lines


def _as_json(verdict: Verdict) -> dict[str, object]:
    return {
        "evaluator": verdict.evaluator,
        "mood": verdict.mood.value,
        "reason": verdict.reason,
        "value": figure(verdict.value),
        "limit": figure(verdict.limit),
        "nearness": figure(verdict.nearness) or 0.0,
        "severity": figure(verdict.severity) or 0.0,
    }


def _standing(found: Mapping[str, object], now: Now) -> Standing | None:
    written, verdicts = stored.real(found, "boottime"), found.get("verdicts")
    if stored.word(found, "boot") != now.boot or written > now.boottime:
        return None
    if not isinstance(verdicts, list):
        return None
    feeds = stored.table(found, "feeds")
    return Standing(
        stored.real(found, "interval"),
        stored.real(found, "pause"),
        found.get("dry_run") is True,
        tuple(_verdict(one) for one in verdicts if isinstance(one, dict)),
        {clean(name): stored.real(feeds, name) for name in feeds},
        now.boottime - written,
        _sources(stored.table(found, "sources")) if "sources" in found else None,
        clean(stored.word(found, "edition"), 60) if "edition" in found else "",
    )


def _sources(found: Mapping[str, object]) -> dict[str, Trouble]:
    known = {name: one for name, one in found.items() if isinstance(one, dict)}
    return {
        clean(name, 80): Trouble(clean(stored.word(one, "trouble")), stored.real(one, "lasts"))
        for name, one in list(known.items())[:_SOURCES]
    }


def _verdict(found: Mapping[str, object]) -> Verdict:
    return Verdict(
        clean(stored.word(found, "evaluator"), 80),
        Mood(stored.word(found, "mood")),
        clean(stored.word(found, "reason")),
        stored.maybe(found, "value"),
        stored.maybe(found, "limit"),
        min(1.0, max(0.0, stored.real(found, "nearness"))),
        (),
        stored.real(found, "severity"),
    )
