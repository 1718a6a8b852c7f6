"""The file of baselines: whole, or not there, or moved aside and said so."""

from __future__ import annotations

import json
import os
import stat
from typing import TYPE_CHECKING

import pytest

from ess.latch import State
from ess.paths import Paths
from ess.watch import baselines, rebase
from ess.watch.drawdown import Drawdown
from ess.watch.health import Health
from ess.watch.judge import Judge
from ess.watch.memory import EVERY, Memory
from ess.watch.rearm import Rearm
from ess.watch.sample import Sample
from ess.watch.trip_request import TripRequest
from ess.watch.verdict import Mood
from tests.unit.watching import SILENCE, Time

if TYPE_CHECKING:
    from pathlib import Path


class Watcher:
    """What a watcher process is to its memory."""

    def __init__(self, directory: Path, time: Time) -> None:
        self.time = time
        self.judge = Judge((Drawdown(15.0, SILENCE), Health(frozenset({"OK"}), SILENCE)), 60.0)
        self.rearm = Rearm(900.0)
        trip = TripRequest(Paths(str(directory)), 900.0)
        self.memory = Memory(str(directory), self.judge, self.rearm, trip)
        self.problems = self.memory.recall(time.now)

    def hear(self, value: float) -> Mood:
        now = self.time.on(1)
        sample = Sample("equity", value, now.wall, now.boottime, str(value))
        verdicts = self.judge.hear(sample, now)
        self.rearm.decide(verdicts, State.CLEAR, now)
        return verdicts[0].mood


def kept(directory: Path, *figures: float) -> Time:
    time = Time()
    watcher = Watcher(directory, time)
    for figure in figures or (1000, 900):
        watcher.hear(figure)
    watcher.memory.keep_now(time.now)
    return time


def test_a_new_process_knows_what_the_old_one_did(tmp_path: Path) -> None:
    watcher = Watcher(tmp_path, kept(tmp_path))
    assert watcher.problems == ()
    assert watcher.hear(849) is Mood.BREACH


def test_the_first_start_is_no_problem(tmp_path: Path) -> None:
    assert Watcher(tmp_path, Time()).problems == ()


def test_it_is_written_at_most_so_often_and_at_once_when_told(tmp_path: Path) -> None:
    time = Time()
    watcher = Watcher(tmp_path, time)
    assert watcher.memory.keep(time.now)
    assert not watcher.memory.keep(time.on(EVERY - 0.1))
    assert watcher.memory.keep(time.on(0.2))
    watcher.memory.keep_now(time.now)
    assert not watcher.memory.keep(time.on(0.1))


def test_a_person_lets_it_measure_anew(tmp_path: Path) -> None:
    time = kept(tmp_path, 1000, 800)
    watcher = Watcher(tmp_path, time)
    assert watcher.memory.rebase(time.now) == ()
    assert watcher.hear(800) is Mood.BREACH
    rebase.ask(str(tmp_path), ["drawdown", "health", "nobody"])
    assert watcher.memory.rebase(time.now) == (
        "drawdown: measures anew, as asked for",
        "health: no evaluator that could measure anew",
        "nobody: no evaluator that could measure anew",
    )
    assert watcher.hear(790) is Mood.QUIET
    assert watcher.memory.rebase(time.now) == (), "once"
    assert Watcher(tmp_path, time).hear(690) is Mood.QUIET, "and it is written down"


def test_what_is_no_request_to_measure_anew_is_none(tmp_path: Path) -> None:
    watcher = Watcher(tmp_path, kept(tmp_path))
    path = tmp_path / rebase.NAME
    path.write_bytes(b"\xff\x1b[2J\n\n")
    assert watcher.memory.rebase(watcher.time.now) == ()
    os.mkfifo(path)
    assert watcher.memory.rebase(watcher.time.now) == ()


GARBAGE = [
    b"",
    b"\0" * 4096,
    b"{",
    b"[]",
    b"null",
    b'"text"',
    b"5",
    b"{}",
    b'{"format": "another program 1"}',
    b'{"format": 1}',
    b'{"format": "quantum-ess baselines 1", "evaluators": {"drawdown": {"peak": NaN}}}',
    b"[" * 100_000,
    b"\xff\xfe{}",
]


