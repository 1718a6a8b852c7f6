"""`ess alert test`: does an alert reach everybody who is configured to get one?

Each channel is tried in a child of its own that is killed when its time is over; one that hangs
holds up none of the others.
"""

from __future__ import annotations

import os
import signal
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from ess import journal, process, spool
from ess.aftermath import channels, settings
from ess.aftermath.channel import Case, DeliveryError, Phase
from ess.console import Console
from ess.errors import AftermathError
from ess.exits import ExitCode
from ess.operator import operator
from ess.text import clean

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ess.aftermath.channel import Channel
    from ess.paths import Paths

_PATIENCE = 30.0  # s for one channel
# Each child takes some 50 MB.
_AT_ONCE = 8
_COLUMNS = 79


@dataclass(frozen=True, slots=True)
class Answer:
    """What one channel answered, and after how long (ms)."""

    channel: str
    delivered: bool
    text: str
    ms: int


def run(paths: Paths, wanted: str | None, seconds: float = _PATIENCE) -> ExitCode:
    """Send a test through every channel, or the one `wanted`, each for at most `seconds`.

    DONE only when all were delivered and none is configured wrong. What came out is in the audit.
    Raises UsageError when no channel is called `wanted`.
    """
    console = Console()
    every = channels.configured(settings.load(paths), paths)
    found, problems = list(every.every), list(every.problems)
    if wanted is not None:
        found, problems = [_named(found, wanted, problems)], []
    for problem in problems:
        console.error(problem)
    if not found:
        file = paths.aftermath_config
        console.error(f"no alert channel is configured: nobody is told of a stop; edit {file}")
        return ExitCode.NOT_ARMED
    width = max(len(one.name) for one in found)
    delivered = 0
    for answer in _ask_all([one.name for one in found], seconds):
        delivered += answer.delivered
        line = f"{answer.channel:<{width}}  {_outcome(answer)}"
        # Whole for a program, and for whoever looks for the words of the runbook in a file.
        console.out(_wrapped(line, width + 2) if console.interactive else line)
        _record(paths, answer, console)
    console.out(f"{delivered} of {len(found)} would have been told of a stop.")
    if delivered == len(found) and not problems:
        console.out("Next: ask them whether the test was seen.")
        return ExitCode.DONE
    console.out("Next: RUNBOOK.md section 12, Test, says what each answer means.")
    return ExitCode.NOT_ARMED


def _wrapped(text: str, indent: int) -> str:
    return textwrap.fill(text, _COLUMNS, subsequent_indent=" " * indent, break_on_hyphens=False)


def deliver(paths: Paths, name: str) -> ExitCode:
    """Send a test through the channel `name` and print its answer; ends itself after a minute.

    Raises AftermathError when it was not delivered, UsageError when there is no such channel.
    """
    # Whoever waits for us may be killed, and nobody else ends what a service keeps waiting.
    signal.setitimer(signal.ITIMER_REAL, 2 * _PATIENCE)
    every = channels.configured(settings.load(paths), paths)
    channel = _named(every.every, name, every.problems)
    now = time.time_ns() // 1000
    facts = {"host": os.uname().nodename, "operator": operator(), "source": "ess alert test"}
    try:
        answer = channel.tell(Case("test", Phase.TEST, now, now, facts=facts), 0)
    except DeliveryError as error:
        raise AftermathError(str(error)) from None
    Console().out(answer)
    return ExitCode.DONE


def _named(found: Sequence[Channel], name: str, problems: Sequence[str]) -> Channel:
    for one in found:
        if one.name == name:
            return one
    known = ", ".join(one.name for one in found) or "none"
    said = "".join(f"; {problem}" for problem in problems)
    raise click.UsageError(clean(f"no alert channel {name}; configured: {known}{said}"))


def _ask_all(names: list[str], seconds: float) -> Iterator[Answer]:
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        yield from threads.map(lambda name: _ask(name, seconds), names)


def _ask(name: str, seconds: float) -> Answer:
    begun = time.monotonic()
    argv = [sys.executable, "-I", "-m", "ess", "deliver", "--test", name]
    result = process.run(argv, seconds)
    ms = round((time.monotonic() - begun) * 1000)
    if result.ok:
        return Answer(name, True, clean(result.out), ms)  # noqa: FBT003 - a field
    if result.code is None and ms >= seconds * 1000:
        return Answer(name, False, f"no answer within {seconds:g} s", ms)  # noqa: FBT003
    said = clean(result.error).removeprefix("ess: ")
    return Answer(name, False, said or f"ended with code {result.code}", ms)  # noqa: FBT003


def _outcome(answer: Answer) -> str:
    how = "delivered in" if answer.delivered else "NOT DELIVERED after"
    return f"{how} {answer.ms} ms: {answer.text}"


def _record(paths: Paths, answer: Answer, console: Console) -> None:
    fields = {
        "channel": answer.channel,
        "delivered": "yes" if answer.delivered else "no",
        "answer": answer.text,
        "lasted": str(answer.ms),
        "operator": operator(),
    }
    if not spool.put(paths, "alert-test", fields):
        console.error("no spool takes this result: it will not be in the audit log")
    say = journal.notice if answer.delivered else journal.error
    say(f"ALERT TEST {answer.channel}: {_outcome(answer)}")
