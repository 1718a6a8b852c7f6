"""Trips when a data feed is stale, or carries nothing but garbage. Pure.

Thousands of feeds cost what one costs: the one that is due next is at the top of a heap, and an
entry is corrected only when it gets there.
"""

from __future__ import annotations

from heapq import heappop, heappush, heapreplace
from typing import TYPE_CHECKING

from ess.watch import stored
from ess.watch.clock import Clock
from ess.watch.hearing import Hearing, Weight
from ess.watch.verdict import Mood, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ess.watch.sample import Now, Sample

PREFIX = "feed:"
# More than this is no list of feeds any more, but somebody writing names.
MOST = 5000
CORRUPT = 3
_NAMED = 5


class Feed:
    """One feed: when it was heard, and how many corrupt values came since the last good one."""

    __slots__ = ("corrupt", "hearing", "raw")

    def __init__(self, hearing: Hearing) -> None:
        self.hearing = hearing
        self.corrupt = 0
        self.raw = ""


class Feeds:
    """Every feed must be heard within `silence` s, with no `CORRUPT` corrupt values in a row.

    `must`: the feeds that count, to be heard from the start on; empty: every feed that was ever
    heard counts from then on. `never`: those that do not count, such as a market that is closed
    for good. A value is corrupt when it is there and is no number.
    """

    name = "feeds"
    wants = frozenset({PREFIX})

    def __init__(self, silence: float, must: Iterable[str] = (), never: Iterable[str] = ()) -> None:
        self._silence = silence
        self._must = frozenset(must)
        self._never = frozenset(never)
        self._clock = Clock()
        self._feeds: dict[str, Feed] = {}
        self._corrupt: dict[str, Feed] = {}
        self._due: list[tuple[float, str]] = []
        self._waits_since: float | None = None
        self._refused = ""

    def hear(self, sample: Sample, now: Now) -> None:
        """Take in a value of one feed."""
        self._begin(now)
        self._clock.see(now)
        name = sample.name.removeprefix(PREFIX)
        if name in self._never or (self._must and name not in self._must):
            return
        feed = self._feed(name)
        if feed is None:
            return
        armed = feed.hearing.armed
        if _is_corrupt(sample):
            self._count(name, feed, sample, now)
        elif feed.hearing.take(sample, now, self._clock) is Weight.NEWS:
            feed.corrupt = 0
            self._corrupt.pop(name, None)
        if feed.hearing.armed and not armed:
            heappush(self._due, (feed.hearing.due(), name))

    def judge(self, now: Now) -> Verdict:
        """Return how the worst of them stands, and how many are no better."""
        self._begin(now)
        self._clock.see(now)
        broken = [name for name, feed in self._corrupt.items() if feed.corrupt >= CORRUPT]
        if broken:
            return self._broken(broken)
        if self._refused:
            text = f"more than {MOST} feeds; {self._refused} is not watched"
            return Verdict(self.name, Mood.BLIND, text, None, MOST, 1.0, (), 1.0)
        oldest = self._oldest()
        if oldest is None:
            return Verdict(self.name, Mood.LEARNING, "no feed was heard yet")
        if self._feeds[oldest].hearing.is_silent(now):
            return self._silent(now)
        return self._quiet(oldest, now)

    def ages(self, now: Now) -> dict[str, float]:
        """Return for how many s there was no news of each feed."""
        return {name: feed.hearing.age(now) for name, feed in self._feeds.items()}

    def remember(self) -> dict[str, object]:
        """Return every feed that was heard, and when."""
        return {
            "clock": self._clock.remember(),
            "feeds": {
                name: feed.hearing.remember()
                for name, feed in self._feeds.items()
                if feed.hearing.armed
            },
            "corrupt": {name: feed.corrupt for name, feed in self._corrupt.items()},
        }

    def recall(self, state: Mapping[str, object], now: Now) -> None:
        """Take it up, but for feeds that no longer count. Raises ValueError."""
        clock, shift = Clock.recalled(stored.table(state, "clock"), now)
        corrupt = stored.table(state, "corrupt")
        known = stored.table(state, "feeds")
        found: dict[str, Feed] = {}
        for name in list(known)[:MOST]:
            if name in self._never or (self._must and name not in self._must):
                continue
            heard = stored.table(known, name)
            found[name] = Feed(Hearing.recalled(self._silence, heard, clock, (shift, now)))
            if name in corrupt:
                found[name].corrupt = int(stored.real(corrupt, name))
        self._feeds, self._clock = found, clock
        self._corrupt = {name: feed for name, feed in found.items() if feed.corrupt}
        self._due = [(feed.hearing.due(), name) for name, feed in found.items()]
        self._due.sort()
        self._waits_since = None

    def _begin(self, now: Now) -> None:
        if self._waits_since is not None:
            return
        self._waits_since = now.boottime
        for name in self._must:
            if (feed := self._feed(name)) and not feed.hearing.armed:
                feed.hearing.expect(now)
                heappush(self._due, (feed.hearing.due(), name))

    def _feed(self, name: str) -> Feed | None:
        feed = self._feeds.get(name)
        if feed is None and len(self._feeds) < max(MOST, len(self._must)):
            feed = self._feeds[name] = Feed(Hearing(self._silence))
        if feed is None:
            self._refused = name
        return feed

    def _count(self, name: str, feed: Feed, sample: Sample, now: Now) -> None:
        raw, armed = sample.raw or str(sample.value or ""), feed.hearing.armed
        feed.hearing.garbage(f"corrupt: {raw}" if raw else "", now)
        if raw and armed:
            feed.corrupt += 1
            feed.raw = raw
            self._corrupt[name] = feed

    def _oldest(self) -> str | None:
        while self._due:
            due, name = self._due[0]
            feed = self._feeds.get(name)
            if feed is None:
                heappop(self._due)
            elif feed.hearing.due() > due:
                heapreplace(self._due, (feed.hearing.due(), name))
            else:
                return name
        return None

    def _broken(self, names: list[str]) -> Verdict:
        feed = self._corrupt[names[0]]
        text = f"feed {_names(names)}: {feed.corrupt} corrupt values in a row, limit {CORRUPT - 1}"
        text += f", last: {feed.raw}"
        heard, limit = self._heard(names), CORRUPT - 1
        return Verdict(
            self.name, Mood.BREACH, text, feed.corrupt, limit, 1.0, heard, float(len(names))
        )

    def _silent(self, now: Now) -> Verdict:
        names = [name for name, feed in self._feeds.items() if feed.hearing.is_silent(now)]
        names.sort(key=lambda name: -self._feeds[name].hearing.age(now))
        hearing = self._feeds[names[0]].hearing
        age, instead = hearing.age(now), f", last: {hearing.odd}" if hearing.odd else ""
        text = (
            f"no news of feed {_names(names)} for {age:.0f} s, limit {self._silence:g} s{instead}"
        )
        heard = self._heard(names)
        return Verdict(
            self.name, Mood.BLIND, text, age, self._silence, 1.0, heard, float(len(names))
        )

    def _quiet(self, oldest: str, now: Now) -> Verdict:
        age = self._feeds[oldest].hearing.age(now)
        text = (
            f"{len(self._feeds)} feeds, the oldest {oldest} {age:.0f} s, limit {self._silence:g} s"
        )
        near, heard = min(1.0, age / self._silence), self._heard([oldest])
        return Verdict(self.name, Mood.QUIET, text, age, self._silence, near, heard)

    def _heard(self, names: list[str]) -> tuple[Sample, ...]:
        samples = (self._feeds[name].hearing.sample for name in names[:_NAMED])
        return tuple(sample for sample in samples if sample)


def _is_corrupt(sample: Sample) -> bool:
    return not isinstance(sample.value, int | float)


def _names(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
