"""Trips because somebody asked for it through a source. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ess.watch import stored
from ess.watch.verdict import Mood, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ess.watch.sample import Now, Sample

_NO = frozenset({"", "0", "false", "no", "off", "none", "null"})
_MOST = 200


class Manual:
    """A request trips at once, the first one too, however old it is: nobody else acted on it.

    What does not say no clearly is a request. One is told from the next by its date and its words:
    the same one, left lying in its key, asks for nothing a second time, also after a restart, until
    the key was seen empty. `done` is called when the request has become a latch.
    """

    name = "manual"
    wants = frozenset({"manual"})

    def __init__(self) -> None:
        self._asked: Sample | None = None
        # Which one that is; after a restart known before it is heard again.
        self._identity = ""
        self._done = ""
        self._count = 0

    def hear(self, sample: Sample, now: Now) -> None:  # noqa: ARG002 - no request is too old
        """Take in a request, or that there is none."""
        text = sample.raw if sample.value is None else str(sample.value)
        if text.strip().lower() in _NO or sample.value == 0:
            self._asked, self._identity, self._done = None, "", ""
            return
        identity = _identity(sample)
        if identity == self._done:
            return
        if identity != self._identity:
            self._count += 1
        self._asked, self._identity = sample, identity

    def judge(self, now: Now) -> Verdict:  # noqa: ARG002 - see hear
        """Return whether there is a request that has not been done."""
        if self._asked is None:
            return Verdict(self.name, Mood.QUIET, "no request")
        text = f"manual request: {self._asked.raw or self._asked.value}"
        # Every new one is worse than the one before.
        return Verdict(
            self.name, Mood.BREACH, text, None, None, 1.0, (self._asked,), float(self._count)
        )

    def done(self) -> None:
        """Take note that the latch is on: the request of now has been heard."""
        if self._identity:
            self._done, self._asked, self._identity = self._identity, None, ""

    def remember(self) -> dict[str, object]:
        """Return which request has been done, and which has not."""
        return {"done": self._done, "asked": self._identity, "count": self._count}

    def recall(self, state: Mapping[str, object], now: Now) -> None:  # noqa: ARG002 - see hear
        """Take it up. Raises ValueError."""
        done, count = stored.word(state, "done"), int(stored.real(state, "count"))
        asked = stored.word(state, "asked") if "asked" in state else ""
        self._done, self._identity, self._count = done[:_MOST], asked[:_MOST], count


def _identity(sample: Sample) -> str:
    return f"{sample.at} {sample.raw or sample.value}"[:_MOST]
