"""What counts as news, and when silence is too long."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ess.watch.clock import Clock
from ess.watch.hearing import Hearing, Weight
from ess.watch.sample import Sample
from tests.unit.watching import Time

LIMIT = 300.0


class Ear:
    def __init__(self) -> None:
        self.time, self.clock, self.hearing = Time(), Clock(), Hearing(LIMIT)

    def take(
        self, value: float | None = 1.0, *, after: float = 1.0, dated: float | None = 0.0
    ) -> Weight:
        now = self.time.on(after)
        at = None if dated is None else now.wall + dated
        return self.take_sample(Sample("x", value, at, now.boottime))

    def take_sample(self, sample: Sample) -> Weight:
        self.clock.see(self.time.now)
        return self.hearing.take(sample, self.time.now, self.clock)

    def silent(self, after: float) -> bool:
        return self.hearing.is_silent(self.time.on(after))

    def restart(self, *, reboot: bool) -> None:
        state, clock = self.hearing.remember(), self.clock.remember()
        now = self.time.reboot(30) if reboot else self.time.on(30)
        self.clock, shift = Clock.recalled(clock, now)
        self.hearing = Hearing.recalled(LIMIT, state, self.clock, (shift, now))


@pytest.mark.parametrize(("after", "silent"), [(299.9, False), (300.0, False), (300.1, True)])
def test_silence_is_longer_than_the_limit(after: float, silent: bool) -> None:  # noqa: FBT001 - a table
    ear = Ear()
    ear.take()
    assert ear.silent(after) is silent


def test_what_was_never_heard_is_not_silent() -> None:
    assert not Ear().silent(1e9)


def test_an_old_figure_is_as_old_as_it_says() -> None:
    ear = Ear()
    assert ear.take(dated=-200) is Weight.NEWS
    assert not ear.silent(100)
    assert ear.silent(0.1)


def test_one_that_is_too_old_is_no_news() -> None:
    ear = Ear()
    assert ear.take(dated=-301) is Weight.NOTHING
    assert ear.hearing.sample is None
    assert ear.silent(301), "somebody writes, and writes nothing good"


def test_the_same_figure_read_again_and_again_grows_old() -> None:
    ear = Ear()
    ear.take()
    read = Sample("x", 1.0, ear.time.wall, ear.time.boottime)
    for _ in range(400):
        ear.time.on(1)
        assert ear.take_sample(replace(read, heard=ear.time.boottime)) is Weight.NOTHING
    assert ear.silent(0)


def test_undated_figures_are_news_each_time() -> None:
    ear = Ear()
    assert {ear.take(dated=None, after=200) for _ in range(5)} == {Weight.NEWS}


@pytest.mark.parametrize("dated", [6.0, 3600.0, 1e9])
def test_the_future_excuses_nothing(dated: float) -> None:
    ear = Ear()
    ear.take()
    for _ in range(31):
        assert ear.take(after=10, dated=dated) is Weight.ACCUSES
    assert ear.silent(0)
    verdict = ear.hearing.verdict("who", "x", ear.time.now)
    assert verdict is not None
    assert "in the future" in verdict.reason


def test_an_earlier_figure_excuses_nothing() -> None:
    ear = Ear()
    ear.take()
    assert ear.take(2.0, dated=-50) is Weight.ACCUSES


def test_a_figure_that_changes_without_its_date_excuses_nothing() -> None:
    ear = Ear()
    ear.take()
    read = Sample("x", 2.0, ear.time.wall, ear.time.boottime)
    assert ear.take_sample(read) is Weight.ACCUSES


def test_clock_set_back_here_and_at_the_writer_is_heard_all_the_same() -> None:
    ear = Ear()
    ear.take()
    ear.time.jump(-3600)
    assert {ear.take() for _ in range(5)} == {Weight.NEWS}


def test_clock_set_forward_between_writing_and_hearing_makes_nothing_stale() -> None:
    ear = Ear()
    ear.take()
    written = Sample("x", 2.0, ear.time.wall + 0.5, 0.0)
    ear.time.jump(3600)
    now = ear.time.on(1)
    assert ear.take_sample(replace(written, heard=now.boottime)) is Weight.NEWS


@pytest.mark.parametrize("jump", [-86_400.0, 86_400.0])
def test_a_jump_makes_nothing_silent_and_hides_no_silence(jump: float) -> None:
    ear = Ear()
    ear.take()
    ear.time.jump(jump)
    assert not ear.silent(300)
    assert ear.silent(0.1)


def test_restart_forgives_for_half_a_minute() -> None:
    ear = Ear()
    ear.take()
    ear.time.on(299)
    ear.restart(reboot=False)
    assert not ear.silent(30)
    assert ear.silent(0.1)


def test_restarts_forgive_for_no_longer_than_that_together_with_news() -> None:
    ear = Ear()
    ear.take()
    ear.restart(reboot=False)
    assert not ear.silent(270)
    assert ear.silent(0.1)


def test_reboot_forgives_for_the_limit() -> None:
    ear = Ear()
    ear.take()
    ear.restart(reboot=True)
    assert not ear.silent(LIMIT)
    assert ear.silent(0.1)


def test_a_figure_known_before_the_restart_is_no_news_after_it() -> None:
    ear = Ear()
    ear.take()
    read = Sample("x", 1.0, ear.time.wall, 0.0)
    ear.restart(reboot=False)
    assert ear.take_sample(replace(read, heard=ear.time.boottime)) is Weight.NOTHING
