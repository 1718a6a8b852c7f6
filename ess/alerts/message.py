"""What an alert says. Pure.

The first line answers whether trading is stopped, the last ones say what to do. What comes from
outside (a reason, a name) is cut to one line and cannot become markup, a mention or a header.
"""

from __future__ import annotations

import time
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ess.aftermath.channel import Phase
from ess.text import clean

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ess.aftermath.channel import Case

SMS_LENGTH = 160  # septets: one GSM-7 segment
_VALUE_BYTES = 300
_HOST_LENGTH = 40
_NAMELESS = "a host without a name"
# A mention or a tag begins with one; the look-alikes begin nothing, whatever service shows them.
_MARKUP = str.maketrans({"<": "\u2039", ">": "\u203a"})
# ASCII that GSM-7 does not have, or counts twice.
_NOT_GSM = str.maketrans({**dict(zip("[]{}\\|~^`", "()()//-''", strict=True)), "\x7f": " "})


@dataclass(frozen=True, slots=True)
class Message:
    """`title` and `short` are single lines; `short` fits into one SMS (GSM-7, 160 characters)."""

    title: str
    body: str
    short: str


@dataclass(frozen=True, slots=True)
class _Words:
    """What is said of a phase: is trading stopped, in a subject, a sentence and an SMS; do what."""

    title: str
    answer: str
    short: str
    steps: tuple[str, ...]
    hint: str = "See: ess status"


_ACK = "Say that you have it, so that nobody else is called: sudo ess ack"
_LOOK = "Look: ess status"
_RESUME = "Find out what happened. Then resume as RUNBOOK section 5 says: sudo ess deactivate"
_EXCHANGE = "Look at the exchange: open positions and resting orders are still there."
_LATCHED_HINT = "Do: ess status, sudo ess ack"

_WORDS = {
    Phase.TRIPPED: _Words(
        "ESS ACTIVE: trading is being stopped",
        "Trading is being stopped. Whether it is down is not known yet.",
        "STOPPING TRADING, not confirmed yet",
        (_ACK, "See whether trading is down: ess status (RUNBOOK section 2)", _EXCHANGE),
        _LATCHED_HINT,
    ),
    Phase.CONTAINED: _Words(
        "ESS ACTIVE: trading is stopped",
        "Trading IS STOPPED: no trading process is alive.",
        "TRADING STOPPED",
        (_ACK, _EXCHANGE, _RESUME),
        _LATCHED_HINT,
    ),
    Phase.NOT_CONTAINED: _Words(
        "ESS ACTIVE, NOT CONTAINED: trading is NOT stopped",
        "Trading is NOT STOPPED: something is alive, or is not known to be dead.",
        "TRADING NOT STOPPED",
        (
            "Stop it again: sudo ess activate --category 0 (RUNBOOK section 2)",
            "If it still lives, cut it off: unplug the network, or power off.",
            _ACK,
            _EXCHANGE,
        ),
        "Do: sudo ess activate --category 0, sudo ess ack",
    ),
    Phase.RELEASE_FAILED: _Words(
        "ESS ACTIVE again: the release failed",
        "Trading is held down again: the release failed and the latch is set.",
        "RELEASE FAILED, LATCH IS SET AGAIN",
        (
            _ACK,
            "See which unit did not come up and whether trading is down: ess status",
            "Mend it, then release again (RUNBOOK section 5): sudo ess deactivate",
        ),
        _LATCHED_HINT,
    ),
    Phase.RELEASED: _Words(
        "ESS INACTIVE: released, trading may run",
        "Trading is NOT stopped any more: a person released the stop, trading may run.",
        "RELEASED, TRADING MAY RUN",
        ("See that it is armed again: ess status (RUNBOOK section 5)",),
    ),
    Phase.DISARMED: _Words(
        "ESS DISARMED: an emergency stop may not work",
        "Trading is not stopped, and an emergency stop MAY NOT WORK: it is disarmed.",
        "DISARMED, A STOP MAY NOT WORK",
        (
            "See what is wrong and which command mends it: sudo ess doctor (RUNBOOK section 8)",
            _ACK,
        ),
        "Do: sudo ess doctor, sudo ess ack",
    ),
    Phase.ARMED: _Words(
        "ESS ARMED: the emergency stop is ready",
        "Trading is not stopped. The emergency stop is armed and ready.",
        "ARMED, THE STOP IS READY",
        (f"Nothing. {_LOOK}",),
    ),
    Phase.UNWATCHED: _Words(
        "ESS WATCHER DEAD: no limit is watched",
        "The watcher of the limits is DEAD: nobody watches them. Is trading stopped: ess status",
        "WATCHER DEAD, NO LIMIT IS WATCHED",
        (
            _LOOK,
            "See why it died: journalctl -u quantum-ess-watch",
            "Mend it, then start it: sudo systemctl restart quantum-ess-watch",
            _ACK,
        ),
        "Do: ess status, sudo ess ack",
    ),
    Phase.WATCHED: _Words(
        "ESS watcher is back: the limits are watched",
        "The watcher runs again: the limits are watched. Is trading stopped: ess status",
        "WATCHER IS BACK",
        (f"Nothing. {_LOOK}",),
    ),
    Phase.WOULD_TRIP: _Words(
        "ESS DRY RUN: a limit is broken, trading was NOT stopped",
        "A limit is broken and trading was NOT STOPPED: the watcher is in a DRY RUN.",
        "LIMIT BROKEN, TRADING NOT STOPPED (DRY RUN)",
        (
            "If it is serious, stop trading yourself: sudo ess activate",
            "Look how it stands: sudo ess watch check",
            "To have it stop trading: QT_ESS_DRY_RUN=false in /etc/quantum-ess/watch.env, then"
            " sudo systemctl restart quantum-ess-watch",
        ),
        "Stop it yourself: sudo ess activate",
    ),
    Phase.DRILL_FAILED: _Words(
        "ESS DRILL FAILED: an emergency stop may not work",
        "No emergency, but the drill FAILED: an emergency stop may not work.",
        "DRILL FAILED, A STOP MAY NOT WORK",
        (
            "See which claim failed: journalctl -u quantum-ess-drill (RUNBOOK section 6)",
            "Mend what the doctor names, then drill again: sudo ess doctor; sudo ess drill",
            _ACK,
        ),
        "Do: sudo ess doctor, sudo ess drill, sudo ess ack",
    ),
    Phase.DRILL_PASSED: _Words(
        "ESS drill passed",
        "No emergency. The drill passed: the emergency stop works.",
        "DRILL PASSED, THE STOP WORKS",
        (f"Nothing. {_LOOK}",),
    ),
    Phase.TEST: _Words(
        "TEST, no emergency: ESS alert test",
        "THIS IS A TEST and no emergency. It says nothing about trading.",
        "TEST, NO EMERGENCY",
        ("Nothing: every drill sends one, and so does: sudo ess alert test",),
        "It was sent by: ess alert test",
    ),
}


