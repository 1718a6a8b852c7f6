"""Exit codes that are spelled out apart from their table, and how the table looks."""

from __future__ import annotations

import pytest

from ess import __main__ as entry
from ess.exits import MEANING, ExitCode


def test_the_entry_spells_the_same_numbers() -> None:
    # Spelled out there, because importing the table would come before the latch.
    assert entry._UNFINISHED == {
        "activate": ExitCode.NOT_CONTAINED,
        "status": ExitCode.NOT_CONTAINED,
        "deactivate": ExitCode.NOT_RELEASED,
        "doctor": ExitCode.NOT_ARMED,
        "drill": ExitCode.NOT_ARMED,
        "monitor": ExitCode.NOT_CONTAINED,
    }
    assert entry._USAGE == ExitCode.USAGE


@pytest.mark.parametrize("code", ExitCode)
def test_meanings_fit_a_screen(code: ExitCode) -> None:
    assert len(MEANING[code]) < 70
