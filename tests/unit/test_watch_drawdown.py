"""Equity below its peak, and what may become a peak."""

from __future__ import annotations

import random

import pytest

from ess.watch.drawdown import Drawdown
from ess.watch.verdict import Mood
from tests.unit.watching import SILENCE, Told


def told(*figures: float) -> Told:
    one = Told(Drawdown(15.0, SILENCE))
    for figure in figures:
        one.hear(figure)
    return one


@pytest.mark.parametrize(
    ("figure", "mood"), [(850.01, Mood.QUIET), (850.0, Mood.QUIET), (849.99, Mood.BREACH)]
)
def test_limit(figure: float, mood: Mood) -> None:
    assert told(900, 960, 1000, 900).hear(figure).mood is mood


def test_reason_names_value_limit_and_peak() -> None:
    assert told(1000).hear(800).reason == (
        "drawdown 20.00 % (800 of a peak of 1000) is beyond the limit of 15 %"
    )


def test_first_figure_arms_whatever_it_is() -> None:
    assert told().judge().mood is Mood.LEARNING
    assert told().hear(0.01).mood is Mood.QUIET
    assert told().hear(0.0).mood is Mood.LEARNING
    assert told().hear(None, raw="").mood is Mood.LEARNING
    assert told().hear(-5.0).mood is Mood.LEARNING


def test_peak_outlives_restart_and_reboot() -> None:
    one = told(1000, 900)
    one.restart(Drawdown(15.0, SILENCE), after=3 * 86_400)
    assert one.hear(849).mood is Mood.BREACH
    one.time.reboot(86_400 * 30)
    one.restart(Drawdown(15.0, SILENCE))
    assert one.mood() is Mood.BREACH


def test_a_single_wild_figure_is_no_peak() -> None:
    one = told(1000, 9_000_000, 1000)
    assert one.mood() is Mood.QUIET
    assert "peak of 1000" in one.judge().reason


def test_two_wild_figures_are_no_peak_either() -> None:
    one = told(1000, 9_000_000, 9_000_000, 1000)
    assert "peak of 1000" in one.judge().reason


def test_three_in_a_row_are_believed_by_the_lowest() -> None:
    one = told(1000, 5000, 3000, 4000)
    assert "peak of 3000" in one.judge().reason


def test_a_rise_of_a_tenth_is_believed_at_once() -> None:
    assert "peak of 1100" in told(1000, 1100).judge().reason
    assert "peak of 1000" in told(1000, 1100.01).judge().reason


def test_a_wild_figure_excuses_nothing() -> None:
    one = told(1000, 800)
    assert one.hear(5000).mood is Mood.BREACH
    assert one.hear(5000).mood is Mood.BREACH
    assert one.hear(5000).mood is Mood.QUIET


def test_three_in_a_row_are_three_over_a_restart() -> None:
    one = told(1000, 5000)
    one.restart(Drawdown(15.0, SILENCE))
    assert "peak of 1000" in one.hear(5000).reason
    one.restart(Drawdown(15.0, SILENCE))
    assert "peak of 5000" in one.hear(5000).reason


@pytest.mark.parametrize("dated", [10.0, 1e8, -30.0])
def test_a_peak_with_a_wrong_date_is_none_and_a_fall_is_one(dated: float) -> None:
    one = told(*[1000] * 40)
    assert "peak of 1000" in one.hear(1050, dated=dated).reason
    assert one.hear(800, dated=dated).mood is Mood.BREACH
    assert one.hear(1000).mood is Mood.QUIET


def test_a_figure_from_yesterday_is_no_figure() -> None:
    one = told(1000)
    assert one.hear(500, dated=-86_400).mood is Mood.QUIET
    assert one.hear(2000, dated=-86_400).mood is Mood.QUIET
    assert one.hear(1000).mood is Mood.QUIET


def test_silence_trips_after_its_limit_and_a_breach_stays_one() -> None:
    one = told(1000)
    assert one.mood(300) is Mood.QUIET
    assert one.mood(1) is Mood.BLIND
    broken = told(1000, 800)
    assert broken.mood(10_000) is Mood.BREACH


def test_a_figure_written_before_the_clock_was_set_forward_counts() -> None:
    one = told(1000)
    one.time.jump(3600)
    assert one.hear(800, dated=-3601).mood is Mood.BREACH


def test_nearness_grows_to_one() -> None:
    one = told(1000)
    near = [one.hear(figure).nearness for figure in (1000, 925, 850, 800)]
    assert near == [0.0, 0.5, 1.0, 1.0]


def test_severity_grows_with_the_drawdown() -> None:
    one = told(1000)
    bad = [one.hear(figure) for figure in (840, 839, 830, 700)]
    assert not bad[1].worse_than(bad[0]), "a waver is not worse"
    assert bad[2].worse_than(bad[0])
    assert bad[3].worse_than(bad[2])


def test_rebase_takes_the_last_figure_for_the_peak() -> None:
    evaluator = Drawdown(15.0, SILENCE)
    one = Told(evaluator)
    one.hear(1000)
    assert one.hear(800).mood is Mood.BREACH
    evaluator.rebase()
    assert one.hear(790).mood is Mood.QUIET
    assert one.hear(670).mood is Mood.BREACH


@pytest.mark.parametrize("peak", ["1000", -1.0, 0, True, [1]])
def test_garbage_is_a_valueerror(peak: object) -> None:
    one = told(1000)
    with pytest.raises(ValueError, match="peak"):
        one.evaluator.recall(one.evaluator.remember() | {"peak": peak}, one.time.now)


def test_wild_figures_among_true_ones_change_no_verdict() -> None:
    """A generator that never sends three wild ones in a row, against the path without them."""
    chance = random.Random(4)
    for _ in range(300):
        true, wild, figure = told(1000), told(1000), 1000.0
        for _ in range(40):
            figure *= 1 + chance.uniform(-0.02, 0.02)
            expected = true.hear(figure)
            for _ in range(chance.choice((0, 0, 0, 1, 2))):
                wild.hear(figure * chance.uniform(1.5, 1e6))
            found = wild.hear(figure)
            assert (found.mood, found.value) == (expected.mood, expected.value)


@pytest.mark.parametrize(
    ("value", "dated"), [(1000.0, -400.0), (1000.0, 400.0), (0.0, 0.0), (None, 0.0), ("x", 0.0)]
)
def test_one_that_never_wrote_a_good_figure_is_missed(
    value: float | str | None, dated: float
) -> None:
    """Found: a writer whose clock was wrong from the first day on was learnt about for ever."""
    one = told()
    for _ in range(31):
        assert not one.hear(value, dated=dated, after=10, raw="something").trips
    assert one.hear(value, dated=dated, raw="something").mood is Mood.BLIND


def test_what_was_never_there_is_not_missed() -> None:
    one = told()
    for _ in range(100):
        assert one.hear(None, raw="", after=10).mood is Mood.LEARNING
