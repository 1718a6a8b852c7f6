"""Who is told what, when, how often: simulated over hours in no time."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ess.aftermath import delivery
from ess.aftermath.channel import Case, Phase
from ess.aftermath.delivery import SECOND, State, Want

PEOPLE = ("slack", "sms-1", "email-1")
BEGUN = 1_000_000 * SECOND
REPEAT = 300
GIVE_UP = 3600
STOP = Case("a", Phase.CONTAINED, BEGUN, BEGUN)


def simulate(
    case: Case, channel: str, seconds: int, *, works: range, state: State | None = None
) -> tuple[list[tuple[int, str, bool]], State]:
    """Return the tries (s, what, success) of a channel that works in the seconds `works`."""
    state = state or State()
    tries = []
    for second in range(seconds):
        now = case.begun + second * SECOND
        wanted = delivery.want(case, channel, PEOPLE, REPEAT, now)
        if not delivery.is_due(case, state, wanted, channel, now):
            continue
        state = delivery.attempt(state, wanted, now)
        success = second in works
        if success:
            state = delivery.succeeded(state, "ok")
        else:
            state = delivery.failed(state, "no", GIVE_UP, now)
        tries.append((second, str(wanted), success))
    return tries, state


def test_news_goes_to_everybody_at_once_and_reminders_to_one_after_the_other() -> None:
    found = {name: simulate(STOP, name, 2000, works=range(2000))[0] for name in PEOPLE}
    assert {name: [second for second, _, _ in tries] for name, tries in found.items()} == {
        "slack": [0, 300, 1200],
        "sms-1": [0, 600, 1500],
        "email-1": [0, 900, 1800],
    }
    assert [what for _, what, _ in found["sms-1"]] == ["contained", "contained+2", "contained+5"]


def test_an_ack_ends_the_reminders_and_brings_the_news_not_once_more() -> None:
    _, state = simulate(STOP, "slack", 400, works=range(400))
    acked = STOP._replace(facts={"acked_by": "alice"})
    assert simulate(acked, "slack", 4000, works=range(4000), state=state)[0] == []


def test_after_the_release_nobody_is_reminded() -> None:
    released = STOP._replace(phase=Phase.RELEASED)
    tries, _ = simulate(released, "slack", 4000, works=range(4000))
    assert [what for _, what, _ in tries] == ["released"]


def test_a_trip_waits_for_its_outcome_but_not_long() -> None:
    tripped = STOP._replace(phase=Phase.TRIPPED)
    assert simulate(tripped, "slack", 100, works=range(100))[0] == [(3, "tripped", True)]
    assert simulate(tripped, delivery.MIRROR, 100, works=range(100))[0] == [(0, "tripped", True)]


def test_what_fails_is_tried_ever_more_seldom_and_told_when_it_works_again() -> None:
    tries, _ = simulate(STOP, "nobody-to-remind", 1000, works=range(700, 1000))
    seconds = [second for second, _, _ in tries]
    assert seconds[:7] == [0, 5, 15, 35, 75, 155, 315]
    assert seconds[-1] >= 700
    assert [success for _, _, success in tries] == [False] * (len(tries) - 1) + [True]


def test_what_never_works_is_given_up_and_that_is_reported() -> None:
    tries, state = simulate(STOP, "nobody-to-remind", 3 * GIVE_UP, works=range(0))
    assert GIVE_UP <= tries[-1][0] < GIVE_UP + 400
    assert (state.given_up, state.report) == ("contained", "alert-given-up")
    # A change is news again.
    released = STOP._replace(phase=Phase.RELEASED)
    assert simulate(released, "nobody-to-remind", 10, works=range(10), state=state)[0]


def test_who_was_out_of_reach_is_told_how_it_stands_and_not_an_old_alarm() -> None:
    _, state = simulate(STOP, "nobody-to-remind", 60, works=range(0))
    released = STOP._replace(phase=Phase.RELEASED)
    tries, _ = simulate(released, "nobody-to-remind", 60, works=range(60), state=state)
    assert tries == [(0, "released", True)]


def test_the_first_failure_is_reported_and_no_other_before_the_last() -> None:
    state, reports = State(), []
    for attempt in range(5):
        state = delivery.attempt(state, Want(Phase.CONTAINED), BEGUN + attempt * 100 * SECOND)
        state = delivery.failed(state, "no", GIVE_UP, BEGUN)
        reports.append(state.report)
        state = delivery.reported(state)
    assert reports == ["alert-failed", "", "", "", ""]


@pytest.mark.parametrize("jump", [-86400, -301, 301, 86400])
def test_a_clock_that_is_set_holds_up_no_alert(jump: int) -> None:
    state = delivery.attempt(State(), Want(Phase.CONTAINED), BEGUN)
    now = BEGUN + jump * SECOND
    assert delivery.is_due(STOP, state, Want(Phase.CONTAINED), "slack", now)
    tripped = STOP._replace(phase=Phase.TRIPPED)
    assert delivery.is_due(tripped, State(), Want(Phase.TRIPPED), "slack", now)


@given(
    st.lists(st.sampled_from(list(Phase)), max_size=8),
    st.lists(st.booleans(), min_size=40, max_size=40),
)
def test_told_last_is_how_it_stands_once_the_channel_works(
    phases: list[Phase], weather: list[bool]
) -> None:
    state, now, case = State(), BEGUN, STOP
    works = iter(weather)
    sent: list[str] = []
    for phase in [*phases, *[None] * 20]:
        case = case._replace(phase=phase) if phase else case
        now += 400 * SECOND
        wanted = delivery.want(case, "extra", PEOPLE, REPEAT, now)
        if delivery.is_due(case, state, wanted, "extra", now):
            state = delivery.attempt(state, wanted, now)
            good = next(works, True) or phase is None
            if good:
                sent.append(str(wanted))
            state = (
                delivery.succeeded(state, "ok")
                if good
                else delivery.failed(state, "no", 10**9, now)
            )
    assert state.told == case.phase
    assert all(one != other for one, other in itertools.pairwise(sent))
