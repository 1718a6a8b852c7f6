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


class Heard(Report):
    """What one source reports."""

    def __init__(self, ear: Ear, name: str) -> None:
        super().__init__(name)
        self.answers = 0
        self._ear = ear

    def fine(self) -> None:
        self._ear.end()
        self.answers += 1
        self.trouble = ""

    def wrong(self, what: str) -> None:
        self._ear.end()
        self.trouble = what


class Ear:
    """Runs sources as the watcher does."""

    def __init__(self, *sources: Source) -> None:
        self.samples: list[Sample] = []
        self.cursor = ""
        # How often it was told that nothing lies at the key that asks for a stop.
        self.withdrawn = 0
        # What has it hear something, where it would otherwise wait for long.
        self.poke: Callable[[], object] = bool
        # What ends a wait that goes on when the source itself has ended.
        self.hang_up: Callable[[], object] = bool
        self._closing = False
        self._ending = 0
        self._reports = [Heard(self, source.name) for source in sources]
        self._threads = [
            threading.Thread(target=self._run, args=both, daemon=True)
            for both in zip(sources, self._reports, strict=True)
        ]
        for thread in self._threads:
            thread.start()

    def _run(self, source: Source, report: Heard) -> None:
        with contextlib.suppress(ClosedError):
            source.run(self.take, report)

    def take(self, samples: Sequence[Sample], cursor: str) -> None:
        self.end()
        self.samples += [one for one in samples if not _is_no_request(one)]
        self.withdrawn += sum(map(_is_no_request, samples))
        self.cursor = cursor or self.cursor

    def end(self) -> None:
        if self._closing:
            self._ending += 1
            raise ClosedError

    @property
    def answers(self) -> int:
        """How often each of them found nothing wrong."""
        return min(one.answers for one in self._reports)

    @property
    def trouble(self) -> str:
        return "; ".join(one.trouble for one in self._reports if one.trouble)

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
        """Return once all was polled anew, and nothing is wrong."""
        seen = [one.answers for one in self._reports]
        until(
            lambda: (
                all(one.answers > was for one, was in zip(self._reports, seen, strict=True))
                and not self.trouble
            ),
            lambda: f"trouble: {self.trouble}",
        )

    def close(self) -> None:
        self._closing = True
        self.poke()
        until(lambda: self._ending >= len(self._threads), lambda: "a source does not end")
        self.hang_up()
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive()


def _is_no_request(sample: Sample) -> bool:
    return (sample.name, sample.value, sample.raw) == ("manual", None, "")


def until(
    done: Callable[[], object], what: Callable[[], str] = str, seconds: float = PATIENCE
) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, what()
        time.sleep(0.005)
