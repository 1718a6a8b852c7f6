"""The loss of a day: its limit, its start, and that no clock and no restart makes it smaller."""

from __future__ import annotations

from datetime import UTC, datetime, time, tzinfo
from zoneinfo import ZoneInfo

import pytest

from ess.watch.daily_loss import DailyLoss
from ess.watch.day import Calendar
from ess.watch.verdict import Mood
from tests.unit.watching import NOON, SILENCE, Time, Told

PNL = "daily_pnl_pct"
DAY = 86_400.0


def fresh(zone: tzinfo = UTC, starts: time = time()) -> DailyLoss:
    return DailyLoss(10.0, SILENCE, Calendar(starts, zone))


def told(*figures: float, zone: tzinfo = UTC, at: float = NOON) -> Told:
    one = Told(fresh(zone), Time(at))
    for figure in figures:
        one.hear(figure, "equity")
    return one


def live(one: Told, seconds: float, figure: float) -> None:
    """Let time pass as it does when all is well: with a figure every minute."""
    for _ in range(int(seconds // 60)):
        one.hear(figure, "equity", after=60)


@pytest.mark.parametrize(
    ("figure", "mood"),
    [
        (900.001, Mood.QUIET),
        (900.0, Mood.QUIET),
        (899.999, Mood.BREACH),
        (0.0, Mood.BREACH),
        (-50.0, Mood.BREACH),
    ],
)
def test_limit(figure: float, mood: Mood) -> None:
    assert told(1000).hear(figure, "equity").mood is mood


@pytest.mark.parametrize("worth", [1.1, 0.3, 7, 3000, 123_456.7])
def test_exactly_the_limit_is_within_it_whatever_floats_make_of_it(worth: float) -> None:
    assert told(worth).hear(worth * 0.9, "equity").mood is Mood.QUIET


def test_reason_names_value_and_limit() -> None:
    verdict = told(1000).hear(880, "equity")
    assert verdict.reason == (
        "daily loss 12.00 % (880 of 1000 when the day began) is beyond the limit of 10 %"
    )
    assert (verdict.value, verdict.limit, verdict.nearness) == (12.0, 10.0, 1.0)
    assert [sample.raw for sample in verdict.inputs] == ["880"]


def test_reason_has_the_digits_that_tell_it_from_the_limit() -> None:
    assert "10.0001 %" in told(1000).hear(899.999, "equity").reason


@pytest.mark.parametrize(
    ("figure", "mood"),
    [(-9.99, Mood.QUIET), (-10.0, Mood.QUIET), (-10.01, Mood.BREACH), (12.0, Mood.QUIET)],
)
def test_limit_as_the_stack_says(figure: float, mood: Mood) -> None:
    one = Told(fresh())
    one.hear(0.0, PNL)
    assert one.hear(figure, PNL).mood is mood


def test_first_figures_arm_and_never_trip() -> None:
    one = Told(fresh())
    assert one.judge().mood is Mood.LEARNING
    assert one.hear(-50.0, PNL).mood is Mood.LEARNING
    assert one.hear(1.0, "equity").mood is Mood.QUIET
    assert one.hear(-50.0, PNL).mood is Mood.BREACH


def test_the_worse_of_two_counts() -> None:
    one = told(1000, 950)
    one.hear(0.0, PNL)
    assert one.hear(-11.0, PNL).mood is Mood.BREACH
    assert one.hear(-5.0, PNL).mood is Mood.QUIET
    assert one.hear(850, "equity").mood is Mood.BREACH


@pytest.mark.parametrize("junk", [None, "abc"])
def test_what_is_no_figure_clears_nothing_and_is_silence_in_the_end(junk: str | None) -> None:
    one = told(1000, 880)
    assert one.hear(junk, "equity").mood is Mood.BREACH
    quiet = told(1000)
    assert quiet.hear(junk, "equity", after=SILENCE).mood is Mood.QUIET
    verdict = quiet.hear(junk, "equity")
    assert verdict.mood is Mood.BLIND
    assert "no news of equity for 301 s, limit 300 s" in verdict.reason


def test_silence_of_one_input_is_not_hidden_by_the_other() -> None:
    one = told(1000)
    one.hear(0.0, PNL)
    for _ in range(6):
        one.hear(1000, "equity", after=60)
    assert "daily_pnl_pct" in one.judge().reason
    assert one.mood() is Mood.BLIND


def test_restart_in_the_middle_of_a_loss_does_not_forget_it() -> None:
    one = told(1000, 905)
    one.restart(fresh(), after=20)
    assert one.mood() is Mood.QUIET
    assert one.hear(899, "equity").mood is Mood.BREACH
    one.restart(fresh(), after=20)
    assert one.mood() is Mood.BREACH


def test_reboot_in_the_middle_of_a_loss_does_not_forget_it() -> None:
    one = told(1000, 905)
    one.time.reboot(600)
    one.restart(fresh())
    assert one.mood() is Mood.QUIET
    assert one.hear(899, "equity").mood is Mood.BREACH


def test_the_day_begins_with_the_last_figure_of_the_day_before() -> None:
    one = told(1000, at=NOON)
    live(one, DAY / 2 - 120, 1000)
    one.hear(920, "equity")
    assert "920 of 1000" in one.judge().reason
    one.time.on(120)
    assert "920 of 920" in one.judge().reason
    assert one.hear(829, "equity").mood is Mood.QUIET
    assert one.hear(827, "equity").mood is Mood.BREACH


def test_restart_over_the_start_of_a_day_loses_no_loss_of_the_new_one() -> None:
    one = told(1000, at=NOON + DAY / 2 - 600)
    one.restart(fresh(), after=1200)
    assert one.hear(899, "equity").mood is Mood.BREACH


def test_after_days_without_figures_the_first_one_begins() -> None:
    one = told(1000)
    one.restart(fresh(), after=3 * DAY)
    assert one.hear(500, "equity").mood is Mood.QUIET
    assert one.hear(449, "equity").mood is Mood.BREACH


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", (2026, 3, 29), 23),
        ("Europe/Berlin", (2026, 10, 25), 25),
        ("America/New_York", (2026, 3, 8), 23),
        ("America/New_York", (2026, 11, 1), 25),
    ],
)
def test_a_day_of_the_change_to_summer_time_begins_once(
    zone: str, day: tuple[int, int, int], hours: int
) -> None:
    place = ZoneInfo(zone)
    midnight = datetime(*day, tzinfo=place).timestamp()
    one = told(1000, zone=place, at=midnight - 600)
    one.hear(990, "equity", after=598)  # one second before
    began = []
    for minute in range(hours * 60 + 20):
        verdict = one.hear(990 + minute / 1000, "equity", after=60)
        began.append(verdict.reason.split(" of ")[1].split(" when")[0])
    assert list(dict.fromkeys(began)) == ["990", f"{990 + (hours * 60 - 1) / 1000:g}"]


