"""How far each channel has got with each case, on disk: one JSON file for each of the two."""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING

from ess import regular
from ess.aftermath import case_store
from ess.aftermath.delivery import State

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ess.aftermath.channel import Case
    from ess.paths import Paths

_LARGEST = 65536
_NEXT = ".next"
_NEVER = "never"
# The kernel's own clock for files may be behind by so many us.
_COARSE = 20_000


def name(case: Case, channel: str) -> str:
    """Return what this delivery is called; another case of the same id is another delivery."""
    return f"{case.id}.{case.begun}.{channel}"


def load(paths: Paths, case: Case, channel: str) -> State:
    """Return how far it is; a file that says nothing sensible counts as nothing told."""
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        found = json.loads(regular.read(f"{paths.deliveries}/{name(case, channel)}", _LARGEST))
        return State(
            str(found["told"]),
            str(found["given_up"]),
            str(found["trying"]),
            int(found["since"]),
            int(found["attempts"]),
            int(found["next"]),
            str(found["report"]),
            str(found["answer"]),
        )
    return State()


def put(paths: Paths, case: Case, channel: str, state: State) -> None:
    """Write down how far it is; return once that is on disk. Raises OSError."""
    case_store.write(f"{paths.deliveries}/{name(case, channel)}", state._asdict())


def forget_others(paths: Paths, cases: Iterable[Case]) -> None:
    """Remove the files of cases that are no longer open. Raises OSError."""
    open_ones = tuple(f"{case.id}.{case.begun}." for case in cases)
    for found in os.listdir(paths.deliveries) if os.path.isdir(paths.deliveries) else ():
        if not found.startswith((".", *open_ones)):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(f"{paths.deliveries}/{found}")


def say_next(paths: Paths, moment: int | None, seen: int) -> None:
    """Leave a note for the sentry when to start the next round; None: for no moment to come.

    The note is as old as our last look at the cases, `seen`: a directory of cases that is newer is
    reason enough to start one, too. Both us since the epoch. Raises OSError.
    """
    draft = f"{paths.deliveries}/{_NEXT}.new"
    with open(draft, "w", encoding="ascii") as file:
        file.write(_NEVER if moment is None else str(moment // 1_000_000))
        file.write("\n")
    age = (seen - _COARSE) * 1000
    os.utime(draft, ns=(age, age))
    os.replace(draft, f"{paths.deliveries}/{_NEXT}")
