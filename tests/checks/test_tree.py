"""What holds for every file of the repository."""

from __future__ import annotations

import ast
import re

import pytest

from tests.checks.tracked import CHECKOUT, below, relative, tracked_files

LONGEST = 300
# Spelled so that this file does not contain what it looks for.
PRIVATE_PATH = re.compile(r"(?<![\w}])/(?:" + "wor" + r"k|home|Users)/[\w.-]+")
ALLOWED_PATHS = ("/home" + "/qt",)  # the home of the stack on its hosts
UNFINISHED = re.compile(r"\b(?:TO" + r"DO|FIX" + r"ME|XX" + r"X)\b")


def text(path: object) -> str:
    return (CHECKOUT / str(path)).read_text(encoding="utf-8", errors="replace")


def test_files_stay_small() -> None:
    long = {
        relative(path): lines
        for path in below("ess", "ops", "scripts", "deploy")
        if path.suffix != ".json" and (lines := text(path).count("\n")) > LONGEST
    }
    assert not long, f"more than {LONGEST} lines; give each duty its own file"


def imports(source: str) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add((node.module or "").split(".")[0])
    return found


def test_one_module_runs_processes() -> None:
    offenders = [
        relative(path)
        for path in below("ess")
        if path.suffix == ".py"
        and relative(path) != "ess/process.py"
        and imports(text(path)) & {"subprocess", "pty", "multiprocessing"}
    ]
    assert not offenders, "only ess/process.py runs processes"


def findings(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{relative(path)}:{number}: {match[0]}"
        for path in tracked_files()
        for number, line in enumerate(text(path).splitlines(), 1)
        for match in pattern.finditer(line)
    ]


def test_no_path_of_a_developer_machine() -> None:
    found = [finding for finding in findings(PRIVATE_PATH) if not finding.endswith(ALLOWED_PATHS)]
    assert not found


def test_nothing_is_left_to_do() -> None:
    assert not findings(UNFINISHED)


@pytest.mark.parametrize("path", tracked_files(), ids=relative)
def test_text_file_is_clean(path: object) -> None:
    content = text(path)
    assert "\r" not in content
    assert not content or content.endswith("\n"), "no newline at the end"