@pytest.mark.parametrize("jump", [DAY, 3 * DAY, 400 * DAY, -DAY, -3 * DAY, -400 * DAY])
def test_a_jump_of_the_clock_hides_no_loss(jump: float) -> None:
    one = told(1000, 920)
    one.time.jump(jump)
    assert "920 of 1000" in one.judge().reason
    assert "the clock jumped" in one.judge().reason
    assert one.hear(899, "equity").mood is Mood.BREACH


def test_a_jump_there_and_back_hides_no_loss() -> None:
    one = told(1000, 920)
    one.time.jump(DAY)
    one.hear(910, "equity")
    one.time.jump(-DAY)
    assert one.hear(899, "equity").mood is Mood.BREACH


def test_a_jump_close_to_midnight_hides_no_loss_a_minute_later() -> None:
    one = told(1000, 920)
    one.time.jump(DAY / 2 - 30)
    one.hear(920, "equity")
    assert one.hear(899, "equity", after=60).mood is Mood.BREACH


def test_midnight_twice_hides_no_loss_between_the_two() -> None:
    one = told(1000, at=NOON + DAY / 2 - 30)
    one.hear(1000, "equity", after=60)
    one.hear(920, "equity")
    one.time.jump(-60)
    one.hear(920, "equity", after=60)
    assert one.hear(899, "equity").mood is Mood.BREACH


