"""What a person reads before trading resumes, and what is asked."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

import pytest

from ess import config, consent, relapse
from ess.console import Console
from ess.errors import ReleaseError
from ess.paths import Paths
from ess.plan import Order, Which

if TYPE_CHECKING:
    from pathlib import Path

LOSS = "drawdown: drawdown 50.00 % is beyond the limit of 15 %; trips again in 15 min"
ORDER = Order(Which.RUNNING, None, confirmed=False)


class Person:
    """Somebody at a terminal."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._paths = Paths(str(root))
        self._monkeypatch = monkeypatch
        monkeypatch.setattr(consent, "stdin_is_terminal", lambda: True)

    def asked(self, typed: str, *again: str) -> str:
        """Return the reason that comes of what is typed."""
        self._monkeypatch.setattr(relapse, "foreseen", lambda _: list(again))
        self._monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        console = Console()
        console.interactive = True
        return consent.permission(console, self._paths, ["x.service"], ORDER, config.default())


@pytest.fixture
def person(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Person:
    return Person(tmp_path, monkeypatch)


def test_the_word_and_a_reason(person: Person) -> None:
    assert person.asked("release\nmended\n") == "mended"
    assert person.asked("release\n\n") == "not given"


@pytest.mark.parametrize("typed", ["", "\n", "yes\n", "Release\n"])
def test_another_word_is_said_to_be_one(person: Person, typed: str) -> None:
    with pytest.raises(ReleaseError, match='you did not type "release"'):
        person.asked(typed)


def test_a_loss_that_stops_trading_again_can_be_accepted(
    person: Person, capfd: pytest.CaptureFixture[str]
) -> None:
    person.asked("release\nseen\n", LOSS, "health: CRITICAL; trips again in 15 min")
    lines = capfd.readouterr().out.splitlines()
    assert "  sudo ess watch rebase drawdown" in lines
    assert all(len(line) <= 79 for line in lines)


def test_what_has_to_be_mended_cannot_be_accepted(
    person: Person, capfd: pytest.CaptureFixture[str]
) -> None:
    person.asked("release\nseen\n", "health: CRITICAL; trips again in 15 min")
    assert "rebase" not in capfd.readouterr().out
