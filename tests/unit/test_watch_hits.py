"""Events in a sliding window."""

from __future__ import annotations

import pytest

from ess.watch.hits import Hits
from ess.watch.verdict import Mood
from tests.unit.watching import Told

PERIOD = 900.0


def fresh(limit: int = 3) -> Hits:
    return Hits("stop-losses", "stop_loss", "stop-loss hits", limit, PERIOD)


def told(count: int, limit: int = 3) -> Told:
    one = Told(fresh(limit))
    for _ in range(count):
        one.hear("BTCUSDT")
    return one


@pytest.mark.parametrize(
    ("count", "mood"), [(0, Mood.QUIET), (2, Mood.QUIET), (3, Mood.QUIET), (4, Mood.BREACH)]
)
def test_limit(count: int, mood: Mood) -> None:
    assert told(count).mood() is mood


def test_reason_at_the_limit_does_not_say_beyond() -> None:
    assert told(3).judge().reason == "3 stop-loss hits within 15 min, limit 3"


def test_no_hit_allowed_means_the_first_one_trips() -> None:
    assert told(1, limit=0).mood() is Mood.BREACH


def test_reason_names_value_and_limit() -> None:
    verdict = told(4).judge()
    assert verdict.reason == "4 stop-loss hits within 15 min, beyond the limit of 3"
    assert (verdict.value, verdict.limit) == (4, 3)


@pytest.mark.parametrize(("after", "mood"), [(896.9, Mood.BREACH), (897.1, Mood.QUIET)])
def test_the_window_slides(after: float, mood: Mood) -> None:
    assert told(4).mood(after) is mood


def test_the_future_is_now() -> None:
    one = Told(fresh())
    for dated in (1.0, 1e4, 1e9, 0.0):
        one.hear("x", dated=dated)
    assert one.mood() is Mood.BREACH
    assert one.mood(PERIOD) is Mood.QUIET


def test_what_is_dated_before_the_window_is_over() -> None:
    one = Told(fresh())
    for dated in (-901.0, -1e4, -1e9, -5.0):
        one.hear("x", dated=dated)
    assert one.judge().value == 1


@pytest.mark.parametrize("dated", [(-5.0, -400.0, -100.0, -1.0), (-1.0, -100.0, -400.0, -5.0)])
def test_order_of_arrival_does_not_matter(dated: tuple[float, ...]) -> None:
    one = Told(fresh())
    for each in dated:
        one.hear("x", after=0, dated=each)
    assert one.mood(500) is Mood.BREACH
    assert one.judge(1).value == 3, "the oldest leaves first"


@pytest.mark.parametrize("jump", [-86_400.0, -600.0, 600.0, 86_400.0])
def test_a_jump_of_the_clock_forgets_no_hit_and_keeps_none(jump: float) -> None:
    one = told(3)
    one.time.jump(jump)
    assert one.hear("x").mood is Mood.BREACH
    assert one.mood(PERIOD + 1) is Mood.QUIET


def test_hit_written_before_a_jump_and_heard_after_it_counts() -> None:
    one = told(3)
    one.time.jump(86_400)
    assert one.hear("x", dated=-86_401).mood is Mood.BREACH


def test_garbled_event_is_an_event_and_nothing_is_none() -> None:
    one = told(3)
    assert one.hear(None, raw="").mood is Mood.QUIET
    assert one.hear(None, raw="\ufffd?").mood is Mood.BREACH


def test_restart_forgets_no_hit() -> None:
    one = told(3)
    one.restart(fresh(), after=30)
    assert one.hear("x").mood is Mood.BREACH
    one.time.reboot(60)
    one.restart(fresh())
    assert one.mood() is Mood.BREACH
    assert one.mood(PERIOD) is Mood.QUIET


def test_reboot_with_a_clock_that_went_back_keeps_them_for_the_period() -> None:
    one = told(4)
    one.time.reboot(60, wrong_by=-1e7)
    one.restart(fresh())
    assert one.mood() is Mood.BREACH
    assert one.mood(PERIOD + 1) is Mood.QUIET


def test_a_flood_is_counted_in_bounded_memory() -> None:
    one = Told(fresh())
    for _ in range(20_000):
        one.hear("x", after=0)
    verdict = one.judge()
    assert verdict.mood is Mood.BREACH
    assert verdict.reason.startswith("1003 or more")
    moments = one.evaluator.remember()["moments"]
    assert isinstance(moments, list)
    assert len(moments) == 1003


def test_more_of_them_are_worse() -> None:
    one = told(4)
    before = one.judge()
    assert one.hear("x").worse_than(before)


@pytest.mark.parametrize("moments", [None, 5, ["a"], [float("nan")], [True]])
def test_garbage_is_a_valueerror(moments: object) -> None:
    one = told(2)
    with pytest.raises(ValueError, match="moments"):
        one.evaluator.recall(one.evaluator.remember() | {"moments": moments}, one.time.now)
