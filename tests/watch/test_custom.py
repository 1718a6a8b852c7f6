"""Evaluators of the operator's own, each in a process: good, late, broken and hostile ones."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ess.watch import custom
from ess.watch.custom import CustomEvaluator, CustomSource
from ess.watch.sample import Now, Sample
from ess.watch.verdict import Mood
from tests.checks.tracked import CHECKOUT
from tests.watch.ear import Report, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

EVALUATORS = """
import asyncio, os, signal, sys, time

class Base:
    name = "whatever"

class Calm(Base):
    calls = 0
    def check(self):
        self.calls += 1
        print("to stdout, as people do")
        return False, f"call {self.calls}"

class Tripping(Base):
    async def check(self):
        await asyncio.sleep(0)
        return True, "API key revoked\\x1b[2J\\nreally"

class Raising(Base):
    def check(self):
        raise RuntimeError("no network")

class Odd(Base):
    def check(self):
        return 1, "not a bool"

class Nothing(Base):
    def check(self):
        return None

class Loop(Base):
    def check(self):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while True:
            pass

class Dying(Base):
    def check(self):
        os._exit(3)

class Leaving(Base):
    def check(self):
        sys.exit(0)

class Unmakeable(Base):
    def __init__(self):
        raise OSError("no such file")

class Forking(Base):
    def check(self):
        if os.fork() == 0:
            time.sleep(1000)
        return False, "has a child"
