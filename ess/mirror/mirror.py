"""The channel `redis`: the mirror of the latch. It never sets or clears the latch.

What is done to Redis is three steps (steps.py), each atomic and done only where it is not done yet.
So telling a case again does no harm, and the next call makes good whoever was killed in between.

Each event is in the stream exactly once, and went to the channel exactly once: that it was
published is written in Redis in the same atomic step. One window cannot be closed: a Redis that
loses its data (FLUSHALL, a restart without persistence, a failover before the replica had it) has
lost the event and the record of it together, and gets the event again. It is once in the stream
there is then; who listened to the channel hears it twice, and knows it by its activation id.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ess import latch
from ess.aftermath.channel import DeliveryError, Phase
from ess.mirror.address import KEY, OURS, AddressError, parse

if TYPE_CHECKING:
    from ess.aftermath.channel import Case
    from ess.aftermath.settings import Settings
    from ess.mirror.address import Address
    from ess.paths import Paths

_TEST_KEY = f"{OURS}test"
_TEST_SECONDS = 60


class Mirror:
    """Holds no state and no connection from one call to the next; may be made anew any time."""

    name = "redis"

    def __init__(self, settings: Settings, paths: Paths) -> None:
        self._settings = settings
        self._paths = paths

    def tell(self, case: Case, repeat: int) -> str:  # noqa: ARG002 - nobody acknowledges a marker
        """Make Redis say what the case says, and return what was done. Raises DeliveryError.

        The marker and the document of a release are taken back only when the latch is known to be
        clear. Whatever one step cannot do, the others are done; the error names each that was not.
        """
        if case.phase is Phase.TEST:
            return self._test()
        if not case.latched and case.phase is not Phase.RELEASED:
            return "nothing to mirror"
        return ", ".join(self._mirror(case)) or "all there already"

    def keep(self, case: Case) -> str:
        """Put back what Redis has lost of a latch that is on; return what that was, mostly nothing.

        Only reads when nothing is missing. Raises DeliveryError.
        """
        return ", ".join(self._mirror(case)) if case.latched else ""

    def _mirror(self, case: Case) -> list[str]:
        address = self._address()
        try:
            # Only here: the package redis is an extra, and no other channel may miss it.
            from ess.mirror import server, steps  # noqa: PLC0415
        except ImportError as error:
            raise _missing(error) from None
        with server.connected(address) as connection:
            places = steps.Places.of(self._settings)
            return steps.Steps(connection, places, case, lambda: latch.state(self._paths)).take()

    def _test(self) -> str:
        address = self._address()
        try:
            from ess.mirror import server  # noqa: PLC0415
        except ImportError as error:
            raise _missing(error) from None
        with server.connected(address) as connection:
            connection.put(_TEST_KEY, "quantum-ess can write here", _TEST_SECONDS)
        return f"{address}: takes writes"

    def _address(self) -> Address:
        try:
            return parse(self._settings.text(KEY))
        except AddressError as error:
            raise DeliveryError(str(error)) from None


def _missing(error: ImportError) -> DeliveryError:
    return DeliveryError(
        f"the Python package redis cannot be loaded ({error}): it is the extra `redis`; "
        f"run: {sys.executable} -m pip install 'redis>=5'"
    )
