"""The evaluators against slow obvious judges, over thousands of paths."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ess.watch.daily_loss import DailyLoss
from ess.watch.day import Calendar
from ess.watch.drawdown import Drawdown
from ess.watch.flash_crash import FlashCrash
from ess.watch.hits import Hits
from ess.watch.sample import Sample
from ess.watch.verdict import Mood
from tests.unit.watch_paths import (
    SILENCE,
    SPAN,
    Step,
    any_path,
    credible,
    drawdowns,
    falls,
    moments,
    path,
)
from tests.unit.watching import NOON, Time, Told

if TYPE_CHECKING:
    from collections.abc import Callable

    from ess.watch.verdict import Evaluator

EDGE = 1e-5


def broken(value: float | None, limit: float) -> bool:
    return value is not None and round(value - limit, 9) > 0


def same_drawdowns(steps: list[Step]) -> None:
    one, value = Told(Drawdown(15.0, SILENCE)), None
    for step, expected in zip(steps, drawdowns(steps), strict=True):
        found = one.hear(step.equity, after=step.after)
        value = value if expected is None else expected
        assert (found.mood is Mood.BREACH) is broken(value, 15.0)
        if value is not None:
            assert found.value == value


def same_falls(steps: list[Step]) -> None:
    """At the very edge of the window, where floats decide, either is right."""
    one, times = Told(FlashCrash(3.0, SPAN, SILENCE)), moments(steps, 0.0)
    least, most = (falls(steps, SPAN + off, SILENCE) for off in (-EDGE, EDGE))
    for index, step in enumerate(steps):
        found = one.hear(step.equity, after=step.after)
        expected = [
            any(
                broken(fall, 3.0) and times[index] - at < SPAN + off
                for fall, at in zip(each[: index + 1], times, strict=False)
            )
            for each, off in ((least, -EDGE), (most, EDGE))
        ]
        assert expected[0] <= (found.mood is Mood.BREACH) <= expected[1], (found, index)


def test_drawdown_of_generated_paths() -> None:
    for seed in range(1000):
        same_drawdowns(path(seed))


def test_fall_of_generated_paths() -> None:
    for seed in range(400):
        same_falls(path(seed, 40))


@settings(max_examples=200, deadline=None)
@given(any_path())
def test_drawdown_of_any_path(steps: list[Step]) -> None:
    same_drawdowns(steps)


@settings(max_examples=200, deadline=None)
@given(any_path())
def test_fall_of_any_path(steps: list[Step]) -> None:
    same_falls(steps)


@pytest.mark.parametrize("zone", [UTC, ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")])
@pytest.mark.parametrize(
    "change", [datetime(2026, 3, 7, tzinfo=UTC), datetime(2026, 10, 24, tzinfo=UTC)]
)
def test_daily_loss_over_days_and_restarts(zone: object, change: datetime) -> None:
    assert isinstance(zone, type(UTC) | ZoneInfo)
    for seed in range(40):
        chance = random.Random(seed)
        starts = time(chance.randrange(24), chance.choice((0, 30)))
        one = Told(DailyLoss(10.0, 1e6, Calendar(starts, zone)), Time(change.timestamp()))
        steps = [Step(one_step.after * 60, one_step.equity) for one_step in path(seed, 80)]
        times, values = moments(steps, change.timestamp()), credible(steps)
        seen: list[tuple[object, float]] = []
        for index, (step, at, value) in enumerate(zip(steps, times, values, strict=True)):
            if chance.random() < 0.1:
                one.restart(DailyLoss(10.0, 1e6, Calendar(starts, zone)))
            found = one.hear(step.equity, "equity", after=step.after)
            day = _day(at, starts, zone)
            if value is not None:
                seen.append((day, value))
            before = [
                worth for when, worth in seen if when == day - timedelta(days=1) and worth > 0
            ]
            own = [worth for when, worth in seen if when == day and worth > 0]
            last = seen[-1][1]
            worth = before[-1] if before else own[0] if own else None
            if worth is None:
                assert found.mood is not Mood.BREACH, index
            else:
                assert found.value == pytest.approx((worth - last) / worth * 100), (index, seed)


def _day(at: float, starts: time, zone: object) -> datetime:
    assert isinstance(zone, type(UTC) | ZoneInfo)
    local = datetime.fromtimestamp(at, zone)
    day = datetime(local.year, local.month, local.day, tzinfo=UTC)
    begin = datetime.combine(local.date(), starts, tzinfo=zone).timestamp()
    return day if at >= begin else day - timedelta(days=1)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.one_of(st.sampled_from((0.0, 1.0, 60.0, 900.0, 901.0)), st.floats(0, 1000)),
            st.one_of(
                st.none(), st.sampled_from((0.0, -899.0, -900.0, -901.0)), st.floats(-2000, 2000)
            ),
            st.booleans(),
        ),
        max_size=40,
    ),
    st.integers(0, 5),
)
def test_events_in_a_window(events: list[tuple[float, float | None, bool]], limit: int) -> None:
    def fresh() -> Hits:
        return Hits("stop-losses", "stop_loss", "hits", limit, 900.0)

    one, began = Told(fresh()), []
    for after, dated, restarts in events:
        if restarts:
            one.restart(fresh())
        found = one.hear(1.0, after=after, dated=dated)
        began.append(one.time.boottime + min(0.0, dated or 0.0))
        count = sum(1 for at in began if one.time.boottime - at <= 900.0 + 1e-6)
        strict = sum(1 for at in began if one.time.boottime - at <= 900.0 - 1e-6)
        assert found.value is not None
        assert strict <= found.value <= count
        assert (found.mood is Mood.BREACH) is (found.value > limit)


@settings(max_examples=200, deadline=None)
@given(any_path(), st.lists(st.integers(0, 39), max_size=5), st.booleans())
def test_a_restart_at_any_place_changes_no_verdict(
    steps: list[Step],
    places: list[int],
    reboot: bool,  # noqa: FBT001 - a table
) -> None:
    def fresh() -> Drawdown:
        return Drawdown(15.0, SILENCE)

    whole, torn = Told(fresh()), Told(fresh())
    for index, step in enumerate(steps):
        expected = whole.hear(step.equity, after=step.after)
        if index in places:
            if reboot:
                torn.time.reboot(0.0)
            torn.restart(fresh())
        found = torn.hear(step.equity, after=step.after)
        assert (found.mood is Mood.BREACH) is (expected.mood is Mood.BREACH)
        # The clock of another boot rounds otherwise.
        same = expected.value and pytest.approx(expected.value, rel=1e-12)
        assert found.value == same


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_no_state_whatever_crashes(data: st.DataObject) -> None:
    """One leaf or branch of a true state replaced by anything: taken, or a ValueError."""
    makers: list[Callable[[], Evaluator]] = [
        lambda: DailyLoss(10.0, SILENCE, Calendar(time(), UTC)),
        lambda: Drawdown(15.0, SILENCE),
        lambda: FlashCrash(3.0, SPAN, SILENCE),
        lambda: Hits("stop-losses", "equity", "hits", 3, 900.0),
    ]
    make = data.draw(st.sampled_from(makers))
    one = Told(make())
    for figure in (1000, 990, 985):
        one.hear(figure, "equity")
    state = json.loads(json.dumps(one.evaluator.remember()))
    spot = state
    while True:
        key = data.draw(st.sampled_from(sorted(spot)))
        if not isinstance(spot[key], dict) or data.draw(st.booleans()):
            break
        spot = spot[key]
    spot[key] = data.draw(json_like)
    other = make()
    try:
        other.recall(state, one.time.now)
    except ValueError:
        assert other.remember() == make().remember()
        return
    now = one.time.on(1)
    other.hear(Sample("equity", 980.0, now.wall, now.boottime, "980"), now)
    other.judge(now)
    json.dumps(other.remember(), allow_nan=False)


def test_paths_have_what_they_are_for() -> None:
    """A generator that never breaks a limit, or always does, proves nothing."""
    falls_, downs = (
        [falls(path(seed)) for seed in range(100)],
        [drawdowns(path(seed)) for seed in range(100)],
    )
    for found, limit in ((falls_, 3.0), (downs, 15.0)):
        share = sum(any(broken(one, limit) for one in each) for each in found) / 100
        assert 0.1 < share < 0.95
    assert NOON > 0
