"""What would stop trading again after a release: said before a person agrees to one."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

from ess import bounded, spool

if TYPE_CHECKING:
    from ess.paths import Paths

# A disk that does not answer, or a watcher's part that is broken, may delay a release so long (s).
_PATIENCE = 1.0


def foreseen(paths: Paths) -> list[str]:
    """Return, a line each, what the watcher would trip over again; empty when that is nothing.

    Raises nothing, and decides nothing: a release is a person's.
    """
    found = None
    with contextlib.suppress(OSError):
        found = bounded.call(lambda: _would_trip(paths), _PATIENCE)
    if found is None:
        return ["what the watcher would do is not known: it cannot be read how it stands"]
    return found.decode("utf-8", "replace").splitlines()


def _would_trip(paths: Paths) -> bytes:
    # Here, in the child: a part that is broken fails the question and not the release.
    from ess.watch import places, settings, standing  # noqa: PLC0415
    from ess.watch.sample import Now  # noqa: PLC0415

    now = Now(time.time(), time.clock_gettime(time.CLOCK_BOOTTIME), spool.boot())
    known = standing.read(places.state(paths), now)
    if known is None and settings.load(paths).on("QT_ESS_ENABLED"):
        return b"perhaps: the watcher is switched on and has not said how it stands"
    if known is None or known.dry_run:
        return b""
    return "\n".join(standing.would_trip(known)).encode()
