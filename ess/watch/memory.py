"""Taking up what an earlier watcher knew, and keeping what this one has to know later."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ess.watch import baselines, rebase, stored

if TYPE_CHECKING:
    from ess.watch.judge import Judge
    from ess.watch.rearm import Rearm
    from ess.watch.sample import Now
    from ess.watch.trip_request import Trip

# What a kill -9 may cost: the figures of the last so many s.
EVERY = 5.0


class Memory:
    """The file of baselines in `directory`: one judge's, and what was asked for and released."""

    def __init__(self, directory: str, judge: Judge, rearm: Rearm, trip: Trip) -> None:
        self._directory = directory
        self._judge = judge
        self._rearm = rearm
        self._trip = trip
        self._next = float("-inf")

    def recall(self, now: Now) -> tuple[str, ...]:
        """Take up what is there, before anything is heard; return what is wrong. Raises nothing."""
        document, problems = baselines.load(self._directory)
        states, release = document.get("evaluators", {}), document.get("release")
        asked = document.get("asked", {})
        lost: list[str] = []
        if isinstance(states, dict):
            lost += self._judge.recall(states, now)
        else:
            lost.append("evaluators: what they remembered is lost")
        try:
            if release is not None:
                self._rearm.recall(release if isinstance(release, dict) else {}, now)
        except ValueError as error:
            lost.append(f"release: {error}")
        try:
            self._trip.recall(stored.table({"asked": asked}, "asked"), now)
        except ValueError as error:
            lost.append(f"asked: {error}")
        if lost:
            problems += (*lost, baselines.put_aside(self._directory, "a part makes no sense"))
        return problems

    def rebase(self, now: Now) -> tuple[str, ...]:
        """Do what a person has asked for, once; return what to tell of it. Raises OSError."""
        told = tuple(
            f"{name}: measures anew, as asked for"
            if self._judge.rebase(name)
            else f"{name}: no evaluator that could measure anew"
            for name in rebase.taken(self._directory)
        )
        if told:
            self.keep_now(now)
        return told

    def keep(self, now: Now) -> bool:
        """Write it down when it was not for 5 s; return whether that was done. Raises OSError."""
        if now.boottime < self._next:
            return False
        self.keep_now(now)
        return True

    def keep_now(self, now: Now) -> None:
        """Write it down: with a trip, and at the end. Raises OSError, the old file is kept then."""
        self._next = now.boottime + EVERY
        document = {
            "evaluators": self._judge.remember(),
            "release": self._rearm.remember(),
            "asked": self._trip.remember(),
        }
        baselines.save(self._directory, document)