def test_a_reboot_after_a_jump_does_not_make_the_next_midnight_trusted() -> None:
    one = told(1000, 920)
    one.time.jump(DAY / 2 - 30)
    one.hear(920, "equity")
    one.time.reboot(5)
    one.restart(fresh())
    assert one.hear(899, "equity", after=120).mood is Mood.BREACH
    assert one.time.wall > NOON + DAY / 2


def test_an_account_at_zero_is_no_start_of_a_day() -> None:
    one = told(1000, 0.0)
    assert one.hear(0.0, "equity", after=DAY / 2).mood is not Mood.LEARNING
    one.hear(-5.0, "equity", after=DAY)
    one.restart(fresh(), after=DAY)
    for figure in (100, 100, 100, 100):
        one.hear(figure, "equity")
    assert one.mood() is Mood.QUIET
    assert one.hear(89, "equity").mood is Mood.BREACH


def test_a_day_after_a_jump_days_begin_as_ever() -> None:
    one = told(1000, 920)
    one.time.jump(DAY)
    live(one, 2.5 * DAY, 920)
    assert "920 of 920" in one.judge().reason
    assert "jumped" not in one.judge().reason


def test_a_jump_while_the_watcher_was_down_hides_no_loss() -> None:
    one = told(1000, 920)
    one.time.jump(DAY)
    one.restart(fresh(), after=10)
    assert one.hear(899, "equity").mood is Mood.BREACH


def test_a_reboot_over_midnight_hides_no_loss() -> None:
    one = told(1000, 920, at=NOON + DAY / 2 - 300)
    one.time.reboot(600)
    one.restart(fresh())
    assert one.hear(899, "equity").mood is Mood.BREACH


def test_a_clock_that_is_set_by_little_is_no_jump() -> None:
    one = told(1000, 920)
    one.time.jump(1.5)
    assert "jumped" not in one.hear(920, "equity").reason


@pytest.mark.parametrize("zone", ["Pacific/Auckland", "America/New_York"])
def test_another_start_of_the_day_in_the_settings_hides_no_loss(zone: str) -> None:
    """Found: a restart with another zone began a new day at once."""
    one = told(1000, 920)
    one.restart(fresh(ZoneInfo(zone)))
    assert "920 of 1000" in one.judge().reason
    assert one.hear(899, "equity").mood is Mood.BREACH


def test_rebase_begins_anew_from_the_last_figure() -> None:
    evaluator = fresh()
    one = Told(evaluator)
    one.hear(1000, "equity")
    assert one.hear(880, "equity").mood is Mood.BREACH
    evaluator.rebase()
    assert one.mood() is Mood.QUIET
    assert one.hear(791, "equity").mood is Mood.BREACH


@pytest.mark.parametrize(
    "wrong",
    [
        {"pnl": "x"},
        {"start": None},
        {"start": {"day": 1.0, "worth": -5.0, "jumped": None}},
        {"start": {"day": 1.0, "worth": float("nan"), "jumped": None}},
        {"equity": {}},
        {"stated": []},
        {"stated": {"written": True, "at": None}},
    ],
)
def test_garbage_is_a_valueerror_and_changes_nothing(wrong: dict[str, object]) -> None:
    state = told(1000, 920).evaluator.remember() | wrong
    one = Told(fresh())
    before = one.evaluator.remember()
    with pytest.raises(ValueError, match=r"\w"):
        one.evaluator.recall(state, one.time.now)
    assert one.evaluator.remember() == before
