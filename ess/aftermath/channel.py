"""What is told to the outside, and the one thing every way of telling it has in common. Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

_NOTHING: Mapping[str, str] = {}


class Phase(StrEnum):
    """How far a case is; a change of it is what is told."""

    TRIPPED = "tripped"  # the latch is on; not known yet whether trading is down
    CONTAINED = "contained"
    NOT_CONTAINED = "not-contained"
    RELEASE_FAILED = "release-failed"  # the latch is on again
    RELEASED = "released"
    DISARMED = "disarmed"
    ARMED = "armed"
    UNWATCHED = "unwatched"  # the watcher is dead
    WATCHED = "watched"
    WOULD_TRIP = "would-trip"  # but for its dry run
    DRILL_FAILED = "drill-failed"
    DRILL_PASSED = "drill-passed"
    TEST = "test"


class Case(NamedTuple):
    """One thing that somebody has to know of, as it stands.

    `id`: of the activation, or "armed", "watcher", "dry-run", "drill", "test"; `begun`, `changed`:
    us since the epoch; `count`: which activation of this host it is. `facts`, all optional: host,
    operator, source, reason, took (ms from the flag to contained), alive (units still running),
    released_by, release_reason, what.
    """

    id: str
    phase: Phase
    begun: int
    changed: int
    count: int = 0  # type: ignore[assignment]  # a tuple has a method of that name
    facts: Mapping[str, str] = _NOTHING

    @property
    def latched(self) -> bool:
        """Whether the latch is on in this phase."""
        return self.phase in LATCHED


LATCHED = frozenset({Phase.TRIPPED, Phase.CONTAINED, Phase.NOT_CONTAINED, Phase.RELEASE_FAILED})


class DeliveryError(Exception):
    """It was not taken. str() is one line that holds no secret: what answered, and what it said."""


class Channel(Protocol):
    """One way to one addressee."""

    @property
    def name(self) -> str:
        """Name it is configured, logged and counted by: `slack`, `sms-1`, `email-2`, `redis`."""

    def tell(self, case: Case, repeat: int) -> str:
        """Tell the case as it stands and return the answer in one line; may block without end.

        `repeat`: how often it was told before because nobody acknowledged it. Telling a phase twice
        must do no harm. Raises DeliveryError.
        """
