"""The command line of a trip, read without click: what it takes, click takes in the same way."""

from __future__ import annotations

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ess import cli
from ess.argv import trip_request

OPTIONS = ("--reason", "--category", "--help", "-h", "--version", "--yes", "--", "-")
WORDS = st.one_of(
    st.sampled_from((*OPTIONS, "0", "1", "2", "activate", "margin call", "", "a=b")),
    st.builds("{}={}".format, st.sampled_from(OPTIONS), st.sampled_from(("0", "1", "2", "x", ""))),
    st.text(max_size=5),
)


def by_click(arguments: list[str]) -> tuple[str | None, str | None] | None:
    """What click makes of the words after `activate`, None when it would not run the command."""
    try:
        context = cli.activate.make_context("activate", list(arguments))
    except (click.UsageError, click.exceptions.Exit):
        return None
    return context.params["reason"], context.params["category"]


@pytest.mark.parametrize(
    ("line", "reason", "category"),
    [
        (["activate"], None, None),
        (["activate", "--reason", "margin call"], "margin call", None),
        (["activate", "--reason=margin call"], "margin call", None),
        (["activate", "--reason="], "", None),
        (["activate", "--reason", "-5 %"], "-5 %", None),
        (["activate", "--category", "0"], None, "0"),
        (["activate", "--category=1", "--reason", "a=b"], "a=b", "1"),
        (["activate", "--reason", "one", "--reason", "two"], "two", None),
    ],
)
def test_well_formed(line: list[str], reason: str | None, category: str | None) -> None:
    request = trip_request(line)
    assert request is not None
    assert (request.reason, request.category) == (reason, category)


@pytest.mark.parametrize(
    "line",
    [
        [],
        ["status"],
        ["--help", "activate"],
        ["activate", "--help"],
        ["activate", "-h"],
        ["activate", "--version"],
        ["activate", "--reason", "--help"],
        ["activate", "--reason"],
        ["activate", "--reason", "--category", "0"],
        ["activate", "--category", "2"],
        ["activate", "--category", ""],
        ["activate", "--reson", "x"],
        ["activate", "now"],
        ["activate", "--reason", "x", "--help"],
        ["activatee"],
    ],
)
def test_anything_else_trips_nothing(line: list[str]) -> None:
    assert trip_request(line) is None


@given(st.lists(WORDS, max_size=6))
def test_never_trips_where_click_would_not_run_it(words: list[str]) -> None:
    request = trip_request(["activate", *words])
    if request is not None:
        assert by_click(words) == (request.reason, request.category)


@given(st.lists(WORDS, max_size=4), st.sampled_from(("--help", "-h", "--version")), st.data())
def test_a_request_for_help_never_trips(words: list[str], asked: str, data: st.DataObject) -> None:
    words.insert(data.draw(st.integers(0, len(words))), asked)
    assert trip_request(["activate", *words]) is None
