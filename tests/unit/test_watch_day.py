"""When a trading day begins, also when the hour is there twice or not at all."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ess.watch.day import Calendar

BERLIN, NEW_YORK = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York")
ZONES = [UTC, BERLIN, NEW_YORK, ZoneInfo("Australia/Lord_Howe"), ZoneInfo("Pacific/Apia")]


def utc(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("zone", "starts", "day", "begins"),
    [
        (UTC, "00:00", "2026-11-20", "2026-11-20 00:00"),
        (BERLIN, "00:00", "2026-03-29", "2026-03-28 23:00"),
        (BERLIN, "00:00", "2026-03-30", "2026-03-29 22:00"),
        (BERLIN, "02:30", "2026-03-29", "2026-03-29 01:30"),  # skipped: 03:30 summer time
        (BERLIN, "02:30", "2026-10-25", "2026-10-25 00:30"),  # twice: the first
        (NEW_YORK, "17:00", "2026-03-08", "2026-03-08 21:00"),
        (NEW_YORK, "17:00", "2026-11-01", "2026-11-01 22:00"),
        (NEW_YORK, "02:30", "2026-03-08", "2026-03-08 07:30"),
        (NEW_YORK, "01:30", "2026-11-01", "2026-11-01 05:30"),
    ],
)
def test_day_begins(zone: tzinfo, starts: str, day: str, begins: str) -> None:
    calendar = Calendar(time.fromisoformat(starts), zone)
    ordinal, moment = date.fromisoformat(day).toordinal(), utc(begins)
    assert calendar.start(ordinal) == moment
    assert calendar.day(moment) == ordinal
    assert calendar.day(moment - 0.001) == ordinal - 1


@pytest.mark.parametrize(("zone", "day"), [(BERLIN, "2026-10-25"), (NEW_YORK, "2026-11-01")])
def test_the_hour_that_comes_twice_begins_one_day(zone: tzinfo, day: str) -> None:
    starts = "02:30" if zone is BERLIN else "01:30"
    calendar = Calendar(time.fromisoformat(starts), zone)
    begin = calendar.start(date.fromisoformat(day).toordinal())
    found = [calendar.day(begin + minutes * 60) for minutes in range(-180, 181)]
    assert len({*found}) == 2
    assert found == sorted(found)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(ZONES),
    st.times().map(lambda one: one.replace(second=0, microsecond=0)),
    st.floats(utc("2011-12-25"), utc("2027-01-05")),
)
def test_every_moment_is_in_the_day_a_list_of_all_days_says(
    zone: tzinfo, starts: time, moment: float
) -> None:
    around = datetime.fromtimestamp(moment, UTC).date()
    begins = [
        (datetime.combine(around + timedelta(days=off), starts, tzinfo=zone).timestamp(), off)
        for off in (-3, -2, -1, 0, 1, 2, 3)
    ]
    off = max(off for begin, off in begins if begin <= moment)
    calendar = Calendar(starts, zone)
    assert calendar.day(moment) == around.toordinal() + off
    calendar.day(moment + 200_000)
    assert calendar.day(moment) == around.toordinal() + off, "what it keeps is wrong"


@pytest.mark.parametrize("moment", [-1e12, -1.0, 0.0, 1e9, 1e15])
def test_no_moment_is_too_absurd(moment: float) -> None:
    for zone in ZONES:
        Calendar(time(23, 59), zone).day(moment)
