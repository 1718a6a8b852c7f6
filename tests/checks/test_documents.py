"""What README.md and RUNBOOK.md name exists: commands, options, keys, files, findings."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pytest

from ess import active, config, paths
from ess.aftermath import settings
from ess.cli import main
from ess.findings import CATALOGUE
from ess.paths import Paths
from ess.watch import settings as watch
from tests.checks import runbook
from tests.checks.installed import Root
from tests.checks.tracked import CHECKOUT

if TYPE_CHECKING:
    from collections.abc import Iterator

DOCUMENTS = ("README.md", "RUNBOOK.md", "CHANGELOG.md")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
LIB = "/usr/local/lib/quantum-ess/"
WIDEST = 120


def read(name: str) -> str:
    return COMMENT.sub("", (CHECKOUT / name).read_text())


def commands(name: str) -> Iterator[str]:
    """Yield every command of a document: lines of its bash blocks, and `spans` in its text."""
    text = read(name)
    for language, block in FENCE.findall(text):
        if language == "bash":
            yield from (line.strip() for line in block.splitlines())
    yield from re.findall(r"`([^`\n]+)`", FENCE.sub("", text))


ALL = [(name, command) for name in DOCUMENTS for command in dict.fromkeys(commands(name))]
PROGRAM = re.compile(r"^(?:sudo )?(?:bash )?(\S+)")


def named(pattern: str) -> list[tuple[str, str]]:
    """Return the commands whose program matches, with the document each is in."""
    return [
        (document, command)
        for document, command in ALL
        if (found := PROGRAM.match(command)) and re.fullmatch(pattern, found[1])
    ]


def words_after(command: str, program: str) -> list[str]:
    return command.split(program, 1)[1].split()


def options(words: list[str]) -> list[str]:
    return [word.split("=")[0] for word in words if word.startswith("-")]


@cache
def help_of(script: Path) -> str:
    done = subprocess.run(
        ("bash", script, "--help"),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=10,
        check=True,
    )
    return done.stdout


@pytest.mark.parametrize(
    ("document", "command"), [pair for pair in named("ess") if pair[1] != "ess"]
)
def test_ess_has_the_command(document: str, command: str) -> None:
    verb, *words = words_after(command, "ess")
    assert verb in main.commands, f"{document}: {command}"
    known = {
        name
        for parameter in main.commands[verb].params
        if isinstance(parameter, click.Option)
        for name in parameter.opts
    }
    assert set(options(words)) <= known, f"{document}: {command}"


@pytest.mark.parametrize(
    ("document", "command"), named(r"(?:\S*/)?(?:ess_controller|install|proof_ess|bench)\.sh")
)
def test_script_has_the_option(document: str, command: str) -> None:
    program = next(word for word in command.split() if word.endswith(".sh"))
    name = program.rsplit("/", 1)[-1]
    script = CHECKOUT / ("ops" if name in ("ess_controller.sh", "install.sh") else "scripts") / name
    if program.startswith("/"):
        assert program == f"{LIB}{script.relative_to(CHECKOUT)}", f"{document}: {command}"
    words = words_after(command, program)
    shown = help_of(script)
    for word in [*options(words), *(words[:1] if name == "ess_controller.sh" else [])]:
        assert re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", shown), f"{document}: {command}"


def test_readme_has_no_command_that_nobody_checks() -> None:
    checked = {command for _, command in named(r"ess|(?:\S*/)?(?:install|proof_ess|bench)\.sh")}
    blocks = [block for language, block in FENCE.findall(read("README.md")) if language == "bash"]
    lines = {line for block in blocks for line in block.splitlines()}
    assert lines - checked == {"sudo scripts/test.sh"}


def test_every_block_of_the_runbook_is_run_or_says_why_not() -> None:
    for block in runbook.blocks():
        assert "from" in block.marks or block.marks.get("skip"), f"RUNBOOK.md:{block.line}"
    skipped = [block.script for block in runbook.blocks() if "skip" in block.marks]
    assert skipped == ["sudo ess drill --production\n"]


UNIT = re.compile(r"\bquantum-ess(?:-[a-z]+)*\.(?:path|service|target|timer)\b")


def test_own_units_and_files_exist(tmp_path: Path) -> None:
    root = Root(tmp_path)
    assert root.install().returncode == 0
    files = set(root.files())
    units = {Path(file).name for file in files}
    for document in DOCUMENTS:
        text = read(document)
        assert set(UNIT.findall(text)) <= units, document
        found = {path.rstrip(".") for path in re.findall(rf"{LIB}[\w./-]*", text)}
        assert all(any(file.startswith(path) for file in files) for path in found), document


@pytest.mark.parametrize("document", DOCUMENTS)
def test_keys_exist(document: str) -> None:
    known = {*config.DEFAULTS, *settings.DEFAULTS, *watch.DEFAULTS}
    assert set(re.findall(r"\bQT_ESS_[A-Z_]*[A-Z]\b", read(document))) <= known


def test_readme_lists_every_key_with_its_default() -> None:
    rows = re.findall(r"^\| `(QT_ESS_\w+)` \| `(.+?)` \|", read("README.md"), re.MULTILINE)
    assert dict(rows) == config.DEFAULTS


def test_readme_names_files_that_exist() -> None:
    guide = read("README.md").split("## What is where")[1]
    for path in re.findall(r"`([\w./]+/[\w./]*)`", guide):
        assert (CHECKOUT / path).exists(), path


CODE = re.compile(r"`([a-z]+(?:-[a-z]+)+)`")


def test_runbook_has_an_answer_to_every_finding() -> None:
    section = read("RUNBOOK.md").split("## 8.")[1].split("## 9.")[0]
    named_codes = set(CODE.findall(section))
    assert set(CATALOGUE) <= named_codes, "findings without an answer"
    assert named_codes <= set(CATALOGUE), "no such finding"


def test_links_lead_somewhere() -> None:
    for document in DOCUMENTS:
        text = read(document)
        anchors = {
            re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")
            for title in re.findall(r"^#+ (.*)$", text, re.MULTILINE)
        }
        for target in re.findall(r"\]\(([^)]+)\)", text):
            assert target[1:] in anchors if target[0] == "#" else (CHECKOUT / target).exists()


def test_a_trading_process_can_do_what_the_readme_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocks = FENCE.findall(read("README.md"))
    [example] = [block for _, block in blocks if "RiskGuard" in block]
    sent: list[str] = []
    names: dict[str, Any] = {}
    exec(compile(example, "README.md", "exec"), names)
    orchestrator, guard = names["Orchestrator"](), names["RiskGuard"]()
    orchestrator.send = sent.append
    flag = tmp_path / "ESS_ON"
    monkeypatch.setattr(active, "FLAGS", (str(flag), str(tmp_path / "other")))
    assert guard.validate_trade("buy") == (True, "")
    orchestrator.execute_signal("buy")
    assert sent == ["buy"]
    flag.touch()
    assert guard.validate_trade("buy")[0] is False
    assert orchestrator.execute_signal("sell") is False
    assert sent == ["buy"]


def test_a_daemon_can_do_what_the_readme_shows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [example] = [block for _, block in FENCE.findall(read("README.md")) if "request.drop" in block]
    here = Paths(str(tmp_path))
    Path(here.requests).mkdir(parents=True)
    monkeypatch.setattr(paths, "Paths", lambda: here)
    exec(compile(example, "README.md", "exec"), {})
    [request] = Path(here.requests).iterdir()
    assert request.read_text().startswith("reason=drawdown 9 % is over 8 %\n")


@pytest.mark.parametrize("name", DOCUMENTS)
def test_lines_can_be_read_as_they_are(name: str) -> None:
    """In an editor or `less`, at 3 a.m.; a table cannot be wrapped."""
    prose = FENCE.sub("", read(name)).splitlines()
    assert [line for line in prose if len(line) > WIDEST and not line.startswith("|")] == []
