"""What the delivery service answers: which channels it has, and how each took a test.

A test runs in a child that is killed when its time is over; it holds up neither the other tests nor
an alert.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from ess import process
from ess.aftermath import channels, question, settings
from ess.aftermath.question import EVERY, Answer, Question, Sight, Tried
from ess.mirror import address
from ess.text import clean

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ess.paths import Paths

# Each child takes 40 MB; whoever asks, they share the memory of alerts.
AT_ONCE = 8
_PLACES = threading.BoundedSemaphore(AT_ONCE)


class Replies:
    """The answers to everything that is asked during one round."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._busy: list[threading.Thread] = []

    def take(self) -> None:
        """Begin to answer what was asked since. Raises OSError."""
        for path, asked in question.take(self._paths).items():
            one = threading.Thread(target=self._answer, args=(path, asked), daemon=True)
            self._busy.append(one)
            one.start()

    @property
    def busy(self) -> bool:
        """Whether an answer is not complete yet."""
        self._busy = [one for one in self._busy if one.is_alive()]
        return bool(self._busy)

    def _answer(self, path: str, asked: Question) -> None:
        # Who asked sees that no more comes.
        with contextlib.suppress(OSError):
            for said in answers(self._paths, asked):
                question.answer(path, said)


def answers(paths: Paths, asked: Question) -> Iterator[Answer]:
    """Yield what is known, again with each channel that answered, in order; the last is `done`."""
    known = Answer(look(paths))
    yield known
    names = [one for one in known.sight.channels if asked.test in (EVERY, one)]
    for tried in _try_all(names, asked):
        known = known._replace(tried=(*known.tried, tried))
        yield known
    yield known._replace(done=True)


def look(paths: Paths) -> Sight:
    """Return which channels this process could send through. Raises nothing."""
    known = settings.load(paths)
    every = channels.configured(known, paths)
    return Sight(
        tuple(one.name for one in every.people),
        every.mirror.name if every.mirror else "",
        tuple(dict.fromkeys((*every.problems, *address.problems(known)))),
        known.credentials,
    )


def _try_all(names: Sequence[str], asked: Question) -> Iterator[Tried]:
    if names:
        with ThreadPoolExecutor(min(AT_ONCE, len(names))) as threads:
            yield from threads.map(lambda name: _try(name, asked), names)


def _try(name: str, asked: Question) -> Tried:
    with _PLACES:
        return _in_turn(name, asked)


def _in_turn(name: str, asked: Question) -> Tried:
    begun = time.monotonic()
    argv = [sys.executable, "-I", "-m", "ess", "deliver", "--test", name]
    if asked.operator:
        argv[-1:] = [f"--operator={asked.operator}", name]
    result = process.run(argv, asked.seconds)
    ms = round((time.monotonic() - begun) * 1000)
    if result.ok:
        return Tried(name, True, clean(result.out), ms)  # noqa: FBT003 - a field
    if result.code is None and ms >= asked.seconds * 1000:
        return Tried(name, False, f"no answer within {asked.seconds:g} s", ms)  # noqa: FBT003
    said = clean(result.error).removeprefix("ess: ")
    return Tried(name, False, said or f"ended with code {result.code}", ms)  # noqa: FBT003
