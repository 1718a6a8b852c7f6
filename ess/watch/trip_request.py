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


class TripRequest:
    """Asks through the directory of requests."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths

    def trip(self, reason: str, detail: str) -> None:
        """Ask for the stop. Raises RequestError."""
        request.drop(self._paths, reason, SOURCE, detail=detail)
