"""Data feeds, each by itself, and a thousand of them for the price of one."""

from __future__ import annotations

import time as clock
from typing import TYPE_CHECKING

import pytest

from ess.watch.feeds import CORRUPT, MOST, Feeds
from ess.watch.sample import Sample
from ess.watch.verdict import Mood
from tests.unit.watching import SILENCE, Time, Told

if TYPE_CHECKING:
    from ess.watch.verdict import Verdict


def told(*names: str, evaluator: Feeds | None = None) -> Told:
    one = Told(evaluator or Feeds(SILENCE))
    for name in names:
        one.hear(100.0, f"feed:{name}", after=0)
    return one


@pytest.mark.parametrize(
    ("after", "mood"), [(299.9, Mood.QUIET), (300.0, Mood.QUIET), (300.1, Mood.BLIND)]
)
def test_limit(after: float, mood: Mood) -> None:
    one = told("a", "b")
    one.hear(1.0, "feed:b", after=after)
    assert one.mood() is mood


def test_reason_names_feed_age_and_limit() -> None:
    one = told("BTC", "ETH")
    one.hear(1.0, "feed:ETH", after=301)
    assert one.judge().reason == "no news of feed BTC for 301 s, limit 300 s"


def test_many_silent_ones_are_named_shortly_and_more_is_worse() -> None:
    names = [f"f{number}" for number in range(20)]
    one = told(*names)
    one.time.on(290)
    for name in names[10:]:
        one.hear(1.0, f"feed:{name}", after=0)
    ten = one.judge(11)
    assert ten.reason.startswith("no news of feed f0, f1, f2, f3, f4 and 5 more for 301 s")
    twenty = one.judge(300)
    assert twenty.worse_than(ten)
    assert not one.judge(100).worse_than(twenty), "to be silent for longer is not worse"


def test_no_feed_yet_is_learning() -> None:
    assert told().mood(1e6) is Mood.LEARNING


def corrupt(one: Told, times: int) -> Verdict:
    for _ in range(times):
        verdict = one.hear(None, "feed:a", raw="garbage")
    return verdict


def test_corrupt_values_in_a_row() -> None:
    one = told("a", "b")
    assert corrupt(one, CORRUPT - 1).mood is Mood.QUIET
    verdict = corrupt(one, 1)
    assert verdict.mood is Mood.BREACH
    assert verdict.reason == "feed a: 3 corrupt values in a row, limit 2, last: garbage"
    one.hear(5.0, "feed:b")
    assert one.mood() is Mood.BREACH
    assert one.hear(5.0, "feed:a").mood is Mood.QUIET


def test_a_good_value_between_corrupt_ones() -> None:
    one = told("a")
    for _ in range(10):
        corrupt(one, CORRUPT - 1)
        one.hear(5.0, "feed:a")
    assert one.mood() is Mood.QUIET


def test_corrupt_values_are_no_news() -> None:
    one = told("a")
    assert corrupt(one, 1).mood is Mood.QUIET
    one.time.on(SILENCE)
    assert one.mood() is Mood.BLIND
    assert "last: corrupt: garbage" in one.judge().reason


@pytest.mark.parametrize(("value", "raw"), [("text", None), (None, "nan"), (None, "inf")])
def test_corrupt(value: str | None, raw: str | None) -> None:
    one = told("a")
    for _ in range(CORRUPT):
        one.hear(value, "feed:a", raw=raw)
    assert one.mood() is Mood.BREACH


def test_missing_is_not_corrupt_but_silent() -> None:
    one = told("a")
    for _ in range(30):
        assert one.hear(None, "feed:a", after=10, raw="").mood is Mood.QUIET
    assert one.mood(1) is Mood.BLIND


def test_a_feed_that_was_never_good_arms_and_is_silent_in_the_end() -> None:
    """Found: a feed of nothing but garbage from the first day on was never watched."""
    one = Told(Feeds(SILENCE))
    assert corrupt(one, 1).mood is Mood.QUIET
    assert one.mood(301) is Mood.BLIND


def test_wrong_dates_end_no_corruption() -> None:
    one = told("a")
    corrupt(one, CORRUPT)
    assert one.hear(5.0, "feed:a", dated=100).mood is Mood.BREACH
    assert one.hear(5.0, "feed:a", dated=-1000).mood is Mood.BREACH


