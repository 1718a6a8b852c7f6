"""What a jump of the wall clock, a restart and a reboot do to the age of things."""

from __future__ import annotations

import pytest

from ess.watch.clock import TOLERANCE, Clock
from ess.watch.sample import Now, Sample
from tests.unit.watching import Time


def sample(at: float | None, heard: float) -> Sample:
    return Sample("equity", 1.0, at, heard)


def test_clocks_that_go_together_do_not_jump() -> None:
    time, clock = Time(), Clock()
    assert [clock.see(time.on(seconds)) for seconds in (0, 1, 3600, 86_400)] == [0, 0, 0, 0]


@pytest.mark.parametrize("step", [-86_400.0, -3.0, 3.0, 7200.0])
def test_a_jump_is_seen_once_with_its_size(step: float) -> None:
    time, clock = Time(), Clock()
    clock.see(time.now)
    time.jump(step)
    assert clock.see(time.on(10)) == pytest.approx(step)
    assert clock.see(time.on(10)) == 0


def test_age_is_what_the_writer_says() -> None:
    time, clock = Time(), Clock()
    now = time.now
    assert clock.written(sample(now.wall - 40, now.boottime), now) == now.boottime - 40
    assert clock.written(sample(None, now.boottime - 3), now) == now.boottime - 3


def test_what_was_heard_a_while_ago_was_written_before_that() -> None:
    time, clock = Time(), Clock()
    heard = time.now
    now = time.on(10)
    assert clock.written(sample(heard.wall - 1, heard.boottime), now) == heard.boottime - 1


def test_the_future_is_now() -> None:
    time, clock = Time(), Clock()
    now = time.now
    assert clock.written(sample(now.wall + 900, now.boottime), now) == now.boottime


@pytest.mark.parametrize(
    ("ahead", "said"), [(0.0, 0.0), (TOLERANCE, 0.0), (TOLERANCE + 1, TOLERANCE + 1)]
)
def test_ahead_beyond_the_tolerance(ahead: float, said: float) -> None:
    now = Time().now
    assert Clock().ahead(sample(now.wall + ahead, now.boottime), now) == said


def test_what_was_dated_before_the_clock_was_set_forward_grows_no_older_by_it() -> None:
    time, clock = Time(), Clock()
    clock.see(time.now)
    written = time.now
    time.jump(3600)
    now = time.on(2)
    clock.see(now)
    assert clock.written(sample(written.wall, now.boottime), now) == written.boottime


@pytest.mark.parametrize("jump", [-7200.0, 0.0, 7200.0])
def test_restart_measures_on_the_boottime_clock(jump: float) -> None:
    time, clock = Time(), Clock()
    clock.see(time.now)
    state = clock.remember()
    time.jump(jump)
    again, shift = Clock.recalled(state, time.on(60))
    assert shift == 0
    assert not again.rebooted
    assert again.see(time.now) == jump


@pytest.mark.parametrize(("off", "counted"), [(600.0, 600.0), (-600.0, 0.0)])
def test_reboot_measures_on_the_wall_clock_and_never_backwards(off: float, counted: float) -> None:
    time, clock = Time(), Clock()
    clock.see(time.now)
    before, state = time.now, clock.remember()
    now = time.reboot(off)
    again, shift = Clock.recalled(state, now)
    assert again.rebooted
    assert now.boottime - (before.boottime + shift) == counted


def test_two_reboots_in_a_row_lose_no_time() -> None:
    """Found: written down again before it had looked at the time, it began at zero."""
    time, clock = Time(), Clock()
    clock.see(time.now)
    moment = time.now.boottime
    for _ in range(3):
        state = clock.remember()
        clock, shift = Clock.recalled(state, time.reboot(100))
        moment += shift
    assert time.now.boottime - moment == 300


def test_without_a_boot_id_it_was_another_boot() -> None:
    clock = Clock()
    clock.see(Now(1e9, 50.0))
    again, _ = Clock.recalled(clock.remember(), Now(1e9 + 5, 55.0))
    assert again.rebooted


def test_a_boottime_that_went_back_was_another_boot() -> None:
    clock = Clock()
    clock.see(Now(1e9, 50.0, "same"))
    again, _ = Clock.recalled(clock.remember(), Now(1e9 + 5, 20.0, "same"))
    assert again.rebooted


@pytest.mark.parametrize(
    "state",
    [{}, {"wall": "1", "boottime": 1, "boot": ""}, {"wall": 1, "boottime": 1, "boot": None}],
)
def test_garbage_is_a_valueerror(state: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"is no (number|text)"):
        Clock.recalled(state, Time().now)
