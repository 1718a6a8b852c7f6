"""What Redis answers to one question, and what of it to tell a person.

Import it where it is used: the package redis is an extra.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, cast

from ess.aftermath.channel import DeliveryError
from ess.mirror.server import RefusedError, reached, spoken

if TYPE_CHECKING:
    from collections.abc import Callable

    import redis

    from ess.mirror.address import Address
    from ess.watch.source import Report

T = TypeVar("T")
AWAY = 0.5  # s until a Redis that does not answer is asked again
RENEWED = 5.0  # s of silence after which Sentinel is asked whether it is still the same one
_MISSING = "no such key"
_ENTRIES = "entries"


class Answers:
    """Keeps what is wrong, by key, until an answer comes or it was told."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._wrong: dict[str, str] = {}

    def served(self, work: Callable[[redis.Redis], None], report: Report) -> bool:
        """Have `work` done with a client; tell whether Redis was there all the time.

        That it was not is reported.
        """
        try:
            with reached(self._address) as client:
                work(client)
        except DeliveryError as error:
            report.wrong(str(error))
            return False
        return True

    def asked(self, key: str, ask: Callable[[], object], nothing: T) -> T:
        """Return the answer; `nothing` when Redis refuses it, because of what lies at `key`."""
        try:
            answer = ask()
        except RefusedError as error:
            if _MISSING in str(error):
                self.right(key)
            else:
                self._wrong[key] = f"{key}: {spoken(error, self._address)}"
            return nothing
        self.right(key)
        return cast("T", answer)

    def right(self, key: str) -> None:
        """Take note that nothing is wrong with `key`."""
        self._wrong.pop(key, None)

    def is_wrong(self, key: str) -> bool:
        """Tell whether Redis refused what was asked of `key` last."""
        return key in self._wrong

    def odd(self, what: str) -> None:
        """Take note of something that was passed over; it is told once."""
        self._wrong[_ENTRIES] = what

    def tell(self, report: Report) -> None:
        """Report what is wrong."""
        if self._wrong:
            report.wrong("; ".join(self._wrong.values()))
        else:
            report.fine()
        self.right(_ENTRIES)


def text(data: bytes) -> str:
    """Return what Redis says as text, whatever it is."""
    return data.decode("utf-8", "replace")
