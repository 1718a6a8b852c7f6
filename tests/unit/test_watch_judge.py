"""All evaluators together, the broken ones among them."""

from __future__ import annotations

import time as clock
from datetime import UTC, time
from typing import TYPE_CHECKING

import pytest

from ess.watch.daily_loss import DailyLoss
from ess.watch.day import Calendar
from ess.watch.drawdown import Drawdown
from ess.watch.evaluators import configured
from ess.watch.expression import Expression, parse
from ess.watch.feeds import Feeds
from ess.watch.flash_crash import FlashCrash
from ess.watch.judge import Judge
from ess.watch.sample import Sample
from ess.watch.settings import DEFAULTS, Settings
from ess.watch.verdict import Mood, Verdict
from tests.unit.watching import SILENCE, Time

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ess.watch.sample import Now


class Plugin:
    """An evaluator of somebody else's; `breaks`: the methods that raise."""

    name = "plugin"
    wants = frozenset({"equity", "mine:"})

    def __init__(self, *breaks: str, mood: Mood = Mood.QUIET) -> None:
        self.breaks = breaks
        self.mood = mood
        self.heard: list[str] = []
        self.state: dict[str, object] = {"a": 1}

    def hear(self, sample: Sample, now: Now) -> None:
        assert now.boottime >= sample.heard
        self.heard.append(sample.name)
        self._break("hear")

    def judge(self, now: Now) -> Verdict:
        assert now.wall > 0
        self._break("judge")
        return Verdict(self.name, self.mood, "as told", None, None, 1.0, (), 1.0)

    def remember(self) -> dict[str, object]:
        self._break("remember")
        return self.state

    def recall(self, state: Mapping[str, object], now: Now) -> None:
        assert now.wall > 0
        self.state = dict(state)
        self._break("recall")

    def _break(self, where: str) -> None:
        if where in self.breaks:
            raise RuntimeError(f"{where}\n\x1b[31m" + "long" * 500)


class Bench:
    def __init__(self, *evaluators: object) -> None:
        self.time = Time()
        self.judge = Judge(evaluators, 60.0)  # type: ignore[arg-type]

    def hear(self, name: str, value: float = 1.0, after: float = 1.0) -> dict[str, Verdict]:
        now = self.time.on(after)
        sample = Sample(name, value, now.wall, now.boottime, str(value))
        return {verdict.evaluator: verdict for verdict in self.judge.hear(sample, now)}

    def verdict(self, after: float = 0.0) -> Verdict:
        found = {one.evaluator: one for one in self.judge.judge(self.time.on(after))}
        return found["plugin"]


def test_samples_go_to_those_who_want_them() -> None:
    plugin = Plugin()
    bench = Bench(plugin, Drawdown(15.0, SILENCE))
    assert set(bench.hear("equity")) == {"plugin", "drawdown"}
    assert set(bench.hear("mine:x")) == {"plugin"}
    assert set(bench.hear("other")) == set()
    assert plugin.heard == ["equity", "mine:x"]


def test_a_breach_is_the_answer_to_the_very_figure() -> None:
    bench = Bench(Drawdown(15.0, SILENCE))
    bench.hear("equity", 1000)
    assert bench.hear("equity", 800)["drawdown"].mood is Mood.BREACH


@pytest.mark.parametrize("where", ["hear", "judge"])
def test_one_that_fails_is_blind_after_its_limit_and_the_others_go_on(where: str) -> None:
    bench = Bench(Plugin(where), Drawdown(15.0, SILENCE))
    bench.hear("equity", 1000)
    for _ in range(6):
        assert bench.hear("equity", 1000, after=10)["drawdown"].mood is Mood.QUIET
    assert bench.verdict().mood is Mood.QUIET
    assert bench.verdict(1).mood is Mood.BLIND
    reason = bench.verdict().reason
    assert reason.startswith(f"evaluator fails for 61 s, limit 60 s: RuntimeError: {where}")
    assert reason.isprintable()
    assert len(reason) < 300


def test_one_that_works_again_is_fine_again() -> None:
    plugin = Plugin("hear")
    bench = Bench(plugin)
    bench.hear("equity")
    assert bench.verdict(61).mood is Mood.BLIND
    plugin.breaks = ()
    assert bench.hear("equity")["plugin"].reason == "as told"


def test_one_that_fails_in_a_breach_stays_in_it() -> None:
    plugin = Plugin(mood=Mood.BREACH)
    bench = Bench(plugin)
    assert bench.verdict().mood is Mood.BREACH
    plugin.breaks = ("judge",)
    assert bench.verdict(1).mood is Mood.BREACH


def test_one_that_hears_nothing_more_keeps_no_old_verdict() -> None:
    """Found: a judge() that worked hid a hear() that failed, for ever."""
    bench = Bench(Plugin("hear"))
    for _ in range(7):
        bench.hear("equity", after=10)
        bench.verdict()
    assert bench.verdict(1).mood is Mood.BLIND