@pytest.mark.parametrize("content", GARBAGE)
def test_what_is_not_ours_is_moved_aside_and_said(tmp_path: Path, content: bytes) -> None:
    time = kept(tmp_path)
    (tmp_path / baselines.NAME).write_bytes(content)
    watcher = Watcher(tmp_path, time)
    (problem,) = watcher.problems
    assert "moved to" in problem
    assert problem.isprintable()
    assert (tmp_path / f"{baselines.NAME}.bad-1").read_bytes() == content
    assert watcher.hear(500) is Mood.QUIET, "learns anew"
    watcher.memory.keep_now(time.now)
    assert Watcher(tmp_path, time).problems == ()


@pytest.mark.parametrize("size", [1, 10, 100, 200])
def test_a_torn_file_is_moved_aside(tmp_path: Path, size: int) -> None:
    time = kept(tmp_path)
    path = tmp_path / baselines.NAME
    path.write_bytes(path.read_bytes()[:-size])
    assert "torn" in Watcher(tmp_path, time).problems[0]


@pytest.mark.parametrize(
    "change",
    [
        {"evaluators": []},
        {"evaluators": {"drawdown": 5}},
        {"evaluators": {"drawdown": {}}},
        {"release": 5},
        {"release": {}},
    ],
)
def test_a_part_that_makes_no_sense_is_said_and_kept_aside(
    tmp_path: Path, change: dict[str, object]
) -> None:
    time = kept(tmp_path)
    path = tmp_path / baselines.NAME
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    watcher = Watcher(tmp_path, time)
    assert len(watcher.problems) == 2
    assert (tmp_path / f"{baselines.NAME}.bad-1").exists()


def test_a_part_that_makes_no_sense_costs_no_other(tmp_path: Path) -> None:
    time = kept(tmp_path)
    path = tmp_path / baselines.NAME
    document = json.loads(path.read_text())
    document["evaluators"]["health"] = {"word": 5}
    path.write_text(json.dumps(document))
    assert Watcher(tmp_path, time).hear(849) is Mood.BREACH


def test_only_the_newest_of_those_moved_aside_are_kept(tmp_path: Path) -> None:
    for number in range(6):
        (tmp_path / baselines.NAME).write_text(f"garbage {number}")
        Watcher(tmp_path, Time())
    found = sorted(path.name for path in tmp_path.iterdir())
    assert found == [f"{baselines.NAME}.bad-{number}" for number in (1, 2, 3)]
    assert (tmp_path / f"{baselines.NAME}.bad-1").read_text() == "garbage 5"


@pytest.mark.parametrize("kind", ["directory", "fifo", "dangling"])
def test_what_is_no_file_is_moved_aside(tmp_path: Path, kind: str) -> None:
    path = tmp_path / baselines.NAME
    if kind == "directory":
        (path / "inside").mkdir(parents=True)
    elif kind == "fifo":
        os.mkfifo(path)
    else:
        path.symlink_to(tmp_path / "nowhere")
    watcher = Watcher(tmp_path, Time())
    assert watcher.problems
    watcher.memory.keep_now(watcher.time.now)
    assert stat.S_ISREG(path.lstat().st_mode)


def test_a_draft_left_by_a_crash_is_in_nobodys_way(tmp_path: Path) -> None:
    target = tmp_path / "innocent"
    target.write_text("mine")
    (tmp_path / f"{baselines.NAME}.new").symlink_to(target)
    kept(tmp_path)
    assert target.read_text() == "mine"
    assert Watcher(tmp_path, Time()).problems == ()


def test_without_a_directory_the_old_file_is_an_oserror_and_no_crash(tmp_path: Path) -> None:
    watcher = Watcher(tmp_path / "missing", Time())
    assert watcher.problems == ()
    with pytest.raises(FileNotFoundError):
        watcher.memory.keep_now(watcher.time.now)


def test_a_full_disk_keeps_the_old_file(tmp_path: Path) -> None:
    time = kept(tmp_path)
    before = (tmp_path / baselines.NAME).read_bytes()
    (tmp_path / f"{baselines.NAME}.new").mkdir()
    watcher = Watcher(tmp_path, time)
    with pytest.raises(OSError, match=r"."):
        watcher.memory.keep_now(time.now)
    assert (tmp_path / baselines.NAME).read_bytes() == before


def test_only_the_watcher_and_its_group_read_it(tmp_path: Path) -> None:
    kept(tmp_path)
    assert (tmp_path / baselines.NAME).stat().st_mode & 0o027 == 0
