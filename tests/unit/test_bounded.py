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
