"""What an alert says, of every phase and of hostile input."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ess.aftermath.channel import LATCHED, Case, Phase
from ess.alerts.message import Message, compose
from tests.checks.tracked import CHECKOUT

if TYPE_CHECKING:
    from collections.abc import Mapping

BEGUN = 1_763_726_400_000_000  # 2025-11-21 12:00:00 UTC
FACTS = {
    "host": "trade-1",
    "operator": "alice",
    "source": "cli",
    "reason": "flash crash",
    "took": "82",
}
# Of ASCII, what GSM-7 carries in one septet each.
GSM = re.compile(r"[A-Za-z0-9 @$_!\"#%&'()*+,./:;<=>?-]*")
# What the first line must say of trading.
ANSWERS = {
    Phase.TRIPPED: "Trading is being stopped",
    Phase.CONTAINED: "Trading IS STOPPED",
    Phase.NOT_CONTAINED: "Trading is NOT STOPPED",
    Phase.RELEASE_FAILED: "Trading is held down again",
    Phase.RELEASED: "trading may run",
    Phase.DISARMED: "Trading is not stopped, and an emergency stop MAY NOT WORK",
    Phase.ARMED: "Trading is not stopped. The emergency stop is armed",
    Phase.UNWATCHED: "The watcher of the limits is DEAD",
    Phase.WATCHED: "The watcher runs again",
    Phase.WOULD_TRIP: "trading was NOT STOPPED",
    Phase.DRILL_FAILED: "the drill FAILED",
    Phase.DRILL_PASSED: "The drill passed",
    Phase.TEST: "THIS IS A TEST",
}


def said(phase: Phase, facts: Mapping[str, str] = FACTS, repeat: int = 0) -> Message:
    return compose(Case("a-b-c", phase, BEGUN, BEGUN, 7, facts), repeat)


@pytest.mark.parametrize("phase", Phase)
def test_the_first_line_answers_whether_trading_is_stopped(phase: Phase) -> None:
    assert ANSWERS[phase] in said(phase).body.splitlines()[0]


@pytest.mark.parametrize("phase", Phase)
def test_everything_that_is_known_is_said_and_what_to_do(phase: Phase) -> None:
    message = said(phase)
    for line in ("Host: trade-1", "Since: 2025-11-21 12:00:00 UTC", "Who: alice, through cli"):
        assert line in message.body.splitlines()
    assert "Why: flash crash" in message.body
    assert "\nWhat to do:\n1. " in message.body
    assert "trade-1" in message.title
    assert "ess " in message.short


@pytest.mark.parametrize("phase", sorted(LATCHED))
def test_a_latched_host_says_how_to_acknowledge(phase: Phase) -> None:
    message = said(phase)
    assert "sudo ess ack" in message.body
    assert message.short.endswith("sudo ess ack")
    assert "Activation: number 7 of this host, id a-b-c" in message.body


def test_contained_or_not_and_how_fast() -> None:
    assert "Contained: yes, 82 ms after the flag" in said(Phase.CONTAINED).body
    assert "in 82 ms" in said(Phase.CONTAINED).short
    alive = said(Phase.NOT_CONTAINED, {**FACTS, "alive": "quantum-execution.service"})
    assert "Contained: NO" in alive.body
    assert "Still alive: quantum-execution.service" in alive.body
    assert "quantum-execution.service" in alive.short
    assert "Contained: not known" in said(Phase.TRIPPED, {}).body


def test_who_released_and_why() -> None:
    body = said(Phase.RELEASED, {"released_by": "bob", "release_reason": "reviewed"}).body
    assert "Released by: bob" in body
    assert "Released because: reviewed" in body


def test_a_test_is_marked_in_every_part() -> None:
    message = said(Phase.TEST, repeat=0)
    for part in (message.title, message.body.splitlines()[0], message.short):
        assert "TEST" in part
        assert re.search("no emergency", part, re.IGNORECASE)
    assert not any("TEST" in said(phase).body for phase in Phase if phase is not Phase.TEST)


@pytest.mark.parametrize("phase", Phase)
def test_a_reminder_says_that_nobody_answered(phase: Phase) -> None:
    message = said(phase, repeat=3)
    assert message.title.startswith("REMINDER 3: ")
    assert "Nobody has acknowledged it yet: reminder 3." in message.body
    assert message.short.startswith("REMINDER 3: ")
    assert "REMINDER" not in said(phase).title + said(phase).short


def test_a_change_is_dated() -> None:
    later = Case("x", Phase.CONTAINED, BEGUN, BEGUN + 5_000_000, 7, FACTS)
    assert "Changed: 2025-11-21 12:00:05 UTC" in compose(later, 0).body
    assert "Changed" not in said(Phase.CONTAINED).body


@pytest.mark.parametrize("phase", Phase)
def test_an_sms_keeps_state_host_and_what_to_do_whatever_the_reason(phase: Phase) -> None:
    """The essential parts are those of a message without reason; they stand at both ends."""
    host = {"host": "a-host-name-of-forty-characters-and-no-m"}
    bare = said(phase, host, 12).short
    full = said(phase, {**host, "operator": "o" * 99, "reason": "r" * 500}, 12).short
    head, tail = bare.split(". ", 1)
    assert full.startswith(head)
    assert full.endswith(f". {tail}")
    assert len(bare) <= len(full) <= 160


TEXTS = st.one_of(
    st.text(),
    st.text("<>&!@|`*_~[]{}\\^\r\n\t\0\x1b\u202e\u2028é€ñ日 ").map(lambda text: text * 20),
    st.sampled_from(["<!channel>", "<script>", "x\r\nBcc: a@b.example", "{{7*7}}", "%s%n"]),
)
KEYS = (*FACTS, "alive", "what", "released_by", "release_reason")


@given(
    phase=st.sampled_from(Phase),
    facts=st.dictionaries(st.sampled_from(KEYS), TEXTS),
    name=TEXTS,
    repeat=st.integers(0, 9999),
    count=st.integers(0, 10**9),
)
def test_no_input_breaks_out(
    phase: Phase, facts: dict[str, str], name: str, repeat: int, count: int
) -> None:
    message = compose(Case(name, phase, BEGUN, BEGUN + 1, count, facts), repeat)
    assert message.title.isprintable()
    assert message.short.isprintable()
    assert all(line.isprintable() for line in message.body.split("\n"))
    assert not set("<>") & set(message.title + message.body)
    assert len(message.short) <= 160
    assert GSM.fullmatch(message.short), message.short
    assert message.body.split("\n")[0] == said(phase).body.split("\n")[0]
    assert message.body.count("\nWhat to do:\n") == 1
    assert len(message.body.encode()) < 4000


def test_sections_of_the_runbook_are_the_ones_meant() -> None:
    titles = dict(
        re.findall(r"^## (\d+)\. (.*)$", (CHECKOUT / "RUNBOOK.md").read_text(), re.MULTILINE)
    )
    meant = {"2": "Is it really stopped?", "5": "Resume", "6": "Drill", "8": "Troubleshooting"}
    assert {number: titles[number] for number in meant} == meant
    named = {
        number
        for phase in Phase
        for number in re.findall(r"RUNBOOK section (\d+)", said(phase).body)
    }
    assert named == set(meant)
