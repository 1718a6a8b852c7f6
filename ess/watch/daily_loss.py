"""Trips when the day's loss is beyond its limit: counted here, or as the stack says. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ess.watch import stored
from ess.watch.day_start import DayStart
from ess.watch.equity import Equity
from ess.watch.hearing import Hearing, Weight
from ess.watch.verdict import Mood, Verdict
from ess.watch.words import beyond, near, percent, plain, severity

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ess.watch.day import Calendar
    from ess.watch.sample import Now, Sample


class DailyLoss:
    """The worse of two losses, in %, must not be beyond `limit`; at the limit it is not.

    From `equity`: how far it is below what it was worth when the day began. From `daily_pnl_pct`:
    what the stack itself says, negative for a loss. Either is enough; one that was ever heard and
    falls silent for more than `silence` s is a reason to trip.
    """

    name = "daily-loss"
    wants = frozenset({"equity", "daily_pnl_pct"})

    def __init__(self, limit: float, silence: float, calendar: Calendar) -> None:
        self._limit = limit
        self._calendar = calendar
        self._equity = Equity(silence)
        self._start = DayStart(calendar)
        self._stated = Hearing(silence)
        self._pnl: float | None = None

    def hear(self, sample: Sample, now: Now) -> None:
        """Take in a figure."""
        self._turn(now)
        if sample.name == "daily_pnl_pct":
            self._take_pnl(sample, now)
        elif self._equity.take(sample, now) is Weight.NEWS and self._equity.level is not None:
            self._start.level(self._equity.level)

    def judge(self, now: Now) -> Verdict:
        """Return how it stands; a new day begins here when its time has come."""
        self._turn(now)
        losses = self._losses()
        worst = max(losses, default=None)
        if worst is not None and beyond(worst[0], self._limit):
            return self._say(Mood.BREACH, f"{worst[1]} is beyond the limit of", worst[0])
        for hearing, what in ((self._equity.hearing, "equity"), (self._stated, "daily_pnl_pct")):
            if blind := hearing.verdict(self.name, what, now):
                return blind
        if worst is None:
            return Verdict(self.name, Mood.LEARNING, "no figure yet to measure a loss by")
        return self._say(Mood.QUIET, f"{worst[1]}, limit", worst[0])

    def remember(self) -> dict[str, object]:
        """Return the start of the day, and what was heard."""
        return {
            "equity": self._equity.remember(),
            "start": self._start.remember(),
            "stated": self._stated.remember(),
            "pnl": self._pnl,
        }

    def recall(self, state: Mapping[str, object], now: Now) -> None:
        """Take it up. Raises ValueError."""
        silence, pnl = self._stated.limit, stored.maybe(state, "pnl")
        equity, shift = Equity.recalled(silence, stored.table(state, "equity"), now)
        begun, rebooted = stored.table(state, "start"), equity.clock.rebooted
        start = DayStart.recalled(self._calendar, begun, shift, rebooted=rebooted)
        heard = stored.table(state, "stated")
        stated = Hearing.recalled(silence, heard, equity.clock, (shift, now))
        self._equity, self._start, self._stated, self._pnl = equity, start, stated, pnl

    def rebase(self) -> None:
        """Begin to count anew from the last credible figure: a person's word, never a sample's."""
        self._start.restart()
        self._pnl = None

    def _turn(self, now: Now) -> None:
        self._start.turn(now, self._equity.clock.see(now))

    def _take_pnl(self, sample: Sample, now: Now) -> None:
        value, armed = sample.value, self._stated.armed
        if isinstance(value, str):
            self._stated.garbage(f"no figure: {sample.raw or value}", now)
            return
        weight = self._stated.take(sample, now, self._equity.clock)
        if not armed or value is None or weight is Weight.NOTHING:
            return
        worse = self._pnl is not None and value < self._pnl
        if weight is Weight.NEWS or worse:
            self._pnl = value

    def _losses(self) -> list[tuple[float, str]]:
        losses = []
        figure, worth = self._equity.figure, self._start.worth
        if figure is not None and worth is not None:
            lost = (worth - figure) / worth * 100
            since = f"{plain(figure)} of {plain(worth)} when the day began"
            carried = (
                "; the clock jumped, the day before still counts" if self._start.carried else ""
            )
            losses.append((lost, f"daily loss {percent(lost, self._limit)} ({since}{carried})"))
        if self._pnl is not None:
            stated = percent(-self._pnl, self._limit)
            losses.append((-self._pnl, f"daily loss {stated} (daily_pnl_pct)"))
        return losses

    def _say(self, mood: Mood, text: str, value: float) -> Verdict:
        return Verdict(
            self.name,
            mood,
            f"{text} {self._limit:g} %",
            value,
            self._limit,
            near(value, self._limit),
            self._inputs(),
            severity(value, self._limit),
        )

    def _inputs(self) -> tuple[Sample, ...]:
        heard = (self._equity.hearing.sample, self._stated.sample)
        return tuple(sample for sample in heard if sample)
