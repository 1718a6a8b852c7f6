"""The newest part of the audit log, verified in little time however long the log is.

Each record verifies itself and its place behind the one before it, so that a part of the chain can
be verified alone. All of it is what `ess audit verify` looks at, and the drill.
"""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING

from ess.audit import chain
from ess.audit import log as audit

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ess.audit.chain import Fault
    from ess.paths import Paths

NEWEST = 4 << 20  # bytes
_FAULTS_MOST = 3
_CHUNK = 1 << 20


def faults(paths: Paths, known: Mapping[int, str], newest: int = NEWEST) -> list[Fault]:
    """Return the first faults in the last `newest` bytes of the log, none when they are whole.

    `known`: hashes by seq, from the checkpoints in the journal. Raises OSError.
    """
    # The head first: what is written meanwhile must not look like what was cut off.
    last = audit.head(paths)
    found = chain.verify(_lines(paths, newest), known, last)
    return list(itertools.islice(found, _FAULTS_MOST))


def _lines(paths: Paths, newest: int) -> Iterator[tuple[str, bytes]]:
    """Yield (`FILE:NUMBER`, line), oldest first: of the present file and, while that is short, of
    those before it that logrotate has not compressed yet.
    """
    chosen: list[tuple[str, int]] = []
    for path in reversed(audit.files(paths)):
        if newest <= 0 or path.endswith(".gz"):
            break
        size = os.path.getsize(path)
        chosen.insert(0, (path, max(0, size - newest)))
        newest -= size
    for path, start in chosen:
        yield from _lines_from(path, start)


def _lines_from(path: str, start: int) -> Iterator[tuple[str, bytes]]:
    """Yield the whole lines behind byte `start`, with the numbers they have in the file."""
    with open(path, "rb") as file:
        before, left = 0, start
        while left > 0 and (part := file.read(min(_CHUNK, left))):
            before += part.count(b"\n")
            left -= len(part)
        if start:
            # Most likely the rest of one that began before.
            file.readline()
            before += 1
        for number, line in enumerate(file, start=before + 1):
            yield f"{path}:{number}", line
