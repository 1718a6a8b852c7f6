"""Linters are tests: what they find fails the run like any other fault."""

from __future__ import annotations

import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest

from tests.checks.tracked import CHECKOUT, relative, shell_scripts

LINTERS = {
    "ruff check": ("ruff", "check", "."),
    "ruff format": ("ruff", "format", "--diff", "."),
    "mypy": ("mypy",),
    "shellcheck": ("shellcheck", "-x", *map(relative, shell_scripts())),
    "shfmt": ("shfmt", "-i", "4", "-ci", "-d", *map(relative, shell_scripts())),
}


def tool(name: str) -> str:
    """Return the tool of the environment the tests run in, or one on PATH."""
    pinned = Path(sysconfig.get_path("scripts")) / name
    found = str(pinned) if pinned.exists() else shutil.which(name)
    assert found, f"{name} is not installed: pip install '.[test]'"
    return found


@pytest.mark.timeout(300)
@pytest.mark.parametrize("argv", LINTERS.values(), ids=LINTERS.keys())
def test_linter_finds_nothing(argv: tuple[str, ...]) -> None:
    done = subprocess.run(
        (tool(argv[0]), *argv[1:]),
        cwd=CHECKOUT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    if done.returncode:
        pytest.fail(f"{' '.join(argv[:2])}:\n{done.stdout}{done.stderr}", pytrace=False)