def test_feeds_that_must_be_heard_are_missed_from_the_start_on() -> None:
    one = told(evaluator=Feeds(SILENCE, must=("a", "b")))
    assert one.mood() is Mood.QUIET
    one.hear(1.0, "feed:a", after=200)
    one.hear(1.0, "feed:other", after=0)
    verdict = one.judge(101)
    assert verdict.mood is Mood.BLIND
    assert "feed b" in verdict.reason
    assert "other" not in verdict.reason


def test_feeds_that_do_not_count() -> None:
    one = told("a", "gone", evaluator=Feeds(SILENCE, never=("gone",)))
    for _ in range(4):
        one.hear(1.0, "feed:a", after=100)
    assert one.mood() is Mood.QUIET


def test_once_heard_silence_counts_over_a_restart() -> None:
    one = told("a", "b")
    one.restart(Feeds(SILENCE), after=280)
    one.hear(1.0, "feed:a")
    assert one.mood(28) is Mood.QUIET
    assert one.mood(2) is Mood.BLIND
    assert "feed b" in one.judge().reason


def test_forgiven_silence_is_at_its_limit_and_not_beyond() -> None:
    one = told("a")
    one.restart(Feeds(SILENCE), after=500)
    verdict = one.judge()
    assert (verdict.mood, verdict.nearness) == (Mood.QUIET, 1.0)


def test_feed_taken_off_the_list_is_forgotten_by_a_restart() -> None:
    one = told("a", "gone")
    one.restart(Feeds(SILENCE, never=("gone",)), after=200)
    one.hear(1.0, "feed:a")
    assert one.mood(290) is Mood.QUIET


def test_corruption_outlives_a_restart() -> None:
    one = told("a")
    corrupt(one, CORRUPT)
    one.restart(Feeds(SILENCE), after=1)
    assert one.mood() is Mood.BREACH


@pytest.mark.parametrize("jump", [-1e6, 1e6])
def test_a_jump_makes_no_feed_stale_and_hides_no_silence(jump: float) -> None:
    one = told("a")
    one.time.jump(jump)
    assert one.mood(300) is Mood.QUIET
    assert one.mood(1) is Mood.BLIND


def test_somebody_writing_names_takes_no_more_memory_and_is_no_secret() -> None:
    evaluator = Feeds(SILENCE)
    one = told(*(f"n{number}" for number in range(MOST + 50)), evaluator=evaluator)
    assert len(evaluator.ages(one.time.now)) == MOST
    assert one.mood() is Mood.BLIND
    assert f"more than {MOST} feeds" in one.judge().reason


def test_every_round_says_what_looking_at_every_feed_says() -> None:
    """The heap against a plain look at all ages."""
    evaluator = Feeds(SILENCE)
    one = told(*(f"f{number}" for number in range(50)), evaluator=evaluator)
    for step in range(600):
        name = f"f{(step * 7919) % 50 if step % 3 else step % 7}"
        verdict = one.hear(1.0, f"feed:{name}", after=2.5)
        worst = max(evaluator.ages(one.time.now).values())
        assert verdict.value == pytest.approx(worst)
        assert (verdict.mood is Mood.BLIND) is (worst > SILENCE)


def test_a_thousand_feeds_are_judged_in_no_time() -> None:
    time, evaluator = Time(), Feeds(SILENCE)
    begun = clock.process_time()
    for _ in range(10):
        for number in range(1000):
            now = time.on(0.001)
            evaluator.hear(Sample(f"feed:f{number}", 1.0, now.wall, now.boottime), now)
            evaluator.judge(now)
    assert (clock.process_time() - begun) / 10_000 < 0.001


@pytest.mark.parametrize(
    "wrong", [{"feeds": []}, {"feeds": {"a": 5}}, {"corrupt": 1}, {"clock": None}]
)
def test_garbage_is_a_valueerror(wrong: dict[str, object]) -> None:
    one = told("a")
    with pytest.raises(ValueError, match="is no object"):
        one.evaluator.recall(one.evaluator.remember() | wrong, one.time.now)
