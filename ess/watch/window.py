"""The highest of what stood at any time in the last so many s, in bounded memory. Pure."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

_SLICES = 2048
MOST_STEPS = 2 * _SLICES + 4


class Step(NamedTuple):
    """`value` stood from `since` until `until`, boottime s; `of`: what it is a part of."""

    value: float
    since: float
    until: float
    of: float = 0.0


class Window:
    """Figures as steps: each stands until the next one, but for no longer than `stands` s.

    What still stood when the window of `span` s began belongs to it. Figures that all fall into a
    2048th of the span may count as the highest of them, so that no flood of figures takes more
    memory: a high may stay that much longer, and never leaves too early.
    """

    def __init__(self, span: float, stands: float) -> None:
        self._span = span
        self._stands = stands
        self._over: deque[Step] = deque()  # values fall from front to back
        self._open: Step | None = None

    def push(self, moment: float, value: float, of: float = 0.0) -> None:
        """Add a figure; one from before the last counts as of the same moment."""
        if self._open:
            moment = max(moment, self._open.since)
            self._close(self._open._replace(until=min(moment, self._open.until)))
        self._open = Step(value, moment, moment + self._stands, of)
        while self._over and self._over[0].until <= moment - self._span:
            self._over.popleft()

    def highest(self, moment: float) -> Step | None:
        """Return the highest that stood in the window that ends at `moment`; None: nothing did.

        What began after `moment` did not, though something that it outdid may be forgotten.
        """
        begin, last = moment - self._span, self._open
        if last and not (last.since <= moment and last.until > begin):
            last = None
        for step in self._over:
            if step.until > begin and step.since <= moment:
                return last if last and last.value >= step.value else step
        return last

    def steps(self) -> list[Step]:
        """Return what is in it, the last one still open."""
        return [*self._over, *([self._open] if self._open else [])]

    def restore(self, steps: list[Step]) -> None:
        """Put back what steps() returned."""
        self._over, self._open = deque(), None
        for step in steps[-MOST_STEPS:]:
            if self._open:
                self._close(self._open)
            self._open = step

    def _close(self, step: Step) -> None:
        while self._over and self._over[-1].value <= step.value:
            self._over.pop()
        if self._over and step.until - self._over[-1].since < self._span / _SLICES:
            self._over[-1] = self._over[-1]._replace(until=step.until)
        else:
            self._over.append(step)
