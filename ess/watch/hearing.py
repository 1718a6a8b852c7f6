"""Whether an input is heard: what counts as news of it, how old it is, when silence is too long.

Data that is missing, absurd, dated in the future, dated too long ago, or dated no later than what
came before is no news: the input grows older as if nothing had come. Where such a figure breaks a
limit it still does; it only excuses nothing. Pure.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from ess.watch import stored
from ess.watch.clock import TOLERANCE
from ess.watch.verdict import Mood, Verdict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ess.watch.clock import Clock
    from ess.watch.sample import Now, Sample

# What a watcher that was restarted has to hear its inputs again, in s.
_GRACE = 30.0


class Weight(Enum):
    """What a sample is good for."""

    NEWS = "news"
    ACCUSES = "accuses"  # may break a limit, excuses nothing
    NOTHING = "nothing"


class Hearing:
    """One input, silent when there is no news of it for more than `limit` s.

    Silence counts from the first that ever came of it, news or not, also over restarts: then it is
    forgiven for another 30 s, after a reboot for another `limit`.
    """

    __slots__ = ("_at", "_grace", "_value", "limit", "odd", "sample", "written")

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self.written: float | None = None
        self.sample: Sample | None = None
        self.odd = ""
        self._at: float | None = None
        self._value: float | str | None = None
        self._grace = float("-inf")

    @property
    def armed(self) -> bool:
        """Tell whether anything ever came of it, or has to."""
        return self.written is not None

    def expect(self, now: Now) -> None:
        """Count silence from now on, though nothing was heard yet."""
        if self.written is None:
            self.written = now.boottime

    def take(self, sample: Sample, now: Now, clock: Clock) -> Weight:
        """Return what this sample is good for, and note when there was news."""
        if sample.value is None:
            return self.garbage(f"not readable: {sample.raw}" if sample.raw else "", now)
        if ahead := clock.ahead(sample, now):
            self.garbage(f"dated {ahead:.0f} s in the future", now)
            return Weight.ACCUSES
        written = clock.written(sample, now)
        if now.boottime - written > self.limit:
            return self.garbage(f"dated {now.boottime - written:.0f} s ago", now)
        if self._is_late(sample, now):
            if sample.at == self._at and sample.value == self._value:
                return Weight.NOTHING
            self.odd = "dated no later than the one before"
            return Weight.ACCUSES
        self.written = written if self.written is None else max(self.written, written)
        self.sample, self.odd = sample, ""
        self._at, self._value = sample.at, sample.value
        return Weight.NEWS

    def garbage(self, why: str, now: Now) -> Weight:
        """Note what came that is no news; "": nothing came. Whoever writes garbage is there."""
        self.odd = why or "missing"
        if why:
            self.expect(now)
        return Weight.NOTHING

    def age(self, now: Now) -> float:
        """Return for how many s there was no news."""
        return max(0.0, now.boottime - self.written) if self.written is not None else 0.0

    def due(self) -> float:
        """Return until when, on the boottime clock, there has to be news; infinity: never."""
        return float("inf") if self.written is None else max(self.written + self.limit, self._grace)

    def is_silent(self, now: Now) -> bool:
        """Tell whether there was no news for longer than the limit."""
        return now.boottime > self.due()

    def verdict(self, evaluator: str, what: str, now: Now) -> Verdict | None:
        """Return that `evaluator` is BLIND when this is silent: how long, what came instead."""
        if not self.is_silent(now):
            return None
        age = self.age(now)
        instead = f", last: {self.odd}" if self.odd else ""
        reason = f"no news of {what} for {age:.0f} s, limit {self.limit:g} s{instead}"
        heard = (self.sample,) if self.sample else ()
        return Verdict(evaluator, Mood.BLIND, reason, age, self.limit, 1.0, heard, severity=1.0)

    def remember(self) -> dict[str, object]:
        """Return when there was news, and what tells it from the next."""
        return {"written": self.written, "at": self._at, "value": self._value}

    @classmethod
    def recalled(
        cls, limit: float, state: Mapping[str, object], clock: Clock, moved: tuple[float, Now]
    ) -> Hearing:
        """Return what goes on from an earlier process; `moved`: what to add to its boottimes, now.

        Raises ValueError.
        """
        shift, now = moved
        written, value = stored.maybe(state, "written"), state.get("value")
        hearing = cls(limit)
        hearing._at = stored.maybe(state, "at")
        hearing._value = value if isinstance(value, int | float | str) else None
        if written is not None:
            hearing.written = min(written + shift, now.boottime)
            hearing._grace = now.boottime + (limit if clock.rebooted else min(_GRACE, limit))
        return hearing

    def _is_late(self, sample: Sample, now: Now) -> bool:
        if sample.at is None or self._at is None:
            return False
        # A date that lies ahead of a clock that was set back orders nothing.
        return sample.at <= self._at <= now.wall + TOLERANCE
