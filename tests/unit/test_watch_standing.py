"""How the watcher stands, for `ess monitor` and `ess deactivate`."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest

from ess.watch import standing
from ess.watch.standing import Standing
from ess.watch.verdict import Mood, Verdict
from tests.unit.watching import Time

if TYPE_CHECKING:
    from pathlib import Path

BROKEN = Verdict("drawdown", Mood.BREACH, "18 %, limit 15 %", 18.0, 15.0, 1.0, (), 1.2)
FINE = Verdict("health", Mood.QUIET, "system health is OK", 2.0, 300.0, 0.01)


def written(directory: Path, time: Time, *verdicts: Verdict) -> Standing:
    now = Standing(5.0, 900.0, False, verdicts or (BROKEN, FINE), {"BTC": 2.5})  # noqa: FBT003
    standing.write(str(directory), now, time.now)
    return now


def test_what_is_written_is_read(tmp_path: Path) -> None:
    time = Time()
    before = written(tmp_path, time)
    found = standing.read(str(tmp_path), time.now)
    assert found == before


def test_the_edition_of_its_settings_is_read_as_hostile_input(tmp_path: Path) -> None:
    time = Time()
    for edition, read in (("5-20", "5-20"), ("a\x1b[2J", "a [2J"), ("x" * 900, "x" * 60)):
        told = Standing(5.0, 900.0, False, (), {}, edition=edition)  # noqa: FBT003
        standing.write(str(tmp_path), told, time.now)
        found = standing.read(str(tmp_path), time.now)
        assert found is not None
        assert found.edition == read


def test_it_has_an_age(tmp_path: Path) -> None:
    time = Time()
    written(tmp_path, time)
    for after, current in ((15.0, True), (0.1, False)):
        found = standing.read(str(tmp_path), time.on(after))
        assert found is not None
        assert found.is_current is current


@pytest.mark.parametrize(("interval", "age"), [(1.0, 15.0), (10.0, 30.0)])
def test_three_intervals_may_pass_or_15_s(interval: float, age: float) -> None:
    assert Standing(interval, 900.0, False, (), {}, age).is_current  # noqa: FBT003
    assert not Standing(interval, 900.0, False, (), {}, age + 0.1).is_current  # noqa: FBT003


def test_what_would_trip(tmp_path: Path) -> None:
    time = Time()
    written(tmp_path, time)
    assert standing.would_trip(standing.read(str(tmp_path), time.now)) == [
        "drawdown: 18 %, limit 15 %; trips again in 15 min, at once if it gets worse"
    ]
    old = standing.would_trip(standing.read(str(tmp_path), time.on(60)))
    assert old[1] == "the watcher has not judged for 60 s; this is how it was"
    assert standing.would_trip(None) == []


def test_another_boot_has_left_nothing(tmp_path: Path) -> None:
    time = Time()
    written(tmp_path, time)
    time.reboot(1)
    time.on(1e6)
    assert standing.read(str(tmp_path), time.now) is None


def test_nothing_is_known_without_it(tmp_path: Path) -> None:
    assert standing.read(str(tmp_path), Time().now) is None


@pytest.mark.parametrize(
    "content",
    ["", "[]", "{}", "5", "[" * 90_000, '{"boot": "boot-1", "boottime": 1, "verdicts": [{}]}'],
)
def test_garbage_is_nothing(tmp_path: Path, content: str) -> None:
    (tmp_path / standing.NAME).write_text(content)
    assert standing.read(str(tmp_path), Time().now) is None


def test_a_fifo_holds_up_nobody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / standing.NAME)
    assert standing.read(str(tmp_path), Time().now) is None


def test_text_of_it_cannot_move_a_cursor(tmp_path: Path) -> None:
    time = Time()
    written(tmp_path, time, Verdict("a\x1b[2J", Mood.BREACH, "b\n\x1b]0;c", 1.0, 1.0, 1.0))
    path = tmp_path / standing.NAME
    document = json.loads(path.read_text())
    document["feeds"] = {"f\x07": 1.0}
    path.write_text(json.dumps(document))
    found = standing.read(str(tmp_path), time.now)
    assert found is not None
    assert all(line.isprintable() for line in (*standing.would_trip(found), *found.feeds))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e300])
def test_an_absurd_figure_of_one_hides_no_other(tmp_path: Path, value: float) -> None:
    time = Time()
    written(tmp_path, time, Verdict("mine", Mood.BREACH, "odd", value, value, value, (), value))
    found = standing.read(str(tmp_path), time.now)
    assert found is not None
    assert found.verdicts[0].value is None
