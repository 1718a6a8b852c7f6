"""The one way out of the watcher: asking root for the stop."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ess import request

if TYPE_CHECKING:
    from ess.paths import Paths

SOURCE = "watcher"


class Trip(Protocol):
    """Asks for the stop."""

    def trip(self, reason: str, detail: str) -> None:
        """Ask for the stop; return once that cannot be lost. Raises EssError."""

    def was_latched(self) -> bool:
        """Tell whether the latch was on since the stop was asked for last; False in any doubt.

        Also when it was not asked for since settle().
        """

    def settle(self) -> None:
        """Forget what was asked for: it is known to have become a latch."""


class TripRequest:
    """Asks through the directory of requests."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        # The last request alone: the reader takes what waited before it no later.
        self._last: tuple[str, tuple[int, tuple[int, ...]]] | None = None

    def trip(self, reason: str, detail: str) -> None:
        """Ask for the stop. Raises RequestError."""
        before = request.traces(self._paths)
        self._last = request.drop(self._paths, reason, SOURCE, detail=detail), before

    def was_latched(self) -> bool:
        """Tell whether the latch was on since; see Trip."""
        return self._last is not None and request.was_latched(self._paths, *self._last)

    def settle(self) -> None:
        """Forget what was asked for."""
        self._last = None
