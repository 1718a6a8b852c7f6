"""Trips when the system says that it is critical, or nothing that is fine for too long. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ess.watch import stored
from ess.watch.clock import Clock
from ess.watch.hearing import Hearing, Weight
from ess.watch.verdict import Mood, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ess.watch.sample import Now, Sample

CRITICAL = frozenset({"CRITICAL", "FATAL", "EMERGENCY"})


class Health:
    """The word on the system's health must be one of `fine`, and be renewed within `silence` s.

    CRITICAL, FATAL and EMERGENCY trip at once, whatever `fine` says, and hold until a fine word
    comes. Any other word is no news of being fine: it trips when nothing fine came for `silence` s.
    """

    name = "health"
    wants = frozenset({"health"})

    def __init__(self, fine: frozenset[str], silence: float) -> None:
        self._fine = frozenset(word.upper() for word in fine) - CRITICAL
        self._clock = Clock()
        self._hearing = Hearing(silence)
        self._word = ""

    def hear(self, sample: Sample, now: Now) -> None:
        """Take in a word."""
        self._clock.see(now)
        word = str(sample.value).strip().upper() if sample.value is not None else ""
        if word not in self._fine | CRITICAL:
            self._hearing.garbage(f"unknown word {sample.raw or word}" if word else "", now)
            return
        armed = self._hearing.armed
        weight = self._hearing.take(sample, now, self._clock)
        accused = word in CRITICAL and weight is Weight.ACCUSES
        if armed and (weight is Weight.NEWS or accused):
            self._word = word

    def judge(self, now: Now) -> Verdict:
        """Return how it stands."""
        self._clock.see(now)
        heard = (self._hearing.sample,) if self._hearing.sample else ()
        if self._word in CRITICAL:
            text = f"system health is {self._word}"
            return Verdict(self.name, Mood.BREACH, text, None, None, 1.0, heard, 2.0)
        if blind := self._hearing.verdict(self.name, "system health", now):
            return blind
        if not self._hearing.armed:
            return Verdict(self.name, Mood.LEARNING, "system health was not heard yet")
        age, limit = self._hearing.age(now), self._hearing.limit
        text = f"system health is {self._word or 'heard'}, {age:.0f} s ago, limit {limit:g} s"
        return Verdict(self.name, Mood.QUIET, text, age, limit, min(1.0, age / limit), heard)

    def remember(self) -> dict[str, object]:
        """Return the last word, and when it was heard."""
        return {
            "clock": self._clock.remember(),
            "hearing": self._hearing.remember(),
            "word": self._word,
        }

    def recall(self, state: Mapping[str, object], now: Now) -> None:
        """Take it up. Raises ValueError."""
        word, heard = stored.word(state, "word"), stored.table(state, "hearing")
        clock, shift = Clock.recalled(stored.table(state, "clock"), now)
        self._hearing = Hearing.recalled(self._hearing.limit, heard, clock, (shift, now))
        self._clock, self._word = clock, word if word in self._fine | CRITICAL else ""
