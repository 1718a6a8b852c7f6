"""What the watcher has to know after a restart, in one file that is whole or not there.

A file that cannot be read as what we wrote is moved aside and said so; the watcher then learns
anew, which is as bad as a first start and no worse.
"""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING

from ess import durable, regular

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = "baselines.json"
# Those that were moved aside: the newest so many are kept.
ASIDE = 3
_FORMAT = "quantum-ess baselines 1"
_LARGEST = 16 * 1024 * 1024


def save(directory: str, document: Mapping[str, object]) -> None:
    """Write the document; return once it is on disk. Raises OSError, the old one is kept then."""
    path = f"{directory}/{NAME}"
    draft = f"{path}.new"
    content = json.dumps({"format": _FORMAT, **document}, separators=(",", ":"), allow_nan=False)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(draft)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    with open(os.open(draft, flags, 0o640), "w", encoding="ascii") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, path)
    durable.sync_directory(directory)


def load(directory: str) -> tuple[dict[str, object], tuple[str, ...]]:
    """Return the document, empty when there is none, and what is wrong. Raises nothing."""
    path = f"{directory}/{NAME}"
    try:
        data = regular.read(path, _LARGEST + 1, follow=False)
    except FileNotFoundError:
        return {}, ()
    except OSError as error:
        return {}, (put_aside(directory, error.strerror or str(error)),)
    try:
        return _parse(data), ()
    except (ValueError, RecursionError) as error:
        return {}, (put_aside(directory, str(error)),)


def put_aside(directory: str, why: str) -> str:
    """Move the file aside, the newest ASIDE of such are kept; return what to tell a person."""
    path = f"{directory}/{NAME}"
    for number in range(ASIDE - 1, 0, -1):
        with contextlib.suppress(OSError):
            os.rename(f"{path}.bad-{number}", f"{path}.bad-{number + 1}")
    try:
        os.rename(path, f"{path}.bad-1")
    except OSError as error:
        return f"{path}: {why}; cannot be moved aside: {error.strerror or error}"
    return f"{path}: {why}; moved to {path}.bad-1, day start and peak are learnt anew"


def _parse(data: bytes) -> dict[str, object]:
    if len(data) > _LARGEST:
        message = f"larger than {_LARGEST} bytes"
        raise ValueError(message)
    try:
        found = json.loads(data, parse_constant=_refuse)
    except ValueError:
        message = "torn, or no JSON"
        raise ValueError(message) from None
    if not isinstance(found, dict) or found.pop("format", None) != _FORMAT:
        message = "not written by this program"
        raise ValueError(message)
    return found


def _refuse(constant: str) -> float:
    raise ValueError(constant)
