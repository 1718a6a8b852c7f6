"""activate for who is not root: ask for the stop, then watch until trading is proved dead."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ess import latch, request
from ess.console import SHORT_PATIENCE, Console
from ess.exits import ExitCode
from ess.latch import Placed, Receipt, State
from ess.trip import Trip

if TYPE_CHECKING:
    from ess.argv import Request
    from ess.containment import Look
    from ess.paths import Paths

# How long the latch may take to be set (s).
_PATIENCE = 2.0
_POLL = 0.005


def activate(paths: Paths, wanted: Request) -> ExitCode:
    """Ask for the stop and see it done; returns what root's activate returns.

    Raises RequestError when it could not even be asked for.
    """
    began = time.monotonic()
    already = latch.state(paths) is not State.CLEAR
    _ask(paths, wanted)
    while latch.state(paths) is State.CLEAR:
        if time.monotonic() - began > _PATIENCE:
            _say_not_taken()
            return ExitCode.NOT_CONTAINED
        time.sleep(_POLL)
    places = (Placed(paths.run_flag, new=not already), Placed(paths.var_flag))
    return _Asked(paths, wanted, Receipt(began, places)).run()


class _Asked(Trip):
    """A trip in which others do everything: systemd, the reader and the enforcer."""

    def _kick(self) -> None:
        """Leave it to who may."""

    def _push(self, seen: Look) -> None:
        """Leave it to who may."""

    def _hold(self) -> None:
        if latch.state(self._paths) is State.CLEAR:
            _ask(self._paths, self._request)


def _ask(paths: Paths, wanted: Request) -> None:
    request.drop(paths, wanted.reason or "not given", "cli", wanted.category or "")


def _say_not_taken() -> None:
    Console(SHORT_PATIENCE).error(
        f"NOT LATCHED: nobody has taken the request within {_PATIENCE:.0f} s; it waits there, and"
        " the sentry looks every 10 s. Run: sudo ess activate"
    )
