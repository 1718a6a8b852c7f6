"""What events make of cases: every story ends in the state that people have to be told."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ess.aftermath import course
from ess.aftermath.channel import Case, Phase
from ess.event import EVENTS, Event

HOST = "desk-1"


def event(number: int, kind: str, activation: str = "", **fields: str) -> Event:
    named = {key.replace("_", "-"): value for key, value in fields.items()}
    return Event(f"{number:016d}-1-1", kind, number, number, "boot", activation, named)


def told(*events: Event) -> dict[str, Case]:
    """Return the open cases after the events, as the intake keeps them."""
    cases: dict[str, Case] = {}
    for one in events:
        cases |= {case.id: case for case in course.advance(cases, one, HOST, 7)}
        for old in course.superseded(cases):
            del cases[old]
    return cases


STOP = (
    event(1, "trip", "a", operator="alice", source="cli", reason="funding"),
    event(2, "contained", "a", took="82"),
)


def test_a_stop_says_who_why_where_and_how_fast() -> None:
    case = told(*STOP)["a"]
    assert (case.phase, case.latched, case.count) == (Phase.CONTAINED, True, 7)
    assert case.facts == {
        "host": HOST,
        "operator": "alice",
        "source": "cli",
        "reason": "funding",
        "took": "82",
    }


def test_a_certificate_that_comes_before_its_trip_is_no_less_a_stop() -> None:
    case = told(*reversed(STOP))["a"]
    assert case.phase is Phase.CONTAINED
    assert (case.facts["operator"], case.facts["took"]) == ("alice", "82")


@pytest.mark.parametrize(
    ("kinds", "phase"),
    [
        (["trip"], Phase.TRIPPED),
        (["trip", "not-contained"], Phase.NOT_CONTAINED),
        (["trip", "not-contained", "contained"], Phase.CONTAINED),
        (["trip", "contained", "release-begun"], Phase.CONTAINED),
        (["trip", "contained", "killed"], Phase.CONTAINED),
        (["trip", "contained", "release-failed"], Phase.RELEASE_FAILED),
        (["trip", "contained", "release-finished"], Phase.RELEASED),
        (["trip", "contained", "release-finished", "contained"], Phase.RELEASED),
    ],
)
def test_phase_follows_the_events(kinds: list[str], phase: Phase) -> None:
    assert told(*(event(n, kind, "a") for n, kind in enumerate(kinds)))["a"].phase is phase


def test_a_release_ends_only_the_activation_it_names() -> None:
    cases = told(*STOP, event(3, "release-finished", "other", operator="bob"))
    assert cases["a"].latched


def test_a_release_that_names_none_ends_what_there_is() -> None:
    released = told(*STOP, event(3, "release-finished", operator="bob", reason="mended"))["a"]
    assert course.is_ended(released)
    assert (released.facts["released_by"], released.facts["release_reason"]) == ("bob", "mended")


def test_the_next_activation_takes_the_place_of_one_that_never_ended() -> None:
    cases = told(*STOP, event(9, "trip", "b", reason="again"))
    assert set(cases) == {"b"}


def test_an_activation_without_an_id_is_told_of_and_so_is_the_next() -> None:
    first = told(event(1, "trip"), event(2, "contained", took="5"))[course.NAMELESS]
    assert first.phase is Phase.CONTAINED
    again = told(
        event(1, "trip"), event(2, "release-finished"), event(3, "trip"), event(4, "contained")
    )[course.NAMELESS]
    assert (again.begun, again.phase) == (3, Phase.CONTAINED)


def test_an_ack_is_kept_with_the_case_and_changes_no_phase() -> None:
    case = told(*STOP, event(3, "ack", "a", operator="bob"))["a"]
    assert (case.facts["acked_by"], case.phase) == ("bob", Phase.CONTAINED)


@pytest.mark.parametrize(
    ("bad", "good", "key"),
    [
        (event(1, "disarmed", what="no gate"), event(2, "armed"), course.ARMED),
        (event(1, "watcher-died", what="signal"), event(2, "watcher-back"), course.WATCHER),
        (event(1, "drill", result="FAIL"), event(2, "drill", result="PASS"), course.DRILL),
    ],
)
def test_a_condition_is_told_when_it_begins_and_when_it_ends(
    bad: Event, good: Event, key: str
) -> None:
    assert told(good) == {}
    assert not course.is_ended(told(bad)[key])
    assert course.is_ended(told(bad, good)[key])
    assert not course.is_ended(told(bad, good, bad)[key])


@given(
    st.lists(
        st.tuples(
            st.sampled_from(EVENTS),
            st.sampled_from(["", "a", "b"]),
            st.dictionaries(st.sampled_from(["operator", "result", "took", "why"]), st.text()),
        )
    )
)
def test_no_story_leaves_two_latches_or_changes_a_case_in_silence(
    story: list[tuple[str, str, dict[str, str]]],
) -> None:
    cases: dict[str, Case] = {}
    for number, (kind, activation, fields) in enumerate(story):
        one = event(number, kind, activation, **fields)
        changed = course.advance(cases, one, HOST, 1)
        assert course.advance({**cases, **{case.id: case for case in changed}}, one, HOST, 1) in (
            changed,
            [],
        )
        cases |= {case.id: case for case in changed}
        for old in course.superseded(cases):
            del cases[old]
        assert sum(case.latched for case in cases.values()) <= 1
        if kind in ("trip", "contained", "not-contained") and not any(
            case.phase is Phase.RELEASED for case in cases.values()
        ):
            assert any(case.latched for case in cases.values())
