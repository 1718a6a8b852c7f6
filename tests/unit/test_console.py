"""What is written to a person: whole words on a terminal, one line for a program."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
COMMAND = "sudo /usr/local/lib/quantum-ess/ops/install.sh --configure"
SAY = f"""
from ess.console import Console
Console().error("something is wrong, and what is wrong takes a few more words; run: {COMMAND}")
"""


def said(stderr: int) -> None:
    argv = (sys.executable, "-c", SAY)
    subprocess.run(argv, stderr=stderr, cwd=REPOSITORY, check=True, timeout=30)


def test_an_error_on_a_terminal_is_no_wider_than_80_columns() -> None:
    leader, follower = pty.openpty()
    said(follower)
    lines = os.read(leader, 4096).decode().splitlines()
    os.close(leader)
    os.close(follower)
    assert len(lines) > 1
    assert max(map(len, lines)) < 80
    assert lines[0].startswith("ess: something")
    assert all(line.startswith("     ") for line in lines[1:])
    assert COMMAND in " ".join(line.strip() for line in lines)


def test_an_error_for_a_program_is_one_line(tmp_path: Path) -> None:
    with (tmp_path / "error").open("wb") as file:
        said(file.fileno())
    assert (tmp_path / "error").read_text().count("\n") == 1


def test_bash_says_it_alike() -> None:
    what = "something is wrong, and what is wrong takes a few more words; run it again now"
    script = f'. ops/lib/say.sh; complain "{what}" "Run: {COMMAND} {"x" * 90} y"'
    leader, follower = pty.openpty()
    subprocess.run(("bash", "-c", script), stderr=follower, cwd=REPOSITORY, check=True, timeout=30)
    lines = os.read(leader, 4096).decode().splitlines()
    os.close(leader)
    os.close(follower)
    assert lines == [
        "ess: something is wrong, and what is wrong takes a few more words; run it again",
        "     now",
        f"     Run: {COMMAND}",
        f"     {'x' * 90}",
        "     y",
    ]
