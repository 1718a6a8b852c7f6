"""One table of exit codes, in bash, Python, the help of both and the runbook."""

from __future__ import annotations

import re
import subprocess

from click.testing import CliRunner

from ess.cli import main
from ess.exits import MEANING, ExitCode
from tests.checks.runbook import TEXT
from tests.checks.tracked import CHECKOUT

TABLE = {int(code): meaning for code, meaning in MEANING.items()}
LINE = re.compile(r"^ +(\d)  (.+)$", re.MULTILINE)


def table_in(text: str) -> dict[int, str]:
    return {int(code): meaning for code, meaning in LINE.findall(text)}


def bash(script: str) -> str:
    return subprocess.run(
        ("bash", "-c", script, "bash", CHECKOUT / "ops"),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=10,
        check=True,
    ).stdout


def test_every_code_has_a_meaning_and_one_is_nobodys() -> None:
    assert set(MEANING) == set(ExitCode)
    assert 1 not in TABLE


def test_bash_has_the_same_table() -> None:
    assert table_in(bash('. "$1/lib/exits.sh"; exits_table')) == TABLE
    constants = bash('. "$1/lib/exits.sh"; for name in ${!EXIT_*}; do echo "${!name}"; done')
    assert sorted(map(int, constants.split())) == sorted(TABLE)


def test_both_helps_show_it() -> None:
    assert table_in(bash('bash "$1/ess_controller.sh" --help')) == TABLE
    assert table_in(CliRunner().invoke(main, ["--help"]).output) == TABLE


def test_runbook_shows_it() -> None:
    rows = re.findall(r"^\| (\d) \| (.+) \|$", TEXT, re.MULTILINE)
    assert {int(code): meaning for code, meaning in rows} == TABLE
