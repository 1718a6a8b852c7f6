"""Children with a time limit."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from ess import bounded

if TYPE_CHECKING:
    import pytest


def hang() -> bytes:
    time.sleep(60)
    return b"late"


def raise_something() -> NoReturn:
    raise ValueError("broken")


def test_the_answer_comes_back_whole() -> None:
    data = os.urandom(300_000)
    assert bounded.call(lambda: data, 10) == data


def test_an_empty_answer_is_an_answer() -> None:
    assert bounded.call(lambda: b"", 10) == b""


def test_what_hangs_is_given_up() -> None:
    began = time.monotonic()
    assert bounded.call(hang, 0.2) is None
    assert time.monotonic() - began < 2


def test_what_raises_is_no_answer() -> None:
    assert bounded.call(raise_something, 10) is None


def test_the_child_holds_no_descriptor_of_ours(tmp_path: Path) -> None:
    with (tmp_path / "file").open("w") as file:
        number = file.fileno()

        def look() -> bytes:
            return b"held" if Path(f"/proc/self/fd/{number}").exists() else b"let go"

        assert bounded.call(look, 10) == b"let go"


def test_spawned_work_ends_by_itself(tmp_path: Path) -> None:
    mark = tmp_path / "pid"

    def work() -> None:
        mark.write_text(str(os.getpid()))
        time.sleep(60)

    bounded.spawn(work, 0.3)
    deadline = time.monotonic() + 10
    pid, status = 0, 0
    while not pid and time.monotonic() < deadline:
        pid, status = os.waitpid(-1, os.WNOHANG)
        time.sleep(0.01)
    assert mark.read_text() == str(pid)
    assert os.WIFSIGNALED(status)


def test_spawning_without_a_process_to_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    def fork() -> int:
        raise BlockingIOError

    monkeypatch.setattr(os, "fork", fork)
    bounded.spawn(lambda: None, 1)


def forks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    made: list[int] = []
    fork = os.fork

    def counted() -> int:
        if pid := fork():
            made.append(pid)
        return pid

    monkeypatch.setattr("os.fork", counted)
    return made


def test_several_in_turn_need_one_child(monkeypatch: pytest.MonkeyPatch) -> None:
    made = forks(monkeypatch)
    large = os.urandom(300_000)
    assert bounded.each([lambda: b"one", lambda: b"", lambda: large, lambda: b"\n"], 10) == [
        *(b"one", b"", large, b"\n")
    ]
    assert len(made) == 1
    assert bounded.each([], 10) == []


def test_one_that_hangs_or_raises_takes_no_other_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    made = forks(monkeypatch)
    began = time.monotonic()
    works = [raise_something, lambda: b"a", hang, hang, lambda: b"b", raise_something]
    assert bounded.each(works, 0.2) == [None, b"a", None, None, b"b", None]
    assert 0.4 <= time.monotonic() - began < 4
    assert len(made) == 4
    for pid in made:
        assert not Path(f"/proc/{pid}").exists()


def test_one_that_ends_the_child_takes_no_other_with_it() -> None:
    assert bounded.each([lambda: os._exit(0), lambda: b"a"], 10) == [None, b"a"]


def test_each_has_its_time() -> None:
    def slow() -> bytes:
        time.sleep(0.15)
        return b"done"

    assert bounded.each([slow] * 4, 0.4) == [b"done"] * 4
