"""How far Redis has been read, kept with what was made of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ess.watch.verdict import Mood, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ess.watch.sample import Now, Sample
    from ess.watch.source import Report

_ID = re.compile(r"\d{1,20}-\d{1,20}", re.ASCII)


class Reading:
    """Stands among the evaluators and trips nothing: what Redis does not say is missed there."""

    name = "redis"
    wants: frozenset[str] = frozenset()

    def __init__(self) -> None:
        self.cursor = ""
        self.report: Report | None = None

    def hear(self, sample: Sample, now: Now) -> None:
        """Hear nothing."""

    def judge(self, now: Now) -> Verdict:  # noqa: ARG002 - of the protocol
        """Return what is wrong with Redis, for people to see."""
        trouble = self.report.trouble if self.report else ""
        if trouble:
            return Verdict(self.name, Mood.QUIET, f"cannot be read: {trouble}")
        return Verdict(self.name, Mood.QUIET, f"read up to {self.cursor or 'its beginning'}")

    def remember(self) -> dict[str, object]:
        """Return the id of the last entry that was judged."""
        return {"cursor": self.cursor}

    def recall(self, state: Mapping[str, object], now: Now) -> None:  # noqa: ARG002 - as above
        """Take it up. Garbage is a ValueError and changes nothing."""
        cursor = state.get("cursor")
        if not isinstance(cursor, str) or (cursor and not _ID.fullmatch(cursor)):
            raise ValueError("cursor is no id of a stream")
        self.cursor = cursor
