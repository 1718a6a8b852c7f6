"""Running programs: bounded, in a clean environment, never held up by what they leave behind."""

from __future__ import annotations

import errno
import os
import time
from typing import TYPE_CHECKING

from ess import process

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_output_and_code() -> None:
    result = process.run(["sh", "-c", "echo out; echo err >&2; exit 3"], 10)
    assert (result.code, result.out, result.error, result.ok) == (3, "out\n", "err", False)


def test_of_the_environment_only_the_place_of_credentials_is_passed_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/credentials/us")
    monkeypatch.setenv("LD_PRELOAD_OF_SOMEBODY", "x")
    seen = process.run(["env"], 10).out
    assert "CREDENTIALS_DIRECTORY=/run/credentials/us\n" in seen
    assert "LD_PRELOAD_OF_SOMEBODY" not in seen


def test_what_is_not_there() -> None:
    result = process.run(["no-such-program"], 10)
    assert result.code is None
    assert result.error == "no-such-program: No such file or directory"


def test_the_time_limit_ends_the_whole_group(tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    began = time.monotonic()
    result = process.run(["sh", "-c", f"sleep 60 & echo $! >{mark}; wait"], 0.5)
    assert time.monotonic() - began < 5
    assert result.code is None
    assert result.error == "sh did not answer within 0.5 s"
    grandchild = int(mark.read_text())
    deadline = time.monotonic() + 5
    while _lives(grandchild) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not _lives(grandchild)


def test_a_grandchild_that_keeps_the_output_open_holds_nobody_up() -> None:
    began = time.monotonic()
    result = process.run(["sh", "-c", "setsid sleep 5 & echo done"], 10)
    assert time.monotonic() - began < 4
    assert result.out == "done\n"


def test_a_signal_is_told() -> None:
    result = process.run(["sh", "-c", "kill -9 $$"], 10)
    assert (result.code, result.error) == (None, "sh was killed by signal 9")


def test_its_end_is_seen_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Popen.wait(seconds) sleeps, up to 50 ms at a time: half of what `ess status` took."""

    def asleep(_seconds: float) -> None:
        raise AssertionError("slept while the program ran")

    monkeypatch.setattr("time.sleep", asleep)
    assert process.run(["sleep", "0.2"], 10).ok


def test_a_kernel_that_cannot_be_told_to_wake_us(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(_pid: int) -> int:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr("os.pidfd_open", unknown)
    assert process.run(["sh", "-c", "sleep 0.1; exit 3"], 10).code == 3
    assert process.run(["sleep", "5"], 0.1).error == "sleep did not answer within 0.1 s"


def test_environment_and_input_are_clean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LD_PRELOAD_LIKE", "x")
    monkeypatch.setenv("PATH", "/tmp/evil")
    result = process.run(["env"], 10)
    names = {line.split("=")[0] for line in result.out.splitlines()}
    assert names <= {"PATH", "LANG", "SYSTEMD_PAGER", "SYSTEMD_COLORS", "PWD", "SHLVL", "_"}
    assert process.run(["cat"], 10).out == ""


def _lives(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
