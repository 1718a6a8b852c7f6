"""What is a number, and what only looks like one."""

from __future__ import annotations

import pytest

from ess.watch.sample import figure, moment, number, word


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ("12.5", 12.5),
        ("-3", -3.0),
        ("1e3", 1000.0),
        (7, 7.0),
        ("", None),
        ("nan", None),
        ("NaN", None),
        ("inf", None),
        ("-Infinity", None),
        ("1e400", None),
        ("1e16", None),
        (10**400, None),
        (float("nan"), None),
        (True, None),
        (None, None),
        ("1_000", None),
        ("\u0661\u0662", None),
        ("12,5", None),
        ("0x10", None),
        ("1" * 5000, None),
        ([1], None),
    ],
)
def test_figure(raw: object, value: float | None) -> None:
    assert figure(raw) == value


def test_what_was_read_is_kept_clean_and_short() -> None:
    found = number("equity", "\x1b[31m" + "9" * 300, 5.0, 1.0)
    assert found.value is None
    assert found.raw.isprintable()
    assert len(found.raw) <= 80


def test_an_empty_word_is_none() -> None:
    assert word("health", " \n", None, 1.0).value is None


@pytest.mark.parametrize("at", [0.0, -5.0, float("nan"), float("inf"), 1e300, None])
def test_what_cannot_be_a_time_is_not_said(at: float | None) -> None:
    assert moment(at) is None
