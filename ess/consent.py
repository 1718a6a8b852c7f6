"""A person's word that trading may resume, and why."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from ess import latch, plan, relapse, report
from ess.console import stdin_is_terminal
from ess.errors import ReleaseError
from ess.text import clean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ess.config import Config
    from ess.console import Console
    from ess.paths import Paths
    from ess.plan import Order

WORD = "release"
NOT_GIVEN = "not given"
# What a person may accept; the rest has to be mended.
_LOSSES = ("daily-loss", "drawdown", "flash-crash")


def permission(
    console: Console, paths: Paths, units: Sequence[str], order: Order, settings: Config
) -> str:
    """Return the reason for the release once a person has agreed to it. Raises ReleaseError.

    Off a terminal nobody is asked: the command itself is the agreement.
    """
    reason = clean(order.reason or "")
    again = relapse.foreseen(paths)
    if console.interactive and stdin_is_terminal() and not order.confirmed:
        _explain(console, paths, units, again)
        if _ask(console, f'Type "{WORD}" to resume trading: ') != WORD:
            raise ReleaseError(f'not released: you did not type "{WORD}"')
        reason = reason or _ask(console, "Reason: ")
    else:
        for line in again:
            console.error(f"stops trading again: {line}")
    if not reason and settings.require_reason:
        raise ReleaseError(
            "release refused: a reason is required (QT_ESS_REQUIRE_REASON=yes)",
            'add --reason "why it is safe to trade again"',
        )
    return reason or NOT_GIVEN


def _explain(console: Console, paths: Paths, units: Sequence[str], again: Sequence[str]) -> None:
    note = latch.read(paths)
    console.out(console.paint("ESS STATUS: ACTIVE", "bad"))
    console.out("\n".join(report.note_lines(note, time.time())))
    console.out(f"This releases the latch and starts, in this order:{plan.listed(units)}")
    if again:
        console.out(console.paint("This stops trading again:", "bad"))
    for line in again:
        console.out("\n".join(report.wrap(line, "  ")))
    losses = [name for line in again if (name := line.partition(":")[0]) in _LOSSES]
    if losses:
        console.out("If that loss was looked into and is accepted, first run:")
        console.out(f"  sudo ess watch rebase {' '.join(losses)}")


def _ask(console: Console, question: str) -> str:
    console.raw(question)
    answer = sys.stdin.readline()
    if not answer.endswith("\n"):
        console.out()
    return clean(answer)
