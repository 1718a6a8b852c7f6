"""What trips now, and what a person has released in spite of."""

from __future__ import annotations

import json

import pytest

from ess.latch import State
from ess.watch.rearm import RETRY, Rearm, Trip
from ess.watch.sample import Sample
from ess.watch.verdict import Mood, Verdict
from tests.unit.watching import Time

PAUSE = 900.0


def verdict(severity: float = 1.2, mood: Mood = Mood.BREACH, name: str = "drawdown") -> Verdict:
    return Verdict(name, mood, "drawdown 18 %, limit 15 %", 18.0, 15.0, 1.0, (), severity)


def quiet(nearness: float = 0.1, name: str = "drawdown") -> Verdict:
    return Verdict(name, Mood.QUIET, "fine", 1.0, 15.0, nearness)


class Course:
    def __init__(self) -> None:
        self.time, self.rearm = Time(), Rearm(PAUSE)

    def go(self, *found: Verdict, latch: State = State.CLEAR, after: float = 1.0) -> Trip | None:
        return self.rearm.decide(found, latch, self.time.on(after))

    def released(self, *found: Verdict) -> None:
        """Trip, latch, and let a person release."""
        self.go(*found)
        self.go(*found, latch=State.LATCHED)
        assert self.go(*found) is None, "trips at once after the release"

    def restart(self, after: float = 1.0) -> None:
        state = json.loads(json.dumps(self.rearm.remember(), allow_nan=False))
        self.rearm = Rearm(PAUSE)
        self.rearm.recall(state, self.time.on(after))


@pytest.mark.parametrize(
    ("mood", "trips"),
    [(Mood.QUIET, False), (Mood.LEARNING, False), (Mood.BLIND, True), (Mood.BREACH, True)],
)
def test_moods_that_trip(mood: Mood, trips: bool) -> None:  # noqa: FBT001 - a table
    assert (Course().go(verdict(mood=mood)) is not None) is trips


@pytest.mark.parametrize(
    ("latch", "trips"), [(State.CLEAR, True), (State.UNKNOWN, True), (State.LATCHED, False)]
)
def test_a_latch_of_which_nothing_is_known_keeps_from_nothing(
    latch: State,
    trips: bool,  # noqa: FBT001 - a table
) -> None:
    assert (Course().go(verdict(), latch=latch) is not None) is trips


def test_a_trip_says_why_and_by_what() -> None:
    course = Course()
    now = course.time.now
    heard = Sample("equity", 820.0, now.wall - 2, now.boottime - 1.5, "820")
    broken = Verdict("drawdown", Mood.BREACH, "18 %, limit 15 %", 18.0, 15.0, 1.0, (heard,), 1.2)
    trip = course.go(verdict(mood=Mood.BLIND, name="feeds"), broken, quiet(name="x"), after=0)
    assert trip is not None
    assert trip.reason == "drawdown: 18 %, limit 15 % (and 1 more)"
    assert trip.inputs["drawdown"] == "18 %, limit 15 %"
    assert trip.inputs["input equity"] == "820, heard 1.5 s ago, dated 2.0 s ago"
    assert "feeds" in trip.inputs


def test_what_a_trip_is_decided_by_is_bounded() -> None:
    course = Course()
    heard = tuple(Sample(f"feed:{n}", 1.0, None, 1.0, "1") for n in range(100))
    broken = Verdict("feeds", Mood.BLIND, "no news", 1.0, 1.0, 1.0, heard, 1.0)
    trip = course.go(broken)
    assert trip is not None
    assert len(trip.inputs) <= 20


def test_a_trip_that_became_no_latch_is_asked_for_again() -> None:
    course = Course()
    assert course.go(verdict())
    assert course.go(verdict(), after=RETRY - 0.1) is None
    assert course.go(verdict(), after=0.2)


def test_a_second_evaluator_trips_meanwhile() -> None:
    course = Course()
    assert course.go(verdict())
    assert course.go(verdict(), verdict(name="health"))


def test_a_release_that_nobody_saw_is_one() -> None:
    course = Course()
    course.go(verdict())
    course.rearm.released(course.time.on(1.0))
    assert course.go(verdict(), after=RETRY) is None
    assert course.go(verdict(1.3))


def test_what_was_over_before_a_release_that_nobody_saw_is_not_accepted() -> None:
    course = Course()
    course.go(verdict())
    course.go(quiet(nearness=0.9), verdict(name="health"))
    course.rearm.released(course.time.on(1.0))
    assert course.go(verdict(name="health"), after=RETRY) is None
    assert course.go(verdict())


def test_after_a_release_it_trips_again_after_the_pause() -> None:
    course = Course()
    course.released(verdict())
    assert course.go(verdict(), after=PAUSE - 1) is None
    assert course.go(verdict(), after=1.5)


@pytest.mark.parametrize(
    ("now", "trips"),
    [(verdict(1.21), False), (verdict(1.24), False), (verdict(1.26), True), (verdict(9.0), True)],
)
def test_after_a_release_it_trips_at_once_when_it_got_worse(
    now: Verdict,
    trips: bool,  # noqa: FBT001 - a table
) -> None:
    course = Course()
    course.released(verdict(1.2))
    assert (course.go(now) is not None) is trips


def test_creeping_worse_is_worse() -> None:
    course = Course()
    course.released(verdict(1.2))
    found = [course.go(verdict(1.2 + step / 100)) is not None for step in range(8)]
    assert found.index(True) == 6


