"""A request of a person, through a source."""

from __future__ import annotations

import pytest

from ess.watch.manual import Manual
from ess.watch.verdict import Mood
from tests.unit.watching import Told


def test_none_is_quiet() -> None:
    assert Told(Manual()).mood(1e6) is Mood.QUIET


@pytest.mark.parametrize("word", ["stop", "1", "true", 1.0, "\ufffd"])
def test_the_first_one_trips_at_once(word: str | float) -> None:
    verdict = Told(Manual()).hear(word)
    assert verdict.mood is Mood.BREACH
    assert str(word) in verdict.reason


@pytest.mark.parametrize("word", ["", " ", "0", "no", "False", "off", 0.0, None])
def test_what_says_no_is_none(word: str | float | None) -> None:
    assert Told(Manual()).hear(word, raw="" if word is None else None).mood is Mood.QUIET


def test_what_cannot_be_read_is_a_request() -> None:
    assert Told(Manual()).hear(None, raw="\x00?").mood is Mood.BREACH


@pytest.mark.parametrize("dated", [-1e6, 1e6, None])
def test_no_request_is_too_old_or_too_early(dated: float | None) -> None:
    assert Told(Manual()).hear("stop", dated=dated).mood is Mood.BREACH


def test_the_same_request_left_in_its_key_asks_once() -> None:
    evaluator = Manual()
    one = Told(evaluator)
    one.hear("stop", dated=None)
    evaluator.done()
    assert one.hear("stop", dated=None).mood is Mood.QUIET
    one.restart(Manual())
    assert one.hear("stop", dated=None).mood is Mood.QUIET


def test_a_new_request_asks_anew_and_is_worse() -> None:
    evaluator = Manual()
    one = Told(evaluator)
    first = one.hear("stop")
    evaluator.done()
    second = one.hear("stop")
    assert second.mood is Mood.BREACH
    assert second.worse_than(first)


def test_the_same_words_ask_anew_after_the_key_was_empty() -> None:
    evaluator = Manual()
    one = Told(evaluator)
    one.hear("stop", dated=None)
    evaluator.done()
    one.hear(None, raw="")
    assert one.hear("stop", dated=None).mood is Mood.BREACH


def test_garbage_is_a_valueerror() -> None:
    one = Told(Manual())
    for state in ({}, {"done": 5, "count": 1}, {"done": "", "count": "x"}):
        with pytest.raises(ValueError, match=r"is no (text|number)"):
            one.evaluator.recall(state, one.time.now)
