"""Ctrl-C, Ctrl-\\, SIGTERM and a closed terminal while the latch is being released.

Before anything is changed they end the command at once. From then on they are only noted, and the
release looks at every step whether it is to stop: no flag is ever left half removed.
"""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from ess.errors import ReleaseError

if TYPE_CHECKING:
    from types import FrameType
    from typing import Self

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class Interrupts:
    """A context in which these signals end in ReleaseError and never in a killed process.

    Ctrl-Z does nothing: a release may not be left standing half-way.
    """

    def __init__(self) -> None:
        self._noted = ""
        self._defer = False

    def __enter__(self) -> Self:
        for number in _SIGNALS:
            signal.signal(number, self._handle)
        signal.signal(signal.SIGTSTP, signal.SIG_IGN)
        return self

    def __exit__(self, *_: object) -> None:
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)

    def defer(self) -> None:
        """From now on only note a signal. Raises ReleaseError when one came before."""
        self._defer = True
        self.check()

    def check(self) -> None:
        """Raise ReleaseError when a signal has come."""
        if self._noted:
            raise ReleaseError(f"interrupted ({self._noted})")

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        self._noted = signal.Signals(number).name
        if not self._defer:
            self.check()