"""
NAMES = "calm tripping raising odd nothing loop dying leaving unmakeable forking"
SCRIPT = """
import sys
sys.path[:0] = sys.argv[1:3]
from ess.watch import evaluator
evaluator.run(sys.argv[3])
"""


@pytest.fixture
def source(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str], CustomSource]]:
    """Sources of the evaluators above; every process of theirs is gone after the test."""
    (tmp_path / "theirs.py").write_text(EVALUATORS)
    info = tmp_path / "theirs-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1\n")
    lines = [f"{name} = theirs:{name.title()}" for name in NAMES.split()]
    (info / "entry_points.txt").write_text("\n".join([f"[{custom.GROUP}]", *lines, ""]))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(custom, "PATIENCE", 1.0)
    monkeypatch.setattr(custom, "_START", 5.0)
    made: list[CustomSource] = []

    def make(name: str) -> CustomSource:
        argv = (sys.executable, "-c", SCRIPT, str(tmp_path), str(CHECKOUT), name)
        made.append(CustomSource(name, 0.1, argv))
        return made[-1]

    yield make
    for one in made:
        one.end()
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def ask(source: CustomSource) -> tuple[Sample, str]:
    """Return what it delivers, and the trouble it reports."""
    heard: list[Sample] = []
    report = Report("x")
    source.once(lambda samples, _: heard.extend(samples), report)
    (sample,) = heard
    return sample, report.trouble


def test_what_is_installed_is_found(source: Callable[[str], CustomSource]) -> None:  # noqa: ARG001
    assert set(NAMES.split()) <= set(custom.names())


def test_it_stays_and_what_it_prints_is_no_answer(source: Callable[[str], CustomSource]) -> None:
    calm = source("calm")
    assert [ask(calm)[0].raw for _ in range(3)] == ["call 1", "call 2", "call 3"]
    assert ask(calm)[0].value == 0.0


def test_it_may_be_async_and_its_reason_is_cleaned(source: Callable[[str], CustomSource]) -> None:
    sample, trouble = ask(source("tripping"))
    assert (sample.value, sample.raw, trouble) == (1.0, "API key revoked [2J really", "")
    assert sample.name == "custom:tripping"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("raising", "RuntimeError: no network"),
        ("odd", "check() said 1 and not True or False"),
        ("nothing", "TypeError"),
        ("dying", "ended"),
        ("leaving", "ended"),
        ("unmakeable", "ended"),
        ("absent", "ended"),
    ],
)
def test_what_is_no_answer_has_no_value_and_it_is_asked_again(
    source: Callable[[str], CustomSource], name: str, said: str
) -> None:
    one = source(name)
    for _ in range(2):
        sample, trouble = ask(one)
        assert sample.value is None
        assert said in trouble
        assert sample.raw == trouble[:80]


def test_an_endless_loop_is_ended_in_time(
    source: Callable[[str], CustomSource], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(custom, "_START", 3.0)
    begun = time.monotonic()
    sample, trouble = ask(source("loop"))
    assert (sample.value, trouble) == (None, "no answer within 3 s")
    assert time.monotonic() - begun < 5


def test_its_children_end_with_it(source: Callable[[str], CustomSource]) -> None:
    one = source("forking")
    ask(one)
    session = [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if mine(pid)]
    assert len(session) == 2
    one.end()
    until(lambda: not [pid for pid in session if mine(pid)])


def mine(pid: int) -> bool:
    try:
        line = Path(f"/proc/{pid}/cmdline").read_bytes()
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return b"\0forking\0" in line and state != "Z"


def test_it_dies_with_us(source: Callable[[str], CustomSource], tmp_path: Path) -> None:
    """Also when we are killed, and it ignores what it can ignore."""
    source("loop")
    script = (
        "import sys; sys.path[:0] = sys.argv[1:2]\n"
        "from ess.watch.custom import CustomSource\n"
        "from ess.watch.source import Report\n"
        "CustomSource('loop', 1, tuple(sys.argv[2:])).once(print, Report('x'))\n"
    )
    theirs = (sys.executable, "-c", SCRIPT, str(tmp_path), str(CHECKOUT), "loop")
    pid = os.spawnv(
        os.P_NOWAIT, sys.executable, [sys.executable, "-c", script, str(CHECKOUT), *theirs]
    )

    def looping() -> list[int]:
        found = []
        for one in filter(str.isdigit, os.listdir("/proc")):
            words = cmdline(int(one)).split(b"\0")
            if words[2:3] == [SCRIPT.encode()] and str(tmp_path).encode() in words:
                found.append(int(one))
        return found

    until(looping)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    until(lambda: not looping())


def cmdline(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


# --- what is made of the answers ---


def said(value: float | None, heard: float, raw: str = "because") -> Sample:
    return Sample("custom:x", value, None, heard, raw)


def test_answers_are_judged_and_silence_is_judged_too() -> None:
    one = CustomEvaluator("x", 60)
    now = Now(1e9, 100.0)
    assert one.judge(now).mood is Mood.LEARNING
    one.hear(said(None, 100.0, "ended"), now)
    assert one.judge(Now(1e9, 5000.0)).mood is Mood.LEARNING
    assert "ended" in one.judge(now).reason
    one.hear(said(0.0, 100.0), now)
    assert one.judge(Now(1e9, 160.0)).mood is Mood.QUIET
    one.hear(said(None, 150.0, "no answer within 5 s"), now)
    verdict = one.judge(Now(1e9, 161.0))
    assert verdict.mood is Mood.BLIND
    assert verdict.reason == "custom:x silent for 61 s, limit 60 s: no answer within 5 s"
    one.hear(said(1.0, 162.0), now)
    verdict = one.judge(Now(1e9, 162.0))
    assert (verdict.mood, verdict.reason) == (Mood.BREACH, "custom:x: because")


def test_a_restart_does_not_forgive_silence() -> None:
    one = CustomEvaluator("x", 60)
    one.hear(said(0.0, 100.0), Now(1e9, 100.0))
    again = CustomEvaluator("x", 60)
    again.recall(one.remember(), Now(1e9, 120.0))
    assert again.judge(Now(1e9, 161.0)).mood is Mood.BLIND
    rebooted = CustomEvaluator("x", 60)
    rebooted.recall(one.remember(), Now(1e9, 10.0))
    assert rebooted.judge(Now(1e9, 11.0)).mood is Mood.QUIET
    assert rebooted.judge(Now(1e9, 71.0)).mood is Mood.BLIND


@pytest.mark.parametrize("heard", ["x", None, True, [1]])
def test_garbage_is_refused(heard: object) -> None:
    one = CustomEvaluator("x", 60)
    with pytest.raises(ValueError, match="no number"):
        one.recall({"heard": heard}, Now(1e9, 1.0))
    assert one.judge(Now(1e9, 1.0)).mood is Mood.LEARNING
