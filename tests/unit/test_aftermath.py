"""The aftermath: every event once in the audit log, in order, wherever it is killed."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ess import event, journal, spool
from ess.aftermath import intake
from ess.audit import chain, history
from ess.audit import log as audit
from ess.errors import AftermathError, AuditError, ConfigError
from ess.event import Event
from ess.paths import Paths
from tests.thorough import chosen

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
RUN = (
    "import sys; from ess.aftermath import intake; from ess.paths import Paths;"
    " intake.run(Paths(sys.argv[1]))"
)
# The usual run has as many kills as the other, and less between them.
MANY = (4_000, 10_000)


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(str(tmp_path))


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """The journal of the machine that runs the tests is not ours to write to."""
    monkeypatch.setattr(journal, "_send", lambda _address, _text: True)
    monkeypatch.setattr(history, "checkpoints", dict)


def put(paths: Paths, number: int, kind: str = "sentry-repair", activation: str = "") -> Event:
    """Drop event `number` without waiting for the disk."""
    name = f"{number:016d}-1-1"
    one = Event(name, kind, number, number, spool.boot(), activation, {"number": str(number)})
    new = Path(paths.spools[0], "new")
    new.mkdir(parents=True, exist_ok=True)
    (new / name).write_bytes(event.encode(one))
    return one


def recorded(paths: Paths) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Path(paths.audit).read_bytes().splitlines()]


def numbers(paths: Paths) -> list[int]:
    return [int(one["number"]) for one in recorded(paths) if "number" in one]


def waiting(paths: Paths) -> list[str]:
    return os.listdir(f"{paths.spools[0]}/new")


def assert_whole(paths: Paths) -> None:
    assert list(chain.verify(audit.lines(paths), {}, audit.head(paths))) == []


def test_events_are_recorded_in_order_and_leave_the_spool(paths: Paths) -> None:
    for number in (3, 1, 2):
        put(paths, number)
    intake.run(paths)
    assert numbers(paths) == [1, 2, 3]
    assert waiting(paths) == []
    assert_whole(paths)


def test_python_drops_what_the_aftermath_takes(paths: Paths) -> None:
    path = spool.put(paths, "release-begun", {"operator": "root", "reason": "calm"}, "id-1")
    assert os.stat(path).st_mode & 0o777 == 0o600
    intake.run(paths)
    assert (recorded(paths)[0]["activation"], recorded(paths)[0]["reason"]) == ("id-1", "calm")


def test_a_spool_that_takes_nothing_has_a_second_one(paths: Paths) -> None:
    Path(paths.spools[0]).parent.mkdir(parents=True, exist_ok=True)
    Path(paths.spools[0]).write_text("not a directory")
    assert spool.put(paths, "drill", {}).startswith(paths.spools[1])
    intake.run(paths)
    assert [one["event"] for one in recorded(paths)] == ["drill"]


def test_of_one_activation_there_is_one_trip(paths: Paths) -> None:
    for number in range(5):
        put(paths, number, "trip", "id-1")
    intake.run(paths)
    put(paths, 9, "trip", "id-1")
    put(paths, 10, "trip", "id-2")
    intake.run(paths)
    assert numbers(paths) == [0, 10]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda new: (new / "0000000000000002-1-1").write_bytes(b"ess-event=1\nevent=trip\n"),
        lambda new: (new / "0000000000000002-1-1").write_bytes(b"x" * (event.LARGEST + 1)),
        lambda new: (new / "\x1b[31m evil\n").write_bytes(b""),
        lambda new: (new / "0000000000000002-1-1").symlink_to("/etc/passwd"),
        lambda new: (new / "0000000000000002-1-1").mkdir(),
        lambda new: os.mkfifo(new / "0000000000000002-1-1"),
    ],
)
def test_a_bad_file_is_set_aside_and_reported(
    paths: Paths, spoil: Callable[[Path], object]
) -> None:
    put(paths, 1)
    spoil(Path(paths.spools[0], "new"))
    put(paths, 3)
    intake.run(paths)
    assert numbers(paths) == [1, 3]
    assert [one["event"] for one in recorded(paths)].count("spool-bad") == 1
    assert waiting(paths) == []
    assert len(os.listdir(f"{paths.spools[0]}/bad")) == 1
    assert_whole(paths)


def test_two_at_once_are_one(paths: Paths) -> None:
    put(paths, 1)
    with intake._lock(paths) as mine:
        assert mine
        intake.run(paths)
        assert waiting(paths)


def test_a_log_that_cannot_be_written_keeps_the_events(paths: Paths) -> None:
    put(paths, 1)
    Path(paths.audit).mkdir(parents=True)
    with pytest.raises(AftermathError, match="events wait"):
        intake.run(paths)
    assert waiting(paths)
    Path(paths.audit).rmdir()
    intake.run(paths)
    assert numbers(paths) == [1]


# --- killed at every step ---

STEPS = ("write", "fsync", "unlink", "replace", "rename", "open", "ftruncate")


def run_and_die(paths: Paths, step: int) -> bool:
    """Run the aftermath in a child that dies before its `step`-th system call; True if it did."""
    child = os.fork()
    if child == 0:
        left = step

        def mortal(call: Callable[..., Any]) -> Callable[..., Any]:
            def wrapped(*arguments: Any, **keywords: Any) -> Any:
                nonlocal left
                left -= 1
                if left == 0:
                    os._exit(9)
                return call(*arguments, **keywords)

            return wrapped

        for name in STEPS:
            setattr(os, name, mortal(getattr(os, name)))
        intake.run(paths)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


def test_killed_between_any_two_steps(tmp_path: Path) -> None:
    step, died = 0, True
    while died:
        step += 1
        paths = Paths(str(tmp_path / str(step)))
        for number in range(3):
            put(paths, number)
        died = run_and_die(paths, step)
        put(paths, 3)
        intake.run(paths)
        assert numbers(paths) == [0, 1, 2, 3], f"killed before step {step}"
        assert waiting(paths) == []
        assert_whole(paths)
    assert step > 15, "it died at every step of its work"


def test_a_torn_line_is_cut_off_and_kept(paths: Paths) -> None:
    put(paths, 1)
    intake.run(paths)
    with open(paths.audit, "ab") as log:
        log.write(b'{"event":"tri')
    put(paths, 2)
    intake.run(paths)
    assert numbers(paths) == [1, 2]
    assert [one["event"] for one in recorded(paths)][1] == "audit-repaired"
    assert [path.read_bytes() for path in Path(paths.audit).parent.glob("*.torn-*")] == [
        b'{"event":"tri'
    ]
    assert_whole(paths)


@pytest.mark.parametrize("compress", [False, True])
def test_the_chain_runs_on_across_rotated_files(paths: Paths, *, compress: bool) -> None:
    for number in range(4):
        put(paths, number)
        intake.run(paths)
        if number == 3:
            break
        for old in (2, 1):
            for end in ("", ".gz"):
                if Path(f"{paths.audit}.{old}{end}").exists():
                    os.rename(f"{paths.audit}.{old}{end}", f"{paths.audit}.{old + 1}{end}")
        os.rename(paths.audit, f"{paths.audit}.1")
        if compress and number != 2:
            subprocess.run(["gzip", f"{paths.audit}.1"], check=True)
    assert len(audit.files(paths)) == 4
    assert_whole(paths)
    assert [int(one["number"]) for one in audit.records(paths)] == [0, 1, 2, 3]
    os.unlink(audit.files(paths)[1])
    assert list(chain.verify(audit.lines(paths), {}, audit.head(paths)))


def test_what_was_edited_stays_found_after_the_next_event(paths: Paths) -> None:
    """Whoever edits the last line, hash and all, is not made right by what comes after it."""
    put(paths, 1)
    put(paths, 2)
    intake.run(paths)
    first, second = recorded(paths)
    head = chain.Head(first["seq"], first["hash"])
    line, _ = chain.forge(head, {"event": "drill", "spool": second["spool"]})
    lines = Path(paths.audit).read_bytes().splitlines(keepends=True)
    Path(paths.audit).write_bytes(lines[0] + line)
    put(paths, 3)
    intake.run(paths)
    with pytest.raises(AuditError, match="was changed"):
        history.verify(paths)


@pytest.mark.parametrize("many", chosen(MANY, MANY[:1]))
def test_thousands_of_events_and_random_kills(tmp_path: Path, many: int) -> None:
    """Every event exactly once, in order, whatever moments the consumer is killed at."""
    chance = random.Random(4711)
    paths = Paths(str(tmp_path))
    written, kills = 0, 0
    while written < many or waiting(paths):
        for _ in range(min(many - written, chance.randrange(many * 3 // 20))):
            put(paths, written)
            written += 1
        child = subprocess.Popen(
            [sys.executable, "-c", RUN, str(tmp_path)], cwd=ROOT, stderr=subprocess.DEVNULL
        )
        if chance.random() < 0.8:
            time.sleep(0.1 + chance.random() / 4)
            child.send_signal(signal.SIGKILL)
            kills += 1
        child.wait(60)
        Path(paths.spools[0], "new").mkdir(parents=True, exist_ok=True)
    assert numbers(paths) == list(range(many))
    assert kills > 3
    assert_whole(paths)


# --- history ---


def story(paths: Paths) -> None:
    said = {"operator": "alice", "source": "cli", "reason": "funding rate gone mad, all of it"}
    for us, kind, fields in (
        (1_763_713_331_000_000, "trip", said),
        (1_763_713_331_090_000, "contained", {"took": "82"}),
        (1_763_713_931_000_000, "release-finished", {"operator": "bob", "reason": "calm"}),
    ):
        one = Event(f"{us}-1-1", kind, us, us // 1000, "b", "id-1", fields, ())
        new = Path(paths.spools[0], "new")
        new.mkdir(parents=True, exist_ok=True)
        (new / one.name).write_bytes(event.encode(one))
    put(paths, 1_763_800_000_000_000, "trip", "id-2")
    intake.run(paths)


def test_history_tells_of_activations(paths: Paths) -> None:
    story(paths)
    second, first = history.activations(audit.records(paths))
    assert (first.operator, first.ms, first.seconds) == ("alice", 82, 600)
    assert (second.id, second.released, second.seconds) == ("id-2", "", None)
    screen = history.text([second, first])
    assert max(map(len, screen.splitlines())) <= 80
    assert "is active" in screen.splitlines()[1]
    assert "82 ms 10 min 0 s  alice        funding rate gone m..." in screen


def test_an_alert_of_something_else_is_no_activation(paths: Paths) -> None:
    """`ess history` listed an activation without a time for each alert that told of "armed"."""
    put(paths, 1_763_800_000_000_000, "alert-failed", "armed")
    intake.run(paths)
    assert history.activations(audit.records(paths)) == []


def test_history_since_and_json(paths: Paths, capfd: pytest.CaptureFixture[str]) -> None:
    story(paths)
    history.show(paths, limit=5, since="2025-11-22", as_json=True)
    assert [one["id"] for one in json.loads(capfd.readouterr().out)] == ["id-2"]
    with pytest.raises(ConfigError, match="write it as"):
        history.show(paths, limit=5, since="yesterday", as_json=False)


def test_an_empty_log(paths: Paths, capfd: pytest.CaptureFixture[str]) -> None:
    history.show(paths, limit=5, since="", as_json=False)
    history.verify(paths)
    said = capfd.readouterr().out
    assert "No activation is recorded." in said
    assert "nothing was recorded yet" in said
