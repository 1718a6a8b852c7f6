"""How what follows a stop is: alerts, spool, audit log. For the doctor; bounded, and never raises.

Only root may look: all of it is kept from others, because it holds secrets and names. A channel's
package is loaded in a child, and only when such a channel is configured.
"""

from __future__ import annotations

import importlib
import json
import os
import time
from typing import TYPE_CHECKING, Any

from ess import bounded
from ess.aftermath import delivery, enquiry, settings
from ess.aftermath.enquiry import CannotRunError
from ess.aftermath.question import Sight
from ess.audit import history, recent
from ess.audit import log as audit
from ess.errors import EssError
from ess.facts import Aftermath, Waiting

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ess.paths import Paths

_DISK_PATIENCE = 2.0  # s
_CHAIN_PATIENCE = 5.0
_LOAD_PATIENCE = 15.0
_CHECKPOINTS = 500
_ONLY_ROOT = "only root may look at alerts, spool and audit log"


def look(paths: Paths) -> Aftermath:
    """Return how it is; what could not be looked at is in `unknown`. Raises nothing expected."""
    if os.geteuid() != 0:
        return Aftermath(unknown={"what follows a stop": _ONLY_ROOT})
    unknown: dict[str, str] = {}
    sight, broken = _sight(paths, unknown)
    exposed, problems = _problems(paths, sight)
    waiting = _asked(lambda: _waiting(paths), paths.spools[0], _DISK_PATIENCE, unknown)
    missed = _asked(lambda: _missed(paths), paths.audit_head, _DISK_PATIENCE, unknown)
    checkpoints = history.checkpoints(_CHECKPOINTS)
    faults = _asked(
        lambda: [(one.where, one.what) for one in recent.faults(paths, checkpoints)],
        paths.audit,
        _CHAIN_PATIENCE,
        unknown,
    )
    return Aftermath(
        unknown=unknown,
        problems=problems,
        exposed=exposed,
        broken=broken,
        credentials=sight.credentials,
        packages=_packages(sight.channels),
        waiting={spool: Waiting(*found) for spool, found in (waiting or {}).items()},
        channels=sight.channels,
        missed=missed or {},
        faults=tuple((where, what) for where, what in faults or ()),
    )


def _sight(paths: Paths, unknown: dict[str, str]) -> tuple[Sight, str]:
    """Return what the delivery service sees, and why it cannot run."""
    broken = ""
    try:
        return enquiry.sight(paths), broken
    except CannotRunError as error:
        broken = error.what
    except EssError as error:
        unknown["what the delivery service sees"] = error.what
    # A line that is wrong is so whoever reads it; a key that is not there may be a credential.
    return Sight(problems=settings.load(paths).problems), broken


def _problems(paths: Paths, sight: Sight) -> tuple[str, tuple[str, ...]]:
    """Return why others can read the file, and what is wrong in it."""
    try:
        exposure = settings.exposure(paths.aftermath_config)
    except OSError:
        # Not there, or among the problems already.
        exposure = []
    exposed = "others than root may read it" if exposure else ""
    return exposed, tuple(one for one in sight.problems if one not in exposure)


def _waiting(paths: Paths) -> dict[str, tuple[int, float]]:
    """Return by spool how many events wait, and how long the oldest does (s)."""
    found = {}
    for spool in paths.spools:
        try:
            names = os.listdir(f"{spool}/new")
            if names:
                # Their names begin with the time at which they were dropped.
                age = time.time() - os.lstat(f"{spool}/new/{min(names)}").st_mtime
                found[spool] = (len(names), max(0.0, age))
        except FileNotFoundError:
            continue
    return found


def _missed(paths: Paths) -> dict[str, int]:
    known = audit.remembered(paths)
    return dict(known.tally.missed) if known else {}


def _packages(channels: Sequence[str]) -> dict[str, str]:
    """Return the packages that the configured channels need and that cannot be loaded."""
    needed = ["redis"] if delivery.MIRROR in channels else []
    if any(name != delivery.MIRROR for name in channels):
        needed.insert(0, "apprise")
    found = {}
    for name in needed:
        answer = _call(lambda name=name: _load(name), _LOAD_PATIENCE)  # type: ignore[misc]
        why = f"not loaded within {_LOAD_PATIENCE:g} s" if answer is None else answer.decode()
        if why:
            found[name] = why
    return found


def _load(name: str) -> bytes:
    """Return why a package cannot be loaded, or nothing."""
    try:
        importlib.import_module(name)
    except Exception as error:  # noqa: BLE001 - whatever a damaged package raises
        return f"{type(error).__name__}: {error}".encode()
    return b""


def _asked(work: Callable[[], Any], what: str, seconds: float, unknown: dict[str, str]) -> Any:
    """Return what `work` finds out in a child; None, noted in `unknown`, when it does not."""

    def told() -> bytes:
        try:
            return json.dumps([work(), ""]).encode()
        except (OSError, EOFError) as error:
            return json.dumps([None, getattr(error, "strerror", None) or str(error)]).encode()

    answer = _call(told, seconds)
    found, why = json.loads(answer) if answer else (None, f"no answer within {seconds:g} s")
    if why:
        unknown[what] = why
    return found


def _call(work: bounded.Work, seconds: float) -> bytes | None:
    try:
        return bounded.call(work, seconds)
    except OSError:
        return None
