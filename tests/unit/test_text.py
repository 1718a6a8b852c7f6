"""Cleaning what comes from outside."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ess.text import clean, key_values


@given(st.text(), st.integers(0, 600))
def test_always_one_printable_line_within_the_limit(text: str, limit: int) -> None:
    line = clean(text, limit)
    assert line.isprintable()
    assert len(line.encode()) <= limit


def test_terminal_tricks_are_taken_out() -> None:
    assert clean("a\x1b[31m\nb\u202ec\u2028d\x9be\udcff") == "a [31m b c d e"


@given(st.binary())
def test_any_record_is_read(data: bytes) -> None:
    assert all(value.isprintable() for value in key_values(data).values())


def test_the_first_of_equal_keys_counts() -> None:
    assert key_values(b"a=1\na=2\nb\n=c\nd=x=y\n") == {"a": "1", "d": "x=y"}
