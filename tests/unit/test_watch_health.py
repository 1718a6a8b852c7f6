"""The word on the system's health."""

from __future__ import annotations

import pytest

from ess.watch.health import Health
from ess.watch.verdict import Mood
from tests.unit.watching import SILENCE, Told

FINE = frozenset({"OK", "HEALTHY", "DEGRADED"})


def fresh() -> Health:
    return Health(FINE, SILENCE)


def told(*words: str) -> Told:
    one = Told(fresh())
    for word in words:
        one.hear(word)
    return one


@pytest.mark.parametrize("word", ["CRITICAL", "critical", " Critical ", "FATAL", "EMERGENCY"])
def test_critical_trips_at_once(word: str) -> None:
    verdict = told("OK").hear(word)
    assert verdict.mood is Mood.BREACH
    assert verdict.reason == f"system health is {word.strip().upper()}"


def test_first_word_arms_whatever_it_is() -> None:
    assert told().judge().mood is Mood.LEARNING
    one = told("CRITICAL")
    assert not one.judge().trips
    assert one.hear("CRITICAL").mood is Mood.BREACH


def test_only_a_fine_word_ends_it() -> None:
    one = told("OK", "CRITICAL")
    for word in ("", None, "NaN", "weird"):
        assert one.hear(word).mood is Mood.BREACH
    assert one.hear("OK", dated=100).mood is Mood.BREACH
    assert one.hear("OK", dated=-100).mood is Mood.BREACH
    assert one.mood(10_000) is Mood.BREACH
    assert one.hear("ok").mood is Mood.QUIET


@pytest.mark.parametrize("word", ["unknown", "", None, "0", "OKAY", 1.0])
def test_what_is_not_fine_is_silence(word: str | float | None) -> None:
    one = told("OK")
    assert one.hear(word, after=SILENCE).mood is Mood.QUIET
    verdict = one.hear(word, after=1)
    assert verdict.mood is Mood.BLIND
    assert "limit 300 s" in verdict.reason
    assert one.hear("HEALTHY").mood is Mood.QUIET


def test_unknown_word_is_named() -> None:
    one = told("OK")
    one.hear("sideways", after=301)
    assert "sideways" in one.judge().reason


def test_critical_is_never_fine() -> None:
    one = Told(Health(FINE | {"CRITICAL"}, SILENCE))
    one.hear("OK")
    assert one.hear("CRITICAL").mood is Mood.BREACH


def test_critical_outlives_a_restart() -> None:
    one = told("OK", "CRITICAL")
    one.restart(fresh(), after=5)
    assert one.mood() is Mood.BREACH


def test_one_that_never_renews_its_word_is_silent() -> None:
    one = told()
    sample_at = one.time.wall
    for _ in range(62):
        verdict = one.hear("OK", after=5, dated=sample_at - one.time.wall - 5)
    assert verdict.mood is Mood.BLIND


def test_critical_with_a_wrong_date_is_critical() -> None:
    assert told("OK").hear("CRITICAL", dated=1e6).mood is Mood.BREACH


@pytest.mark.parametrize("wrong", [{"word": 5}, {"hearing": None}, {"clock": {}}])
def test_garbage_is_a_valueerror(wrong: dict[str, object]) -> None:
    one = told("OK", "OK")
    with pytest.raises(ValueError, match=r"\w"):
        one.evaluator.recall(one.evaluator.remember() | wrong, one.time.now)
