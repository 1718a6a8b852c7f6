"""Asking for a stop: whole, refused with one line, and seen by who is about to release."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ess import request
from ess.exits import ExitCode
from ess.latch import read
from ess.paths import Paths
from ess.request import RequestError


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    paths = Paths(str(tmp_path))
    for directory in (paths.requests, paths.run_dir, paths.state_dir):
        Path(directory).mkdir(parents=True)
    return paths


def test_it_says_why_in_clean_lines_and_only_its_owner_reads_it(paths: Paths) -> None:
    file = Path(request.drop(paths, "down\n9 %\x1b[31m", "watch\ner", "0"))
    assert file.read_text() == "reason=down 9 % [31m\nsource=watch er\ncategory=0\n"
    assert file.stat().st_mode & 0o7777 == 0o600
    assert file.stat().st_nlink == 1
    assert [file.name] == os.listdir(paths.requests)


def test_each_is_a_file_of_its_own(paths: Paths) -> None:
    assert len({request.drop(paths, "x", "y") for _ in range(100)}) == 100
    assert len(os.listdir(paths.requests)) == 100


def test_it_is_there_also_where_no_file_can_be_without_a_name(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError(95, "not supported")

    monkeypatch.setattr(os, "link", refused)
    assert "reason=x\n" in Path(request.drop(paths, "x", "y")).read_text()


def test_who_cannot_ask_is_told_what_to_do(paths: Paths) -> None:
    os.rmdir(paths.requests)
    assert not request.may_ask(paths)
    with pytest.raises(RequestError, match="sudo ess activate") as failure:
        request.drop(paths, "x", "y")
    assert failure.value.exit_code is ExitCode.NOT_CONTAINED


def test_it_waits_until_it_is_done_with(paths: Paths) -> None:
    assert not request.waits(paths)
    Path(paths.request_busy).touch()
    assert request.waits(paths)
    os.unlink(paths.request_busy)
    os.mkfifo(f"{paths.requests}/.x")
    assert request.waits(paths)
    os.unlink(f"{paths.requests}/.x")
    os.rmdir(paths.requests)
    assert not request.waits(paths)


def test_who_asked_counts_for_the_trip_it_belongs_to(paths: Paths) -> None:
    flag = "id=1\nat=now\noperator=unknown\nsource=request\nreason=asked for\n"
    Path(paths.run_flag).write_text(flag)
    Path(paths.request_note).write_text("id=1\noperator=alice\nreason=crash\x1b\ncategory=\n")
    assert (read(paths)["operator"], read(paths)["reason"]) == ("alice", "crash")
    Path(paths.request_note).write_text("id=2\noperator=mallory\nreason=other\n")
    assert read(paths)["operator"] == "unknown"
