"""A fall within a short time, seen at once and however seldom one looks."""

from __future__ import annotations

import random

import pytest

from ess.watch.flash_crash import FlashCrash
from ess.watch.sample import Sample
from ess.watch.verdict import Mood
from ess.watch.window import MOST_STEPS, Window
from tests.unit.watching import SILENCE, Told


def fresh() -> FlashCrash:
    return FlashCrash(3.0, 60.0, SILENCE)


def told(*figures: float, every: float = 10.0) -> Told:
    one = Told(fresh())
    for figure in figures:
        one.hear(figure, after=every)
    return one


@pytest.mark.parametrize(
    ("figure", "mood"), [(970.01, Mood.QUIET), (970.0, Mood.QUIET), (969.99, Mood.BREACH)]
)
def test_limit(figure: float, mood: Mood) -> None:
    assert told(1000).hear(figure).mood is mood


def test_reason_names_value_limit_and_window() -> None:
    assert told(1000, 990).hear(950).reason == (
        "equity fell by 5.00 % within 60 s (1000 to 950), beyond the limit of 3 %"
    )


def test_first_figure_arms() -> None:
    assert told().judge().mood is Mood.LEARNING
    assert told().hear(1).mood is Mood.QUIET


@pytest.mark.parametrize(("gap", "mood"), [(59.9, Mood.BREACH), (60.0, Mood.QUIET)])
def test_the_window_slides(gap: float, mood: Mood) -> None:
    one = told(1000)
    one.hear(985, after=5)
    assert one.hear(965, after=gap).mood is mood


def test_a_slow_bleed_is_no_crash() -> None:
    one = told(1000)
    for step in range(60):
        assert one.hear(1000 * 0.996**step, after=10).mood is Mood.QUIET


def test_what_stood_before_a_gap_counts() -> None:
    assert told(1000).hear(960, after=200).mood is Mood.BREACH


def test_what_stood_before_a_gap_that_is_silence_does_not() -> None:
    assert told(1000).hear(960, after=400).mood is Mood.QUIET


def test_a_crash_that_recovered_is_seen_by_the_next_round() -> None:
    one = told(1000)
    one.hear(900, after=0.1)
    one.hear(985, after=0.1)
    one.hear(1000, after=0.1)
    assert one.mood(5) is Mood.BREACH
    assert one.mood(54) is Mood.BREACH
    assert one.mood(2) is Mood.QUIET


def test_a_backlog_delivered_at_once_is_no_crash() -> None:
    one = told(1000)
    one.time.on(250)
    for age in range(240, 0, -10):
        one.hear(1000 - (240 - age) / 4, after=0.001, dated=-age)
    assert one.mood() is Mood.QUIET


def test_a_crash_in_a_backlog_is_one() -> None:
    one = told(1000)
    one.time.on(250)
    for age in range(240, 0, -10):
        one.hear(1000 if age > 100 else 950, after=0.001, dated=-age)
    assert one.mood() is Mood.BREACH


@pytest.mark.parametrize("jump", [-3600.0, 3600.0])
def test_a_jump_of_the_clock_hides_no_crash_and_makes_none(jump: float) -> None:
    one = told(1000)
    one.time.jump(jump)
    assert one.hear(990).mood is Mood.QUIET
    assert one.hear(960).mood is Mood.BREACH


def test_a_figure_written_before_the_clock_was_set_forward_counts() -> None:
    one = told(1000)
    one.time.jump(3600)
    assert one.hear(960, dated=-3601).mood is Mood.BREACH


def test_a_spike_is_no_high_to_crash_from() -> None:
    assert told(1000, 5000, 1000, every=1).mood() is Mood.QUIET


@pytest.mark.parametrize("dated", [30.0, 1e7])
def test_a_fall_with_a_wrong_date_is_a_fall(dated: float) -> None:
    assert told(1000).hear(960, dated=dated).mood is Mood.BREACH


def test_an_older_figure_read_again_after_a_rise_is_no_fall() -> None:
    """Found: two sources of one figure, the slower of which was judged as if it were news."""
    one = told(1000, 960, 970, every=61)
    old = Sample("equity", 970.0, one.time.wall, one.time.boottime, "970")
    for figure in (980, 1000, 1010):
        one.hear(figure)
        assert one.again(old).mood is Mood.QUIET
        assert one.hear(None, raw="").mood is Mood.QUIET
    assert one.hear(970).mood is Mood.BREACH


def test_crash_over_a_restart() -> None:
    one = told(1000, 990)
    one.restart(fresh(), after=10)
    assert one.hear(965, after=5).mood is Mood.BREACH
    one.restart(fresh(), after=10)
    assert one.mood() is Mood.BREACH


def test_silence_trips() -> None:
    one = told(1000)
    assert one.mood(300) is Mood.QUIET
    assert one.mood(1) is Mood.BLIND


@pytest.mark.parametrize(
    "wrong",
    [
        {"highs": 5},
        {"highs": [[1.0, 2.0]]},
        {"highs": [5]},
        {"highs": [["a", 2.0, 3.0, 0.0]]},
        {"highs": [[1.0, 2.0, 3.0, 0.0]] * (MOST_STEPS + 1)},
        {"falls": [[1.0]]},
        {"falls": "x"},
    ],
)
def test_garbage_is_a_valueerror(wrong: dict[str, object]) -> None:
    one = told(1000)
    with pytest.raises(ValueError, match=r"highs|falls"):
        one.evaluator.recall(one.evaluator.remember() | wrong, one.time.now)


@pytest.mark.parametrize("step", [-0.001, 0.0, 0.001])
def test_a_flood_of_figures_takes_no_more_memory(step: float) -> None:
    window, value = Window(60.0, SILENCE), 1e6
    for count in range(120_000):
        value += step
        window.push(count * 0.001, value)
    assert len(window.steps()) <= MOST_STEPS


def test_in_a_flood_no_high_leaves_early_and_none_stays_long() -> None:
    chance, slice_ = random.Random(7), 60.0 / 2048
    window, pushed, moment = Window(60.0, SILENCE), [], 0.0
    for count in range(4000):
        moment += chance.choice((0.0, 0.001, 0.01, 0.05))
        value = 1000 - count * 0.1 + chance.uniform(-20, 20)
        window.push(moment, value)
        pushed.append((moment, value))
        if count % 40 == 0:
            found = window.highest(moment)
            assert found is not None
            exact = [max(_stood(pushed, moment, span)) for span in (60.0, 60.0 + 2 * slice_)]
            assert exact[0] <= found.value <= exact[1]


def _stood(pushed: list[tuple[float, float]], moment: float, span: float) -> list[float]:
    ends = [at for at, _ in pushed[1:]] + [moment + 1]
    return [value for (at, value), end in zip(pushed, ends, strict=True) if end > moment - span]
