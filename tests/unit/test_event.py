"""Events: one format for bash and Python, an order that no clock changes, no file that hurts."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ess import event
from ess.event import Event, TornError

ROOT = Path(__file__).parents[2]
NAME = "1763713331123456-4711-123"
ONE = Event(
    NAME,
    "contained",
    1763713331123456,
    5190570,
    "boot-a",
    "id-1",
    {"took": "82", "reason": "funding = gone"},
    ("quantum-execution.service pids=12,13 signal=TERM ms=40",),
)


def test_what_is_written_is_read() -> None:
    assert event.decode(NAME, event.encode(ONE)) == ONE


def test_bash_writes_what_python_reads() -> None:
    script = (
        ". ops/lib/paths.sh; . ops/lib/clock.sh; . ops/lib/say.sh; . ops/lib/spool.sh;"
        " spool_compose contained id-1 took=82 $'reason=a\\nend=trip' 'unit=a.service pids=1';"
        ' printf "%s" "$SPOOL_CONTENT"'
    )
    done = subprocess.run(["bash", "-c", script], cwd=ROOT, capture_output=True, check=True)
    read = event.decode(NAME, done.stdout)
    assert (read.kind, read.id, read.units) == ("contained", "id-1", ("a.service pids=1",))
    assert read.fields == {"took": "82", "reason": "a end=trip"}
    assert read.us > 1_700_000_000_000_000
    assert read.boot


def test_every_torn_file_is_seen() -> None:
    data = event.encode(ONE)
    for length in range(len(data)):
        with pytest.raises(TornError):
            event.decode(NAME, data[:length])


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ((b"ess-event=1", b"ess-event=2"), "does not begin"),
        ((b"event=contained", b"event=release-everything"), "no event that is known"),
        ((b"us=1", b"us=x1"), "us is no number"),
        ((b"boot=", b"boot=x\nboot="), "twice"),
        ((b"end=contained", b"end=trip"), "end is missing"),
        ((b"took=82", b"no equals"), "is no KEY=VALUE"),
    ],
)
def test_what_is_wrong_is_named(change: tuple[bytes, bytes], what: str) -> None:
    with pytest.raises(TornError, match=what):
        event.decode(NAME, event.encode(ONE).replace(*change))


def test_a_file_too_large_is_none() -> None:
    with pytest.raises(TornError, match="larger"):
        event.decode(NAME, b"x" * (event.LARGEST + 1))


@given(st.binary(max_size=400))
def test_no_bytes_do_harm(data: bytes) -> None:
    for tried in (data, event.encode(ONE).replace(b"funding", data)):
        try:
            read = event.decode(NAME, tried)
        except TornError:
            continue
        assert all(value.isprintable() for value in (*read.fields.values(), *read.units))


def test_the_clock_of_the_boot_gives_the_order() -> None:
    """The wall clock was set back a day between the second and the third."""
    day = 86_400_000_000
    told = [("now", 5, 100), ("now", 6, 101), ("now", 7, 102 - day), ("old", 900, 99 - 2 * day)]
    events = [Event(str(n), "trip", us, ms, boot) for n, (boot, ms, us) in enumerate(told)]
    assert [one.name for one in event.ordered(events[::-1], "now")] == ["3", "0", "1", "2"]


def test_names() -> None:
    assert event.is_name(NAME)
    for name in ("x", "", f"{NAME}\n", f"../{NAME}", f"{NAME}.tmp", NAME.replace("1", "\u0661")):
        assert not event.is_name(name)
