"""The one way out of the watcher: asking root for the stop."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Protocol

from ess import request
from ess.watch import stored
from ess.watch.boot import boot
from ess.watch.source import heard_now

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ess.paths import Paths
    from ess.watch.sample import Now

SOURCE = "watcher"
_TRACES = 10
_NAME = re.compile(r"[0-9a-f-]{1,80}", re.ASCII)


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

    def remember(self) -> dict[str, object]:
        """Return what of it has to outlive a restart, as JSON."""

    def recall(self, state: Mapping[str, object], now: Now) -> None:
        """Take up what an earlier process asked for. Raises ValueError, and changes nothing."""


class TripRequest:
    """Asks through the directory of requests.

    `pause` (s): what an earlier process asked for longer ago is not taken up. If it was released
    at all, that may be so long ago that what is still broken is to trip again.
    """

    def __init__(self, paths: Paths, pause: float) -> None:
        self._paths = paths
        self._pause = pause
        # The last request alone: the reader takes what waited before it no later.
        self._last: tuple[str, tuple[int, tuple[int, ...]]] | None = None
        self._at = 0.0

    def trip(self, reason: str, detail: str) -> None:
        """Ask for the stop. Raises RequestError."""
        before = request.traces(self._paths)
        self._at = heard_now()
        self._last = request.drop(self._paths, reason, SOURCE, detail=detail), before

    def was_latched(self) -> bool:
        """Tell whether the latch was on since; see Trip."""
        return self._last is not None and request.was_latched(self._paths, *self._last)

    def settle(self) -> None:
        """Forget what was asked for."""
        self._last = None

    def remember(self) -> dict[str, object]:
        """Return the last request and the traces of before it; nothing once it is settled."""
        if self._last is None:
            return {}
        path, (told, latched) = self._last
        return {
            "request": os.path.basename(path),
            "told": told,
            "latched": latched,
            "at": self._at,
            "boot": boot(),
        }

    def recall(self, state: Mapping[str, object], now: Now) -> None:
        """Take it up, if it is of this boot and not too old. Raises ValueError."""
        if not state:
            return
        name, at = stored.word(state, "request"), stored.real(state, "at")
        if not _NAME.fullmatch(name):
            message = "request is no name of one"
            raise ValueError(message)
        before = stored.whole(state, "told"), stored.wholes(state, "latched", _TRACES)
        is_ours = stored.word(state, "boot") == now.boot != ""
        if is_ours and 0 <= now.boottime - at <= self._pause:
            self._last = f"{self._paths.requests}/{name}", before
            self._at = at
