"""What the delivery service is asked, and how it answers: files in /run that root alone may read.

Only there are keys that come as credentials known, and only there does a test go the way of an
alert. A question is taken once, by whoever unlinks it: no test is sent twice.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from typing import TYPE_CHECKING, NamedTuple

from ess import regular
from ess.aftermath import case_store

if TYPE_CHECKING:
    from ess.paths import Paths

EVERY = "*"
_LARGEST = 1 << 20
# After so many seconds nobody waits any more.
_FORGOTTEN = 60.0
_LITTER = 600.0
_NAME = re.compile(r"\d{1,20}-\d{1,20}", re.ASCII)


class Question(NamedTuple):
    """Which channels there are; `test`: the channel to try as well, EVERY for all, "" for none.

    `operator`: who asks; `seconds`: what each channel gets for its test.
    """

    test: str = ""
    operator: str = ""
    seconds: float = 30.0


class Sight(NamedTuple):
    """What the delivery has to do with, without the value of any key.

    `people`, `mirror`: the channels that work; `problems`: why others do not, a line each;
    `credentials`: the keys that came as such.
    """

    people: tuple[str, ...] = ()
    mirror: str = ""
    problems: tuple[str, ...] = ()
    credentials: tuple[str, ...] = ()

    @property
    def channels(self) -> tuple[str, ...]:
        """All of them, the mirror first."""
        return (*((self.mirror,) if self.mirror else ()), *self.people)


class Tried(NamedTuple):
    """What one channel answered to a test, and after how long (ms)."""

    channel: str
    delivered: bool
    text: str
    ms: int


class Answer(NamedTuple):
    """What is known so far; the last one is `done`."""

    sight: Sight
    tried: tuple[Tried, ...] = ()
    done: bool = False


def place(paths: Paths) -> str:
    """Return the name of a question that nobody else asks."""
    return f"{paths.questions}/{os.getpid()}-{time.monotonic_ns()}"


def put(path: str, question: Question) -> None:
    """Ask. Raises OSError."""
    case_store.write(path, question._asdict())


def withdraw(path: str) -> bool:
    """Take back, or take up, a question; false when somebody else has. Raises OSError."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False
    return True


def forget(path: str) -> None:
    """Remove a question and what was answered. Raises nothing."""
    for name in (path, _answer(path)):
        with contextlib.suppress(OSError):
            os.unlink(name)


def take(paths: Paths) -> dict[str, Question]:
    """Return by place what is asked, each once; what nobody waits for any more is removed."""
    found = {}
    for name in _listed(paths.questions):
        path = f"{paths.questions}/{name}"
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            age = time.time() - os.lstat(path).st_mtime
            if age > _LITTER:
                os.unlink(path)
            elif _NAME.fullmatch(name):
                asked = json.loads(regular.read(path, _LARGEST)) if age < _FORGOTTEN else None
                if withdraw(path) and asked is not None:
                    seconds = float(asked["seconds"])
                    found[path] = Question(str(asked["test"]), str(asked["operator"]), seconds)
    return found


def answer(path: str, said: Answer) -> None:
    """Say what is known so far. Raises OSError."""
    known = {"sight": said.sight._asdict(), "tried": [one._asdict() for one in said.tried]}
    case_store.write(_answer(path), said._asdict() | known)


def answered(path: str) -> Answer | None:
    """Return what is known so far; None when that is nothing, or nothing sensible."""
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        found = json.loads(regular.read(_answer(path), _LARGEST))
        sight = found["sight"]
        return Answer(
            Sight(
                tuple(map(str, sight["people"])),
                str(sight["mirror"]),
                tuple(map(str, sight["problems"])),
                tuple(map(str, sight["credentials"])),
            ),
            tuple(
                Tried(str(one["channel"]), one["delivered"] is True, str(one["text"]), one["ms"])
                for one in found["tried"]
            ),
            found["done"] is True,
        )
    return None


def _answer(path: str) -> str:
    return f"{path}.answer"


def _listed(directory: str) -> list[str]:
    try:
        return sorted(os.listdir(directory))
    except FileNotFoundError:
        return []
