"""One table of exit codes: in the code, in --help, in the runbook, in bash."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ess import __main__ as entry
from ess.exits import MEANING, ExitCode, table

REPOSITORY = Path(__file__).parents[2]
NUMBERS = {code.value for code in ExitCode}


def test_every_code_has_a_meaning_and_one_is_never_ours() -> None:
    assert set(MEANING) == set(ExitCode)
    assert 1 not in NUMBERS
    assert [line.split()[0] for line in table().splitlines()] == sorted(map(str, NUMBERS))


def test_bash_has_the_same_numbers() -> None:
    source = (REPOSITORY / "ops/lib/exits.sh").read_text()
    assert {int(number) for number in re.findall(r"^EXIT_\w+=(\d+)$", source, re.M)} == NUMBERS


def test_the_runbook_has_the_same_table() -> None:
    runbook = (REPOSITORY / "RUNBOOK.md").read_text().splitlines()
    first = runbook.index("| Code | Meaning |") + 2
    rows = [f"| {code.value} | {meaning} |" for code, meaning in MEANING.items()]
    assert runbook[first : first + len(rows) + 1] == [*rows, ""]


def test_the_entry_spells_the_same_numbers() -> None:
    # Spelled out there, because importing the table would come before the latch.
    assert entry._UNFINISHED == {
        "activate": ExitCode.NOT_CONTAINED,
        "status": ExitCode.NOT_CONTAINED,
        "deactivate": ExitCode.NOT_RELEASED,
        "doctor": ExitCode.NOT_ARMED,
        "drill": ExitCode.NOT_ARMED,
    }
    assert entry._USAGE == ExitCode.USAGE


@pytest.mark.parametrize("code", ExitCode)
def test_meanings_fit_a_screen(code: ExitCode) -> None:
    assert len(MEANING[code]) < 70
