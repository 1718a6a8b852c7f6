"""What every source of figures has in common: a thread of its own, which never ends.

A source blocks in a client that is written to block; a thread that hangs there holds up nobody, and
what it does not hear ages where it is judged.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, NoReturn, Protocol

from ess import journal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ess.watch.sample import Sample

    # Takes samples, and how far the source has read, "" when it has no such thing. From any thread.
    Deliver = Callable[[Sequence[Sample], str], None]
_BREATH = 0.1  # s
_PAUSE = 1.0  # s, after what should not have happened
_QUIET = 10.0  # s between two lines in the journal about the same source


class Source(Protocol):
    """Where figures come from."""

    @property
    def name(self) -> str:
        """What it is called where people read of it."""

    def run(self, deliver: Deliver, report: Report) -> None:
        """Deliver what is heard, for ever. May raise anything; it is then run again."""

    def once(self, deliver: Deliver, report: Report) -> None:
        """Deliver what is there now; takes a bounded time."""


class Report:
    """What is wrong with a source at this moment; the journal hears of it when that changes."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.trouble = ""
        self._since = time.monotonic()
        self._told = ""
        self._told_at = -_QUIET

    def fine(self) -> None:
        """The source answers."""
        self._set("")

    def wrong(self, what: str) -> None:
        """The source does not answer, or not as it should; `what` holds no secret."""
        self._set(what)

    @property
    def lasts(self) -> float:
        """Return for how long (s) something has been wrong, or nothing."""
        return time.monotonic() - self._since

    def _set(self, what: str) -> None:
        if bool(what) != bool(self.trouble):
            self._since = time.monotonic()
        self.trouble = what
        if what == self._told or time.monotonic() < self._told_at + _QUIET:
            return
        self._told, self._told_at = what, time.monotonic()
        if what:
            journal.error(f"watcher: {self.name}: {what}")
        else:
            journal.notice(f"watcher: {self.name}: answers again")


def start(source: Source, deliver: Deliver) -> Report:
    """Run a source in a thread that ends with the process; return what it reports into."""
    report = Report(source.name)
    threading.Thread(
        target=_for_ever, args=(source, deliver, report), name=source.name, daemon=True
    ).start()
    return report


def repeat(once: Callable[[], None], interval: float) -> NoReturn:
    """Call it every `interval` s, for ever; what takes longer is followed by a short pause."""
    while True:
        begun = time.monotonic()
        once()
        time.sleep(max(_BREATH, begun + interval - time.monotonic()))


def heard_now() -> float:
    """Return the moment on the clock that samples are dated with (s since boot, sleep included)."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _for_ever(source: Source, deliver: Deliver, report: Report) -> None:
    while True:
        try:
            source.run(deliver, report)
        except Exception as error:  # noqa: BLE001 - a source must not end; its silence is judged
            report.wrong(f"{type(error).__name__}: {error}")
        time.sleep(_PAUSE)
