"""The open cases on disk, one JSON file each, whole or not there."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
from typing import TYPE_CHECKING

from ess import durable, regular, wake
from ess.aftermath.channel import Case, Phase

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ess.paths import Paths

_LARGEST = 65536
_MODE = 0o700
_ID = re.compile(r"[0-9A-Za-z-]{1,64}", re.ASCII)


def load(paths: Paths) -> dict[str, Case]:
    """Return the open cases by id; a file that is none is left out. Raises OSError."""
    found = {}
    for name in _names(paths.cases):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            found[name] = decode(name, regular.read(f"{paths.cases}/{name}", _LARGEST))
    return found


@contextlib.contextmanager
def locked(paths: Paths) -> Iterator[None]:
    """Hold the cases still: who changes one has to know what it is now. Raises OSError."""
    os.makedirs(paths.cases, mode=_MODE, exist_ok=True)
    descriptor = os.open(paths.cases, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def put(paths: Paths, case: Case) -> None:
    """Write a case; return once it is on disk. Raises OSError; ValueError for a bad id."""
    if not _ID.fullmatch(case.id):
        raise ValueError(f"no id of a case: {case.id!r}")
    write(f"{paths.cases}/{case.id}", case._asdict())
    wake.call(paths.wake_cases)


def drop(paths: Paths, case_id: str) -> None:
    """Close a case: nobody has to be told of it any more. Raises OSError."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(f"{paths.cases}/{case_id}")


def decode(name: str, data: bytes) -> Case:
    """Return the case in a file. Raises ValueError, KeyError or TypeError when it holds none."""
    found = json.loads(data)
    facts = {str(key): str(value) for key, value in found["facts"].items()}
    begun, changed, count = (int(found[key]) for key in ("begun", "changed", "count"))
    return Case(name, Phase(found["phase"]), begun, changed, count, facts)


def write(path: str, content: object) -> None:
    """Put `content` there as JSON, by rename. Raises OSError."""
    directory = os.path.dirname(path)
    os.makedirs(directory, mode=_MODE, exist_ok=True)
    draft = f"{directory}/.{os.path.basename(path)}.{os.getpid()}"
    try:
        with open(draft, "w", encoding="utf-8") as file:
            json.dump(content, file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(draft)
        raise
    durable.sync_directory(directory)


def _names(directory: str) -> list[str]:
    try:
        return sorted(name for name in os.listdir(directory) if _ID.fullmatch(name))
    except FileNotFoundError:
        return []
