"""The process of one evaluator of the operator's: it answers each line it reads with one line.

What the evaluator prints goes to the journal, never into the answers.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import json
import os
import sys
from importlib.metadata import entry_points
from typing import Any

from ess.exits import ExitCode
from ess.text import clean
from ess.watch.custom import GROUP, CustomError


def run(name: str) -> ExitCode:
    """Answer until nobody asks any more. Raises CustomError."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    _go_first()
    evaluator = _load(name)
    for _ in sys.stdin:
        answers.write(json.dumps(_check(evaluator)) + "\n")
        answers.flush()
    return ExitCode.DONE


def _go_first() -> None:
    """Where memory runs out, have the kernel kill this one and not the watcher."""
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("500")


def _load(name: str) -> Any:
    found = [one for one in entry_points(group=GROUP) if one.name == name]
    if not found:
        raise CustomError(f"no entry point {clean(name, 40)} in the group {GROUP}")
    try:
        return found[0].load()()
    except Exception as error:
        raise CustomError(f"{found[0].value}: {type(error).__name__}: {error}") from error


def _check(evaluator: Any) -> list[object]:
    try:
        answer = evaluator.check()
        if inspect.isawaitable(answer):
            answer = asyncio.run(_awaited(answer))
        trips, reason = answer
    except Exception as error:  # noqa: BLE001 - whatever it is, it is no answer
        return [None, f"{type(error).__name__}: {clean(str(error), 200)}"]
    if not isinstance(trips, bool):
        return [None, f"check() said {clean(repr(trips), 40)} and not True or False"]
    return [trips, clean(str(reason or ""), 200)]


async def _awaited(answer: Any) -> Any:
    return await answer
