"""What a source delivers and reports, collected in a thread that ends when it is told to."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING

from ess.watch.source import Report

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ess.watch.sample import Sample
    from ess.watch.source import Source

PATIENCE = 20.0
__all__ = ["ClosedError", "Ear", "Report", "until"]


class ClosedError(BaseException):
    """No source takes this for a failure and goes on."""


class Ear(Report):
    """Runs a source as the watcher does."""

    def __init__(self, source: Source) -> None:
        super().__init__(source.name)
        self.samples: list[Sample] = []
        self.cursor = ""
        self.answers = 0
        # How often it was told that nothing lies at the key that asks for a stop.
        self.withdrawn = 0
        self._closing = False
        self._thread = threading.Thread(target=self._run, args=(source,), daemon=True)
        self._thread.start()

    def _run(self, source: Source) -> None:
        with contextlib.suppress(ClosedError):
            source.run(self.take, self)

    def take(self, samples: Sequence[Sample], cursor: str) -> None:
        self._end()
        self.samples += [one for one in samples if not _is_no_request(one)]
        self.withdrawn += sum(map(_is_no_request, samples))
        self.cursor = cursor or self.cursor

    def fine(self) -> None:
        self._end()
        self.answers += 1
        self.trouble = ""

    def wrong(self, what: str) -> None:
        self._end()
        self.trouble = what

    def _end(self) -> None:
        if self._closing:
            raise ClosedError

    def named(self, name: str) -> list[Sample]:
        return [one for one in self.samples if one.name == name]

    def values(self, name: str) -> list[float | str | None]:
        return [one.value for one in self.named(name)]

    def await_values(self, name: str, *values: float | str | None) -> None:
        """Return once exactly these have been heard."""
        until(lambda: self.values(name) == list(values), lambda: f"{self.samples} {self.trouble}")

    def await_trouble(self, words: str) -> None:
        until(lambda: words in self.trouble, lambda: f"trouble: {self.trouble}")

    def await_answer(self) -> None:
        """Return once it was polled anew, and nothing is wrong."""
        seen = self.answers
        until(lambda: self.answers > seen, lambda: f"trouble: {self.trouble}")

    def close(self) -> None:
        self._closing = True
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()


def _is_no_request(sample: Sample) -> bool:
    return (sample.name, sample.value, sample.raw) == ("manual", None, "")


def until(
    done: Callable[[], object], what: Callable[[], str] = str, seconds: float = PATIENCE
) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, what()
        time.sleep(0.005)