def compose(case: Case, repeat: int) -> Message:
    """Return what is said of `case`; `repeat` is how often it was said before, unanswered."""
    words = _WORDS[case.phase]
    facts = {key: _plain(value) for key, value in case.facts.items()}
    host = facts.get("host") or _NAMELESS
    mark = f"REMINDER {repeat}: " if repeat > 0 else ""
    title = clean(f"{mark}{words.title} on {host[:_HOST_LENGTH]}")
    return Message(title, _body(case, repeat, words, facts), _short(case, repeat, words))


def _body(case: Case, repeat: int, words: _Words, facts: Mapping[str, str]) -> str:
    lines = [words.answer]
    if repeat > 0:
        lines.append(f"Nobody has acknowledged it yet: reminder {repeat}.")
    lines += ["", *(f"{name}: {value}" for name, value in _table(case, facts) if value)]
    steps = [f"{number}. {step}" for number, step in enumerate(words.steps, start=1)]
    return "\n".join([*lines, "", "What to do:", *steps])


def _table(case: Case, facts: Mapping[str, str]) -> list[tuple[str, str]]:
    of_activation = case.latched or case.phase is Phase.RELEASED
    changed = "" if case.changed == case.begun else _stamp(case.changed)
    released = case.phase is Phase.RELEASED
    return [
        ("Host", facts.get("host") or _NAMELESS),
        ("Since", _stamp(case.begun)),
        ("Changed", changed),
        ("Who", _who(facts)),
        ("Why", facts.get("reason") or ("not given" if of_activation else "")),
        ("Contained", _contained(case, facts) if of_activation else ""),
        ("Still alive", facts.get("alive", "")),
        ("What", facts.get("what", "")),
        ("Released by", facts.get("released_by", "") or ("unknown" if released else "")),
        ("Released because", facts.get("release_reason", "")),
        ("Activation", _activation(case) if of_activation else ""),
    ]


def _activation(case: Case) -> str:
    number = f"number {case.count} of this host, " if case.count else ""
    return f"{number}id {_plain(case.id)}"


def _who(facts: Mapping[str, str]) -> str:
    operator, source = facts.get("operator", ""), facts.get("source", "")
    if operator and source:
        return f"{operator}, through {source}"
    return operator or source


def _contained(case: Case, facts: Mapping[str, str]) -> str:
    if case.phase is Phase.NOT_CONTAINED:
        return "NO"
    took = facts.get("took", "")
    if took:
        return f"yes, {took} ms after the flag"
    return "yes" if case.phase is Phase.CONTAINED else "not known"


def _stamp(us: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(us / 1_000_000))


def _plain(value: str) -> str:
    return clean(value.translate(_MARKUP), _VALUE_BYTES)


def _short(case: Case, repeat: int, words: _Words) -> str:
    """State, host and what to do are always whole; who and why take the room that is left."""
    facts = {key: _gsm(value) for key, value in case.facts.items()}
    mark = f"REMINDER {repeat}: " if repeat > 0 else ""
    took = facts.get("took", "")[:9] if case.phase is Phase.CONTAINED else ""
    head = f"{mark}ESS {facts.get('host', '')[:_HOST_LENGTH]}: {words.short}"
    head += f" in {took} ms" if took else ""
    tail = f". {words.hint}"
    who = " by " + facts.get("operator", "")[:20] if facts.get("operator") else ""
    why = ": " + facts.get("reason", "") if facts.get("reason") else ""
    more = facts.get("alive", "") or facts.get("what", "")
    detail = (f" ({more})" if more else "") + who + why
    room = SMS_LENGTH - len(head) - len(tail)
    if len(detail) > room:
        detail = detail[: max(room - 2, 0)].rstrip() + ".."
    return head + (detail if room > len("..") else "") + tail


def _gsm(text: str) -> str:
    """Return `text` in characters that count once in GSM-7; what has no likeness becomes "?"."""
    decomposed = unicodedata.normalize("NFKD", clean(text))
    bare = "".join(char for char in decomposed if not unicodedata.combining(char))
    return bare.encode("ascii", "replace").decode().translate(_NOT_GSM).strip()
