"""Whether the latch is on, for who asks with every figure.

A look at the flag on disk is a child each time, because that disk may hang; that takes longer than
everything else between a figure and the request to stop.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ess import latch
from ess.latch import State

if TYPE_CHECKING:
    from ess.paths import Paths


class LatchLook:
    """Looks at the flag in /run each time, at the one on disk once a round, and after a release."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._last = State.LATCHED

    def look(self) -> State:
        """Return whether the latch is on; bounded, raises nothing."""
        self._last = latch.state(self._paths)
        return self._last

    def at_once(self) -> State:
        """Return the same without a look at the disk, but for when that says that it is released.

        What is on disk alone since the last look() is taken for a latch with the next one.
        """
        run = latch.probe(self._paths.run_flag)
        if run is State.LATCHED:
            self._last = run
        elif run is State.UNKNOWN or self._last is State.LATCHED:
            self.look()
        return self._last
