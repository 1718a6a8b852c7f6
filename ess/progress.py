"""What a person sees while waiting: which unit is down after how many ms."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from ess.console import Console

_WIDTH = 79


class StopProgress:
    """Tells each unit once when it is down; on a terminal also what is still waited for."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._alive: set[str] = set()
        self._told: set[str] = set()
        self._ticker = False

    def update(self, alive: Collection[str], seconds: float) -> None:
        """Take note of the units that live `seconds` after the latch was set."""
        for unit in sorted(self._alive.difference(alive)):
            self.down(unit, seconds)
        self._alive = set(alive)
        self._told -= self._alive
        if alive and self._console.interactive:
            self._tick(f"  waiting {seconds:.1f} s for {', '.join(sorted(alive))}")

    def down(self, unit: str, seconds: float) -> None:
        """Tell that a unit was down `seconds` after the latch was set, if not told already."""
        if unit not in self._told:
            self._told.add(unit)
            self._wipe()
            self._console.out(f"  down   {unit}  ({seconds * 1000:.0f} ms)")

    def error(self, text: str) -> None:
        """Write one line to standard error."""
        self._wipe()
        self._console.error(text)

    def finish(self) -> None:
        """Leave the terminal as a plain line can be written to."""
        self._wipe()

    def _tick(self, text: str) -> None:
        self._wipe()
        self._console.raw(text[:_WIDTH])
        self._ticker = True

    def _wipe(self) -> None:
        if self._ticker:
            self._console.raw(f"\r{' ' * _WIDTH}\r")
            self._ticker = False
