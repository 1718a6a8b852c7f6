"""Any figure of Prometheus, with a comparison."""

from __future__ import annotations

import pytest

from ess.watch.expression import Expression, parse
from ess.watch.verdict import Mood
from tests.unit.watching import SILENCE, Told


@pytest.mark.parametrize(
    ("text", "query", "sign", "limit"),
    [
        ("up == 0", "up", "==", 0.0),
        ("up==0", "up", "==", 0.0),
        ("  margin_ratio >= 0.8 ", "margin_ratio", ">=", 0.8),
        ('max(x{job="a"}) < -1.5e3', 'max(x{job="a"})', "<", -1500.0),
        ('x{a!="5 > 3"} > .5', 'x{a!="5 > 3"}', ">", 0.5),
        ("sum(rate(x[5m] > 0)) != 3", "sum(rate(x[5m] > 0))", "!=", 3.0),
        ("(a > 5 and b) > 3", "(a > 5 and b)", ">", 3.0),
        ("count(x == bool 1) > +2", "count(x == bool 1)", ">", 2.0),
        ("a - b <= 7.", "a - b", "<=", 7.0),
    ],
)
def test_parse(text: str, query: str, sign: str, limit: float) -> None:
    found = parse(text)
    assert (found.query, found.sign, found.limit) == (query, sign, limit)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "up",
        "> 5",
        "up > NaN",
        "up > Inf",
        "up > other",
        "up > bool 5",
        "up = 5",
        "up > 1e999",
        "a > 5 and b > 3",
        "a or b > 3",
        "1 < x < 5",
        "max(x > 5",
        'x{a="b} > 5',
        "x) > 5",
        "x > 5 # why",
        "x > 5\ny > 6",
        "x" + " " * 60_000 + "y",
        "(" * 16_000 + ")" * 16_000 + " > 1",
    ],
)
def test_what_is_no_comparison_with_a_number(text: str) -> None:
    with pytest.raises(ValueError, match=r"must end|brackets|more than once|too large|longer"):
        parse(text)


def told(text: str, *figures: float) -> Told:
    one = Told(Expression("x", parse(text), SILENCE))
    for figure in figures:
        one.hear(figure)
    return one


@pytest.mark.parametrize(
    ("sign", "moods"),
    [
        (">", "..B"),
        (">=", ".BB"),
        ("<", "B.."),
        ("<=", "BB."),
        ("==", ".B."),
        ("!=", "B.B"),
    ],
)
def test_limit(sign: str, moods: str) -> None:
    found = [told(f"x {sign} 5", 5, figure).mood() for figure in (4.999, 5.0, 5.001)]
    assert found == [Mood.BREACH if mood == "B" else Mood.QUIET for mood in moods]


def test_reason_names_query_value_and_limit() -> None:
    verdict = told("max(margin) > 0.8", 0.5, 0.93).judge()
    assert verdict.reason == "max(margin) is 0.93, limit > 0.8"
    assert verdict.evaluator == "expr:x"


def test_first_figure_arms() -> None:
    assert told("x > 5").judge().mood is Mood.LEARNING
    assert told("x > 5", 9).judge().mood is Mood.LEARNING
    assert told("x > 5", 9, 9).judge().mood is Mood.BREACH


def test_an_empty_result_is_silence_and_clears_nothing() -> None:
    one = told("x > 5", 1)
    assert one.hear(None, after=SILENCE, raw="").mood is not Mood.BLIND
    assert one.hear(None, raw="").mood is Mood.BLIND
    broken = told("x > 5", 1, 9)
    assert broken.hear(None, raw="NaN").mood is Mood.BREACH


def test_several_series_are_judged_by_the_worst() -> None:
    nan = float("nan")
    assert parse("x > 5").worst([1, 9, nan, 3]) == 9
    assert parse("x < 5").worst([1, 9, nan, 3]) == 1
    assert parse("x == 3").worst([1, 9, 3]) == 3
    assert parse("x != 1").worst([1, 9, 1]) == 9
    assert parse("x != 1").worst([1, 1]) == 1
    assert parse("x > 5").worst([nan]) is None
    assert parse("x > 5").worst([]) is None


def test_a_figure_written_before_the_clock_was_set_forward_counts() -> None:
    one = told("x > 5", 1)
    one.time.jump(3600)
    assert one.hear(9.0, dated=-3601).mood is Mood.BREACH


def test_another_question_begins_anew() -> None:
    one = told("x > 5", 1, 9)
    one.restart(Expression("x", parse("y > 5"), SILENCE))
    assert one.mood() is Mood.LEARNING


def test_another_limit_goes_on() -> None:
    one = told("x > 5", 1, 7)
    one.restart(Expression("x", parse("x > 6"), SILENCE))
    assert one.mood() is Mood.BREACH


@pytest.mark.parametrize(("text", "near"), [("x > 10", 0.5), ("x < 2", 0.4), ("x == 1", 0.0)])
def test_nearness(text: str, near: float) -> None:
    assert told(text, 5, 5).judge().nearness == near
