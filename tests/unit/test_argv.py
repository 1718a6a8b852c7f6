"""The lines of an emergency, read without click: what it takes, click takes in the same way."""

from __future__ import annotations

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ess import cli
from ess.argv import look_request, release_request, trip_request

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


LOOKS = ("--json", "--quiet", "--help", "--version", "-h", "--jso", "--json=1", "-q", "--", "x", "")
FREED = (
    "--yes",
    "--all",
    "--no-start",
    "--reason",
    "--help",
    "--version",
    "-h",
    "-",
    "--",
    "x",
    "",
)


def taken(command: click.Command, arguments: list[str]) -> dict[str, object] | None:
    """What click makes of a command line, None when it would not run the command."""
    try:
        return command.make_context(command.name, list(arguments)).params
    except (click.UsageError, click.exceptions.Exit):
        return None


@pytest.mark.parametrize("verb", ["status", "doctor"])
@given(words=st.lists(st.sampled_from(LOOKS), max_size=4))
def test_nothing_is_told_where_click_would_not_run_it(verb: str, words: list[str]) -> None:
    flags = look_request([verb, *words])
    by_click = taken(cli.main.commands[verb], words)
    # Every line that is not plain goes to click, so that the words before are enough.
    plain = all(word in ("--json", "--quiet") for word in words)
    assert (flags is None) == (by_click is None or not plain)
    if flags is not None and by_click is not None:
        assert by_click["as_json"] is ("--json" in flags)
        assert by_click.get("quiet", False) is ("--quiet" in flags)


@given(
    st.lists(st.one_of(WORDS, st.sampled_from((*FREED, "--reason=a=b", "--reason="))), max_size=5)
)
def test_nothing_is_released_where_click_would_not_run_it(words: list[str]) -> None:
    found = release_request(["deactivate", *words])
    if found is not None:
        assert taken(cli.deactivate, words) == {
            "reason": found.reason,
            "yes": found.confirmed,
            "every": found.every,
            "no_start": found.no_start,
        }
        assert not (found.every and found.no_start)


def test_the_lines_of_the_runbook_are_plain() -> None:
    full = release_request(["deactivate", "--yes", "--reason", "bad feed mended", "--all"])
    assert full is not None
    assert (full.confirmed, full.reason, full.every) == (True, "bad feed mended", True)
    plain = release_request(["deactivate"])
    assert plain is not None
    assert (plain.confirmed, plain.reason, plain.every, plain.no_start) == (
        False,
        None,
        False,
        False,
    )


@pytest.mark.parametrize("words", [[], ["activate"], ["--json", "status"], ["deactivated"]])
def test_other_lines_release_and_tell_nothing(words: list[str]) -> None:
    assert release_request(words) is None
    assert look_request(words) is None