def test_what_is_no_verdict_is_a_failure() -> None:
    plugin = Plugin()
    plugin.judge = str  # type: ignore[method-assign, assignment]
    assert "str is no verdict" in Bench(plugin).verdict().reason


@pytest.mark.parametrize(
    "state", [{"a": float("nan")}, {"a": object()}, {1.5: {2: set()}}, {"a": {"b": b"x"}}]
)
def test_state_that_is_no_json_costs_no_other_its_own(state: dict[str, object]) -> None:
    plugin = Plugin()
    bench = Bench(plugin, Drawdown(15.0, SILENCE))
    assert bench.judge.remember()["plugin"] == {"a": 1}
    plugin.state = state
    assert bench.judge.remember()["plugin"] == {"a": 1}, "what it remembered last"
    assert "drawdown" in bench.judge.remember()


def test_recall_says_what_is_lost_and_takes_the_rest() -> None:
    before = Bench(Drawdown(15.0, SILENCE), Plugin())
    before.hear("equity", 1000)
    states = before.judge.remember()
    after = Bench(Drawdown(15.0, SILENCE), Plugin("recall"))
    problems = after.judge.recall(states, before.time.now)
    assert [one.split(":")[0] for one in problems] == ["plugin"]
    after.time = before.time
    assert after.hear("equity", 800)["drawdown"].mood is Mood.BREACH
    states["drawdown"] = ["garbage"]
    assert len(Bench(Drawdown(15.0, SILENCE)).judge.recall(states, before.time.now)) == 1


def test_what_an_evaluator_knew_is_kept_while_it_is_switched_off() -> None:
    before = Bench(Drawdown(15.0, SILENCE))
    before.hear("equity", 1000)
    off = Bench(Plugin())
    off.judge.recall(before.judge.remember(), before.time.now)
    again = Bench(Drawdown(15.0, SILENCE))
    again.time = before.time
    again.judge.recall(off.judge.remember(), before.time.now)
    assert again.hear("equity", 800)["drawdown"].mood is Mood.BREACH


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e300, True])
def test_an_absurd_figure_of_a_source_is_no_figure(value: float) -> None:
    """Found: a NaN became the level, nothing is below which."""
    bench = Bench(Drawdown(15.0, SILENCE))
    bench.hear("equity", 1000)
    bench.hear("equity", value)
    assert bench.hear("equity", 800)["drawdown"].mood is Mood.BREACH
    assert bench.hear("equity", value)["drawdown"].mood is Mood.BREACH


def test_what_is_heard_in_the_future_is_heard_now() -> None:
    bench = Bench(Drawdown(15.0, SILENCE))
    now = bench.time.now
    bench.judge.hear(Sample("equity", 1000.0, None, now.boottime + 1e6, ""), now)
    (verdict,) = bench.judge.judge(bench.time.on(SILENCE + 1))
    assert verdict.mood is Mood.BLIND


def test_no_reason_has_a_second_line() -> None:
    bench = Bench(Feeds(SILENCE))
    bench.hear("feed:a\nlatch=clear\x1b[2J" + "long" * 500)
    (verdict,) = bench.judge.judge(bench.time.on(SILENCE + 1))
    assert verdict.mood is Mood.BLIND
    assert verdict.reason.isprintable()
    assert len(verdict.reason) <= 500


def test_two_of_one_name_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="two evaluators are called plugin"):
        Bench(Plugin(), Plugin())


def test_the_configured_ones_have_names_of_their_own() -> None:
    values = DEFAULTS | {"QT_ESS_EXPRESSION_A": "x > 1", "QT_ESS_EXPRESSION_B": "x > 1"}
    names = Judge(configured(Settings(values)), 60.0).names
    assert names[-2:] == ("expr:a", "expr:b")
    assert len(names) == 10
    values["QT_ESS_WATCH_OFF"] = "drawdown, expr:a"
    assert set(names) - set(Judge(configured(Settings(values)), 60.0).names) == {
        "drawdown",
        "expr:a",
    }


def test_twenty_evaluators_and_a_thousand_feeds_are_judged_in_a_few_ms() -> None:
    calendar = Calendar(time(), UTC)
    bench = Bench(
        DailyLoss(10.0, SILENCE, calendar),
        Drawdown(15.0, SILENCE),
        FlashCrash(3.0, 60.0, SILENCE),
        Feeds(SILENCE),
        *(Expression(f"e{number}", parse("x > 5"), SILENCE) for number in range(16)),
    )
    for number in range(1000):
        bench.hear(f"feed:{number}", after=0.001)
    for number in range(16):
        bench.hear(f"expr:e{number}", after=0.001)
    bench.hear("equity", 1000)
    best = 1.0
    for _ in range(20):
        begun = clock.process_time()
        assert len(bench.judge.judge(bench.time.on(1))) == 20
        best = min(best, clock.process_time() - begun)
    assert best < 0.005
