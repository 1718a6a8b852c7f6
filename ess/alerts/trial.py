"""`ess alert test`: does an alert reach everybody who is configured to get one?

The delivery service sends it, as it would send an alert: with its keys and in its sandbox.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import TYPE_CHECKING

import click

from ess import journal, spool
from ess.aftermath import channels, enquiry, settings
from ess.aftermath.channel import Case, DeliveryError, Phase
from ess.aftermath.question import EVERY, Question
from ess.console import Console
from ess.errors import AftermathError
from ess.exits import ExitCode
from ess.operator import operator
from ess.text import clean

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ess.aftermath.question import Answer, Tried
    from ess.paths import Paths

_PATIENCE = 30.0  # s for one channel


def run(paths: Paths, wanted: str | None, seconds: float = _PATIENCE) -> ExitCode:
    """Send a test through every channel, or the one `wanted`, each for at most `seconds`.

    DONE only when all were delivered and none is configured wrong. What came out is in the audit.
    Raises UsageError when no channel is called `wanted`, EssError when none could be tried.
    """
    question = Question(wanted or EVERY, operator(), seconds)
    with contextlib.closing(enquiry.ask(paths, question)) as answers:
        return _tell(paths, wanted, answers)


def _tell(paths: Paths, wanted: str | None, answers: Iterator[Answer]) -> ExitCode:
    console = Console()
    sight = next(answers).sight
    names, problems = sight.channels, sight.problems
    if wanted is not None:
        names, problems = (_named(names, wanted, problems),), ()
    for problem in problems:
        console.error(problem)
    if not names:
        file = paths.aftermath_config
        console.error(f"no alert channel is configured: nobody is told of a stop; edit {file}")
        return ExitCode.NOT_ARMED
    tried: tuple[Tried, ...] = ()
    for answer in answers:
        for one in answer.tried[len(tried) :]:
            _say(console, one, max(map(len, names)))
            _record(paths, one, console)
        tried = answer.tried
    delivered = sum(one.delivered for one in tried)
    console.out(f"{delivered} of {len(names)} would have been told of a stop.")
    if delivered == len(names) and not problems:
        console.out("Next: ask them whether the test was seen.")
        return ExitCode.DONE
    console.out("Next: RUNBOOK.md section 12, Test, says what each answer means.")
    return ExitCode.NOT_ARMED


def deliver(paths: Paths, name: str, who: str) -> ExitCode:
    """Send a test through the channel `name` and print its answer; ends itself after a minute.

    `who` asked for it. Raises AftermathError when it was not delivered, UsageError when there is
    no such channel.
    """
    # Whoever waits for us may be killed, and nobody else ends what a service keeps waiting.
    signal.setitimer(signal.ITIMER_REAL, 2 * _PATIENCE)
    every = channels.configured(settings.load(paths), paths)
    _named([one.name for one in every.every], name, every.problems)
    channel = next(one for one in every.every if one.name == name)
    now = time.time_ns() // 1000
    facts = {"host": os.uname().nodename, "operator": who, "source": "ess alert test"}
    try:
        answer = channel.tell(Case("test", Phase.TEST, now, now, facts=facts), 0)
    except DeliveryError as error:
        raise AftermathError(str(error)) from None
    Console().out(answer)
    return ExitCode.DONE


def _named(known: Sequence[str], name: str, problems: Sequence[str]) -> str:
    if name in known:
        return name
    said = "".join(f"; {problem}" for problem in problems)
    names = ", ".join(known) or "none"
    raise click.UsageError(clean(f"no alert channel {name}; configured: {names}{said}"))


def _say(console: Console, tried: Tried, width: int) -> None:
    console.words(f"{tried.channel:<{width}}  {_outcome(tried)}", width + 2)


def _outcome(tried: Tried) -> str:
    how = "delivered in" if tried.delivered else "NOT DELIVERED after"
    return f"{how} {tried.ms} ms: {tried.text}"


def _record(paths: Paths, tried: Tried, console: Console) -> None:
    fields = {
        "channel": tried.channel,
        "delivered": "yes" if tried.delivered else "no",
        "answer": tried.text,
        "lasted": str(tried.ms),
        "operator": operator(),
    }
    if not spool.put(paths, "alert-test", fields):
        console.error("no spool takes this result: it will not be in the audit log")
    say = journal.notice if tried.delivered else journal.error
    say(f"ALERT TEST {tried.channel}: {_outcome(tried)}")