def test_what_it_was_at_the_release_counts_not_at_the_trip() -> None:
    course = Course()
    course.go(verdict(1.1))
    course.go(verdict(1.1), latch=State.LATCHED)
    course.go(verdict(1.6), latch=State.LATCHED)
    assert course.go(verdict(1.6)) is None
    assert course.go(verdict(1.7))


def test_blind_then_broken_is_worse() -> None:
    course = Course()
    course.released(verdict(5.0, Mood.BLIND))
    assert course.go(verdict(1.01))


def test_what_was_fine_at_the_release_trips_at_once() -> None:
    course = Course()
    course.released(verdict(), quiet(name="health"))
    assert course.go(verdict(name="health"))


@pytest.mark.parametrize("restart", [False, True])
def test_who_writes_has_the_time_of_its_limit_to_start(restart: bool) -> None:  # noqa: FBT001 - a table
    """Found: a release shortly before silence was too long tripped at once again."""
    course = Course()
    course.released(verdict())
    if restart:
        course.restart(after=0)
    blind = Verdict("daily-loss", Mood.BLIND, "no news", 301.0, 300.0, 1.0, (), 1.0)
    assert course.go(blind, after=298) is None
    assert course.go(blind, after=3)


def test_silence_is_forgiven_after_a_release_only_and_for_the_pause_at_most() -> None:
    blind = Verdict("daily-loss", Mood.BLIND, "no news", 9e9, 8e9, 1.0, (), 1.0)
    assert Course().go(blind)
    course = Course()
    course.released(verdict())
    assert course.go(blind, after=PAUSE + 1)


def test_what_got_fine_while_latched_trips_at_once() -> None:
    course = Course()
    course.go(verdict())
    course.go(verdict(), latch=State.LATCHED)
    course.go(quiet(), latch=State.LATCHED)
    course.go(quiet())
    assert course.go(verdict())


def test_wavering_around_the_limit_is_no_new_time() -> None:
    course = Course()
    course.released(verdict())
    for _ in range(20):
        assert course.go(quiet(nearness=0.99)) is None
        assert course.go(verdict()) is None


def test_well_below_the_limit_it_is_over() -> None:
    course = Course()
    course.released(verdict())
    course.go(quiet(nearness=0.5))
    assert course.go(verdict())


def test_some_verdicts_only_forget_nothing_of_the_others() -> None:
    course = Course()
    course.go(verdict(), verdict(name="health"))
    course.go(verdict(), verdict(name="health"), latch=State.LATCHED)
    course.go(quiet(name="feeds"), latch=State.LATCHED)
    assert course.go(verdict(), verdict(name="health")) is None


def test_a_look_that_fails_is_no_release() -> None:
    course = Course()
    course.go(verdict())
    course.go(verdict(), latch=State.LATCHED)
    course.go(verdict(), latch=State.UNKNOWN)
    course.go(verdict(1.9), latch=State.LATCHED)
    assert course.go(verdict(1.9)) is None


@pytest.mark.parametrize("jump", [-1e6, 1e6])
def test_a_jump_neither_ends_the_pause_nor_makes_it_longer(jump: float) -> None:
    course = Course()
    course.released(verdict())
    course.time.jump(jump)
    assert course.go(verdict()) is None
    assert course.go(verdict(), after=PAUSE)


def test_the_pause_goes_on_over_a_restart() -> None:
    course = Course()
    course.released(verdict())
    course.restart(after=PAUSE / 2)
    assert course.go(verdict()) is None
    assert course.go(verdict(), after=PAUSE / 2)


@pytest.mark.parametrize(("off", "trips"), [(PAUSE - 100, False), (PAUSE + 100, True)])
def test_the_pause_goes_on_over_a_reboot(off: float, trips: bool) -> None:  # noqa: FBT001 - a table
    course = Course()
    course.released(verdict())
    course.time.reboot(off)
    course.restart()
    assert (course.go(verdict()) is not None) is trips


def test_a_release_while_the_watcher_was_down_is_one() -> None:
    course = Course()
    course.go(verdict())
    course.go(verdict(), latch=State.LATCHED)
    course.restart()
    assert course.go(verdict()) is None
    assert course.go(verdict(), after=PAUSE)


def test_a_dry_run_says_it_once() -> None:
    course = Course()
    assert course.go(verdict())
    course.rearm.accept((verdict(),), course.time.now)
    assert course.go(verdict(), after=60) is None
    assert course.go(verdict(1.5))
    assert course.go(verdict(), after=PAUSE)


def test_what_was_broken_in_a_dry_run_trips_at_once_when_that_is_switched_off() -> None:
    course = Course()
    course.released(verdict(name="feeds"))
    assert course.go(verdict())
    course.rearm.accept((verdict(),), course.time.now)
    course.restart()
    course.rearm.end_rehearsal()
    assert course.go(verdict())


def test_what_a_person_released_after_a_dry_run_stays_released() -> None:
    course = Course()
    assert course.go(verdict())
    course.rearm.accept((verdict(),), course.time.now)
    course.released(verdict(1.3))
    course.restart()
    course.rearm.end_rehearsal()
    assert course.go(verdict(1.3)) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"accepted": 5},
        {"rehearsed": 5},
        {"accepted": {"a": 5}},
        {"accepted": {"a": {"mood": "odd", "severity": 1.0}}},
        {"accepted": {"a": {"mood": "breach", "severity": None}}},
        {"released": "now"},
        {"clock": {}},
    ],
)
def test_garbage_is_a_valueerror(wrong: dict[str, object]) -> None:
    course = Course()
    course.released(verdict())
    with pytest.raises(ValueError, match=r"\w"):
        Rearm(PAUSE).recall(course.rearm.remember() | wrong, course.time.now)
