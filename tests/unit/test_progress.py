"""What a person sees while waiting for a stop."""

from __future__ import annotations

import os
import pty
from typing import TYPE_CHECKING

import pytest

from ess.console import Console
from ess.progress import StopProgress

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A terminal that standard output and error are; what is returned reads it."""
    ours, theirs = pty.openpty()
    real = os.write
    monkeypatch.setattr(os, "write", lambda _, data: real(theirs, data))
    yield ours
    os.close(theirs)
    os.close(ours)


def shown(terminal: int) -> list[str]:
    """Return the lines of the screen, each as it is when the next begins, until one says end."""
    text = ""
    while not text.endswith("end\r\n"):
        text += os.read(terminal, 65536).decode()
    return [line.rstrip("\r").rsplit("\r", 1)[-1].rstrip() for line in text.split("\n")]


def test_an_error_begins_a_line_of_its_own(terminal: int) -> None:
    console = Console()
    console.interactive = True
    progress = StopProgress(console)
    progress.update(["a.service", "b.service"], 0.3)
    progress.error("nobody kills")
    progress.update(["b.service"], 0.4)
    progress.finish()
    console.out("end")
    assert shown(terminal)[:3] == ["ess: nobody kills", "  down   a.service  (400 ms)", "end"]
