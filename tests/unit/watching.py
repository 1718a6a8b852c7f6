"""Telling evaluators what happens, on clocks that a test moves."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from ess.watch.sample import Now, Sample

if TYPE_CHECKING:
    from ess.watch.verdict import Evaluator, Mood, Verdict

SILENCE = 300.0
NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC).timestamp()
Any = TypeVar("Any", bound="Evaluator")


@dataclass
class Time:
    """Both clocks; they go together but for what `jump` and `reboot` do to them."""

    wall: float = NOON
    boottime: float = 10_000.0
    boot: str = "boot-1"

    @property
    def now(self) -> Now:
        return Now(self.wall, self.boottime, self.boot)

    def on(self, seconds: float) -> Now:
        self.wall += seconds
        self.boottime += seconds
        return self.now

    def jump(self, seconds: float) -> Now:
        self.wall += seconds
        return self.now

    def reboot(self, off: float, wrong_by: float = 0.0) -> Now:
        self.wall += off + wrong_by
        self.boottime, self.boot = 20.0, f"{self.boot}+"
        return self.now


class Told:
    """One evaluator, told figures."""

    def __init__(self, evaluator: Evaluator, time: Time | None = None) -> None:
        self.evaluator = evaluator
        self.time = time or Time()

    def hear(
        self,
        value: float | str | None,
        name: str = "",
        *,
        after: float = 1.0,
        dated: float | None = 0.0,
        raw: str | None = None,
    ) -> Verdict:
        """Tell it after so many s; `dated`: s relative to now, None for not at all."""
        now = self.time.on(after)
        at = None if dated is None else now.wall + dated
        (wanted,) = self.evaluator.wants if not name else (name,)
        text = str(value) if raw is None else raw
        self.evaluator.hear(Sample(wanted, value, at, now.boottime, text), now)
        return self.evaluator.judge(now)

    def again(self, sample: Sample, *, after: float = 1.0) -> Verdict:
        """Tell it a sample as it is, heard now."""
        now = self.time.on(after)
        self.evaluator.hear(replace(sample, heard=now.boottime), now)
        return self.evaluator.judge(now)

    def judge(self, after: float = 0.0) -> Verdict:
        return self.evaluator.judge(self.time.on(after))

    def mood(self, after: float = 0.0) -> Mood:
        return self.judge(after).mood

    def restart(self, fresh: Evaluator, after: float = 0.0) -> None:
        """Go on with a new process, which knows what the old one wrote down."""
        state = json.loads(json.dumps(self.evaluator.remember(), allow_nan=False))
        fresh.recall(state, self.time.on(after))
        self.evaluator = fresh
