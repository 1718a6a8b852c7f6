"""What an evaluator says about what it has heard, and what every evaluator can do. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ess.watch.sample import Now, Sample

# In limits: a loss that wavers by less than this around where it was released has not got worse.
_WORSE = 0.05


class Mood(Enum):
    """How it stands; BLIND and BREACH are reasons to trip."""

    QUIET = "quiet"
    LEARNING = "learning"  # nothing was ever heard: arms, never trips
    BLIND = "blind"  # an input is missing or stale beyond its limit
    BREACH = "breach"


_BADNESS = {Mood.QUIET: 0, Mood.LEARNING: 0, Mood.BLIND: 1, Mood.BREACH: 2}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one evaluator says now.

    `reason`: one line that names value and limit; `nearness`: 0 to 1, 1 at the limit and beyond;
    `inputs`: what it was judged by; `severity`: comparable among verdicts of one evaluator and
    mood, in limits: 2.0 is twice the limit.
    """

    evaluator: str
    mood: Mood
    reason: str
    value: float | None = None
    limit: float | None = None
    nearness: float = 0.0
    inputs: tuple[Sample, ...] = ()
    severity: float = 0.0

    @property
    def trips(self) -> bool:
        """Tell whether this is a reason to trip."""
        return _BADNESS[self.mood] > 0

    def worse_than(self, other: Verdict) -> bool:
        """Tell whether it has got worse since `other`, by more than a figure wavers."""
        mine, its = _BADNESS[self.mood], _BADNESS[other.mood]
        return mine > its or (mine == its and self.severity > other.severity + _WORSE)


class Evaluator(Protocol):
    """One condition. It keeps what it has heard and judges by that alone; it does no I/O.

    All of it is called from one thread, with moments whose boottime never decreases. One that
    measures from somewhere, a peak or a start, may also have rebase(), which takes the last
    credible figure for it: a person's word, never a sample's.
    """

    @property
    def name(self) -> str:
        """What it is called in reasons, settings and the file of baselines."""

    @property
    def wants(self) -> frozenset[str]:
        """The names of the samples it hears; one that ends in ":" stands for all it begins."""

    def hear(self, sample: Sample, now: Now) -> None:
        """Take in one sample of those it wants."""

    def judge(self, now: Now) -> Verdict:
        """Return how it stands; asking changes nothing."""

    def remember(self) -> dict[str, object]:
        """Return what has to outlive a restart, as JSON."""

    def recall(self, state: Mapping[str, object], now: Now) -> None:
        """Take up what an earlier process remembered; garbage is a ValueError, changing nothing."""
