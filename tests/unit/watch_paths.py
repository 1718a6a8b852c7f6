"""Paths of equity with known drawdowns, gaps and spikes, and slow obvious judges of them."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hypothesis.strategies import SearchStrategy

SILENCE = 300.0
SPAN = 60.0


@dataclass(frozen=True)
class Step:
    """A figure, so many s after the one before."""

    after: float
    equity: float


def path(seed: int, length: int = 60) -> list[Step]:
    """Return a wander with crashes, gaps, single spikes and jumps of level."""
    chance, equity, steps = random.Random(seed), 1000.0, []
    for _ in range(length):
        after = chance.choice((0.05, 1.0, 1.0, 5.0, 10.0, 30.0))
        kind = chance.random()
        if kind < 0.04:
            equity *= 1 - chance.uniform(0.01, 0.2)
        elif kind < 0.08:
            after = chance.uniform(30, 400)
        elif kind < 0.1:
            steps.append(Step(0.5, equity * chance.uniform(1.2, 50)))
        elif kind < 0.12:
            equity *= 1.3
        else:
            equity *= 1 + chance.gauss(0, 0.004)
        steps.append(Step(after, equity))
    return steps


def any_path() -> SearchStrategy[list[Step]]:
    """Return paths that hypothesis makes up, with round figures that hit limits exactly."""
    figures = st.one_of(
        st.sampled_from((1000, 990, 970, 969, 950, 900, 899, 850, 849, 1090, 1101, 2000, 0, -1)),
        st.floats(1, 3000, allow_nan=False),
    )
    after = st.one_of(st.sampled_from((0.5, 1, 30, 59, 60, 61, 300, 301)), st.floats(0.1, 500))
    return st.lists(st.builds(Step, after, figures), min_size=1, max_size=40)


def credible(path: Sequence[Step]) -> list[float | None]:
    """Return what is believed at each figure: a rise over a tenth only the third time in a row."""
    believed: list[float | None] = []
    for index, step in enumerate(path):
        last = next((one for one in reversed(believed) if one is not None), None)
        if last is None:
            believed.append(step.equity if step.equity > 0 else None)
            continue
        highs: list[float] = []
        for before in reversed(path[: index + 1]):
            if before.equity <= last + abs(last) * 0.1 or len(highs) == 3:
                break
            highs.append(before.equity)
        since = _since_settled(believed)
        if step.equity <= last + abs(last) * 0.1:
            believed.append(step.equity)
        elif len(highs) == 3 and since >= 2:
            believed.append(min(highs))
        else:
            believed.append(None)
    return believed


def moments(path: Sequence[Step], begin: float) -> list[float]:
    """Return when each figure comes."""
    found = []
    for step in path:
        begin += step.after
        found.append(begin)
    return found


def falls(path: Sequence[Step], span: float = SPAN, stands: float = SILENCE) -> list[float | None]:
    """Return how far each believed figure is below the highest that stood within the span, in %."""
    times, values = moments(path, 0.0), credible(path)
    known = [(time, value) for time, value in zip(times, values, strict=True) if value is not None]
    found: list[float | None] = []
    for time, value in zip(times, values, strict=True):
        if value is None:
            found.append(None)
            continue
        before = [(at, one) for at, one in known if at < time]
        ends = [at for at, _ in before[1:]] + [time] * bool(before)
        highs = [
            one
            for (at, one), end in zip(before, ends, strict=True)
            if min(end, at + stands) > time - span
        ]
        high = max(highs, default=None)
        found.append(0.0 if high is None or high <= 0 else (high - value) / high * 100)
    return found


def drawdowns(path: Sequence[Step]) -> list[float | None]:
    """Return how far each believed figure is below the highest one before it, in %."""
    values, found = credible(path), []
    for index, value in enumerate(values):
        peak = max((one for one in values[: index + 1] if one is not None), default=None)
        found.append(None if value is None or peak is None else (peak - value) / peak * 100)
    return found


def _since_settled(believed: Sequence[float | None]) -> int:
    count = 0
    for one in reversed(believed):
        if one is not None:
            break
        count += 1
    return count
