"""What a trip was decided by, in one line of bounded length, for the audit log. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ess.text import clean
from ess.watch.words import plain

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ess.watch.sample import Now, Sample
    from ess.watch.verdict import Verdict

# The reader of requests keeps no more (bytes); room for "and N more" is left.
MOST = 480
_ROOM = 20


def line(verdicts: Sequence[Verdict], now: Now) -> str:
    """Return each evaluator with value and limit, and what it was judged by, with its age.

    `drawdown: value 18.2, limit 15; equity: 818, heard 0.1 s ago, dated 0.3 s ago`. What finds no
    room is counted.
    """
    parts = [clean(part, MOST - _ROOM) for part in _parts(verdicts, now)]
    kept, left = [], MOST - _ROOM
    for part in parts:
        left -= len(part.encode()) + 2
        if left < 0:
            break
        kept.append(part)
    more = len(parts) - len(kept)
    return "; ".join([*kept, *([f"and {more} more"] if more else [])])


def _parts(verdicts: Sequence[Verdict], now: Now) -> Iterator[str]:
    for one in verdicts:
        value = "none" if one.value is None else plain(one.value)
        limit = "none" if one.limit is None else plain(one.limit)
        yield f"{one.evaluator}: value {value}, limit {limit}"
        for sample in one.inputs:
            yield _input(sample, now)


def _input(sample: Sample, now: Now) -> str:
    told = sample.raw or sample.value
    heard = f"heard {max(0.0, now.boottime - sample.heard):.1f} s ago"
    dated = "" if sample.at is None else f", dated {now.wall - sample.at:.1f} s ago"
    return f"{sample.name}: {told}, {heard}{dated}"
