"""`ess watch check`: the first line answers, the next says what to do."""

from __future__ import annotations

import pytest

from ess.watch import check
from ess.watch.verdict import Mood, Verdict

OK, WAITS = Verdict("health", Mood.QUIET, "heard"), Verdict("drawdown", Mood.LEARNING, "no figure")
BROKEN, BLIND = Verdict("daily-loss", Mood.BREACH, "x"), Verdict("feeds", Mood.BLIND, "x")


@pytest.mark.parametrize(
    ("verdicts", "wrong", "answer"),
    [
        ([OK, BROKEN, BLIND], ["redis: no"], "2 of 3 would stop trading now."),
        ([OK, WAITS], ["redis: no"], "No limit is broken, but not everything can be read."),
        ([OK, WAITS], [], "No limit is broken; 1 of 2 wait for their first figure."),
        ([OK], [], "No limit is broken."),
    ],
)
def test_the_first_line_answers(verdicts: list[Verdict], wrong: list[str], answer: str) -> None:
    first, *following = check._answer(verdicts, wrong)
    assert first == answer
    assert [line.startswith("Next: ") for line in following] == [True] * len(following)
    assert bool(following) is (bool(wrong) or any(one.trips for one in verdicts))
