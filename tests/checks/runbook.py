"""RUNBOOK.md as a list of commands, each with what is to be true before and after it."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field

from tests.checks.tracked import CHECKOUT

TEXT = (CHECKOUT / "RUNBOOK.md").read_text()
KNOWN = {
    "from",  # trading, latched or any: the state to bring about first
    "as",  # the user who does it, if it is not root
    "with",  # python-broken, systemd-hung or no-process: for as long as the block runs
    "break",  # a command that does the damage
    "sees",  # codes the doctor finds after the damage
    "mends",  # codes the doctor finds after the damage and no more after the block
    "edit",  # a command for what the text tells the reader to do by hand
    "undo",  # a command that takes the effect back
    "typed",  # what the person types, lines separated by |
    "exit",  # the exit code, 0 if not given
    "says",  # words of the output; may be given again
    "then",  # trading or stopped: what is true afterwards
    "skip",  # why it cannot be run in a lab
}
_HEADING = re.compile(r"^## (.*)$", re.MULTILINE)
_BLOCK = re.compile(r"(?:^<!-- test:(.*?)-->\n)?^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One fenced block of commands."""

    section: str
    line: int
    script: str
    marks: dict[str, str] = field(default_factory=dict)
    says: tuple[str, ...] = ()
    flags: frozenset[str] = frozenset()


def blocks() -> list[Block]:
    """Return every ```bash block, in order; AssertionError on a fence of another kind."""
    found: list[Block] = []
    headings = [(match.start(), match[1]) for match in _HEADING.finditer(TEXT)]
    for match in _BLOCK.finditer(TEXT):
        line = TEXT.count("\n", 0, match.start(3)) + 1
        assert match[2] == "bash", f"RUNBOOK.md:{line}: write ```bash"
        assert match[1] is not None, f"RUNBOOK.md:{line}: no <!-- test: ... --> above it"
        section = next(title for start, title in reversed(headings) if start < match.start())
        found.append(_block(section, line, match[3], shlex.split(match[1])))
    return found


def _block(section: str, line: int, script: str, words: list[str]) -> Block:
    pairs = [word.split("=", 1) for word in words if "=" in word]
    marks = {key: value for key, value in pairs if key != "says"}
    flags = frozenset(word for word in words if "=" not in word)
    strange = {*marks, *flags} - KNOWN - {"reboot", "poweroff"}
    assert not strange, f"RUNBOOK.md:{line}: unknown mark {strange}"
    says = tuple(value for key, value in pairs if key == "says")
    return Block(section, line, script, marks, says, flags)


def sections() -> list[str]:
    """Return the titles of the sections that have commands to run."""
    return list(dict.fromkeys(block.section for block in blocks() if "skip" not in block.marks))
