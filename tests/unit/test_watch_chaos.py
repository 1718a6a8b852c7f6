"""Whatever came before, a true fall trips: no garbage makes the watcher deaf, or raise."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from ess.latch import State
from ess.paths import Paths
from ess.watch.evaluators import configured
from ess.watch.judge import Judge
from ess.watch.memory import Memory
from ess.watch.rearm import Rearm
from ess.watch.sample import Sample
from ess.watch.settings import DEFAULTS, Settings
from ess.watch.trip_request import TripRequest
from ess.watch.verdict import Mood
from tests.unit.watching import Time

if TYPE_CHECKING:
    from pathlib import Path

    from ess.watch.verdict import Verdict

NAMES = (
    *("equity",) * 6,
    *(
        "daily_pnl_pct",
        "health",
        "stop_loss",
        "order_error",
        "manual",
        "expr:m",
        "feed:a",
        "feed:b",
    ),
    *("feed:", "feed:\n", "other", ""),
)
VALUES = (
    *(1000.0, 900.0, 1e-9, 0.0, -5.0, 1e15, 1e300, float("nan"), float("-inf")),
    *(None, "", "OK", "CRITICAL", "1000", "\x00", True),
)


class Life:
    """A watcher, and everything that happens to it."""

    def __init__(self, directory: Path, seed: int) -> None:
        self.chance = random.Random(seed)
        self.time = Time()
        self.directory = directory
        self.latch = State.CLEAR
        self.start()

    def start(self) -> None:
        settings = Settings(DEFAULTS | {"QT_ESS_EXPRESSION_M": "m > 900"})
        self.judge, self.rearm = Judge(configured(settings), 300.0), Rearm(900.0)
        trip = TripRequest(Paths(str(self.directory)), 900.0)
        self.memory = Memory(str(self.directory), self.judge, self.rearm, trip)
        self.memory.recall(self.time.now)

    def hear(self, sample: Sample) -> tuple[Verdict, ...]:
        verdicts = self.judge.hear(sample, self.time.now)
        self.rearm.decide(verdicts, self.latch, self.time.now)
        return verdicts

    def true_figure(self, value: float) -> dict[str, Mood]:
        now = self.time.on(1)
        sample = Sample("equity", value, now.wall, now.boottime, str(value))
        return {verdict.evaluator: verdict.mood for verdict in self.hear(sample)}

    def happen(self) -> None:
        chance, now = self.chance, self.time.now
        kind = chance.randrange(12)
        if kind == 0:
            self.time.jump(chance.choice((-1e9, -86_400.0, -3.0, 3.0, 86_400.0, 1e9)))
        elif kind == 1:
            self.memory.keep_now(now)
            self.start()
        elif kind == 2:
            self.memory.keep_now(now)
            self.time.reboot(chance.uniform(0, 1e5), chance.choice((0.0, -1e6, 1e6)))
            self.start()
        elif kind == 3:
            self.latch = chance.choice(list(State))
            self.rearm.decide(self.judge.judge(now), self.latch, now)
        else:
            self.time.on(chance.choice((0.0, 0.01, 1.0, 400.0)))
            now = self.time.now
            at = chance.choice(
                (None, now.wall, now.wall - 100, now.wall + 1e6, -1.0, 0.0, 1e300, float("nan"))
            )
            heard = now.boottime - chance.choice((0.0, 0.0, 5.0, -50.0, 1e6))
            name, value = chance.choice(NAMES), chance.choice(VALUES)
            self.hear(Sample(name, value, at, heard, chance.choice(("", str(value), "x" * 500))))


def test_a_true_fall_trips_whatever_came_before(tmp_path: Path) -> None:
    for seed in range(40):
        life = Life(tmp_path / str(seed), seed)
        life.directory.mkdir()
        for _ in range(60):
            life.happen()
        for _ in range(6):
            moods = life.true_figure(1000.0)
            assert not {verdict.reason for verdict in life.judge.judge(life.time.now)} & {""}
        assert set(moods) == {"daily-loss", "drawdown", "flash-crash"}
        moods = life.true_figure(500.0)
        assert moods["drawdown"] is Mood.BREACH, seed
        assert moods["flash-crash"] is Mood.BREACH, seed
        failing = [one.reason for one in life.judge.judge(life.time.now) if "fails" in one.reason]
        assert not failing, seed
        life.memory.keep_now(life.time.now)
        life.start()
        after = {one.evaluator: one.mood for one in life.judge.judge(life.time.now)}
        assert after["drawdown"] is Mood.BREACH, seed


def test_a_day_of_quiet_never_trips(tmp_path: Path) -> None:
    """No false trip by true figures that wander within the limits, over restarts and jumps."""
    chance = random.Random(11)
    for seed in range(8):
        life, equity = Life(tmp_path / str(seed), seed), 1000.0
        life.directory.mkdir()
        for _ in range(250):
            equity = min(1010.0, max(990.0, equity * (1 + chance.gauss(0, 0.001))))
            life.time.on(chance.choice((0.1, 5.0, 60.0, 240.0)))
            now = life.time.now
            dated = now.wall + chance.uniform(-2, 2)
            verdicts = life.hear(Sample("equity", equity, dated, now.boottime, ""))
            verdicts += life.judge.judge(now)
            if chance.random() < 0.03:
                life.memory.keep_now(now)
                life.start()
            if chance.random() < 0.02:
                life.time.jump(chance.choice((-3600.0, -1.0, 1.0, 3600.0)))
            assert not [one.reason for one in verdicts if one.trips], seed
