"""A channel's turn, killed wherever that can be; and rounds with channels that hang or fail."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ess import event, journal, process, spool
from ess.aftermath import case_store, channels, deliver, delivery, delivery_store, intake, tell
from ess.aftermath.channel import Case, DeliveryError, Phase
from ess.aftermath.channels import Channels
from ess.aftermath.settings import Settings
from ess.event import Event
from ess.paths import Paths

if TYPE_CHECKING:
    from collections.abc import Callable

SECOND = 1_000_000


@dataclass
class Recorder:
    """A channel that writes down what it was told."""

    path: Path
    name: str = "slack"
    step: Callable[[], None] = lambda: None
    fails: list[str] = field(default_factory=list)

    def tell(self, case: Case, repeat: int) -> str:
        if self.fails:
            raise DeliveryError(self.fails.pop())
        self.step()
        with self.path.open("a") as file:
            file.write(f"{case.phase}+{repeat}\n")
        return "ok"

    @property
    def told(self) -> list[str]:
        return self.path.read_text().split() if self.path.exists() else []


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "_send", lambda _address, _text: True)


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(str(tmp_path))


def stop(paths: Paths) -> Case:
    case = Case("a", Phase.CONTAINED, tell.now(), tell.now(), 1, {"host": "desk"})
    case_store.put(paths, case)
    return case


def take_turn(paths: Paths, *people: Recorder) -> None:
    every = Channels(tuple(people))
    for one in people:
        tell.Turn(paths, Settings(), every, one).run()


def recorded(paths: Paths) -> list[str]:
    intake.run(paths)
    if not os.path.exists(paths.audit):
        return []
    return [json.loads(line)["event"] for line in Path(paths.audit).read_bytes().splitlines()]


def killed_before(step: int, work: Callable[[Callable[[], None]], None]) -> bool:
    """Run `work` in a child that dies at the given call of the function it is handed."""
    child = os.fork()
    if child == 0:
        left = step

        def count() -> None:
            nonlocal left
            left -= 1
            if left < 0:
                os._exit(9)

        try:
            work(count)
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


def counted(monkeypatch: pytest.MonkeyPatch, count: Callable[[], None]) -> None:
    """Count every step a turn takes outside this process."""
    for module, name in ((delivery_store, "put"), (spool, "put")):
        real = getattr(module, name)

        def counting(*arguments: object, _real: Callable[..., object] = real) -> object:
            count()
            done = _real(*arguments)
            count()
            return done

        monkeypatch.setattr(module, name, counting)


def test_killed_between_any_two_steps_nothing_is_lost_or_reported_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Told twice is only who was told and killed before that was written down."""
    step, finished, twice = 0, False, 0
    while not finished:
        paths = Paths(str(tmp_path / str(step)))
        stop(paths)
        recorder = Recorder(tmp_path / f"told-{step}")

        def work(
            count: Callable[[], None], paths: Paths = paths, recorder: Recorder = recorder
        ) -> None:
            counted(monkeypatch, count)
            recorder.step = count
            take_turn(paths, recorder)

        finished = not killed_before(step, work)
        later = tell.now() + 400 * SECOND
        with monkeypatch.context() as patch:
            patch.setattr(tell, "now", lambda later=later: later)
            patch.setattr(tell, "want", lambda case, *_: delivery.Want(case.phase))
            take_turn(paths, recorder)
            take_turn(paths, recorder)
        assert set(recorder.told) == {"contained+0"}, f"killed at step {step}"
        twice += len(recorder.told) - 1
        assert recorded(paths) == ["alert-sent"], f"killed at step {step}"
        step += 1
    assert step > 6
    assert twice == 1


def test_failures_are_reported_once_and_the_answer_says_why(paths: Paths, tmp_path: Path) -> None:
    case = stop(paths)
    recorder = Recorder(tmp_path / "told", fails=["500 from there"])
    take_turn(paths, recorder)
    take_turn(paths, recorder)
    assert recorded(paths) == ["alert-failed"]
    assert delivery_store.load(paths, case, "slack").answer == "500 from there"
    assert recorder.told == []


def test_a_turn_that_was_ended_is_a_failure_with_its_reason(paths: Paths, tmp_path: Path) -> None:
    case = stop(paths)
    recorder = Recorder(tmp_path / "told")
    delivery_store.put(
        paths,
        case,
        "slack",
        delivery.attempt(delivery.State(), delivery.Want(Phase.CONTAINED), tell.now()),
    )
    tell.Turn(paths, Settings(), Channels((recorder,)), recorder).ended("no answer within 25 s")
    assert recorded(paths) == ["alert-failed"]
    assert "no answer within 25 s" in delivery_store.load(paths, case, "slack").answer


# --- rounds ---


@pytest.fixture
def wired(
    paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., dict[str, Recorder]]:
    """Configure recorders as the channels; a turn is a call instead of a child."""

    def wire(*names: str, hangs: tuple[str, ...] = ()) -> dict[str, Recorder]:
        found = {name: Recorder(tmp_path / f"told-{name}", name) for name in names}
        every = Channels(tuple(found.values()))
        monkeypatch.setattr(channels, "configured", lambda *_: every)

        def run(argv: list[str], seconds: float) -> process.Result:
            name = argv[-1]
            if name in hangs:
                time.sleep(0.5)
                return process.Result(None, "", f"python did not answer within {seconds:g} s")
            deliver.turn(paths, name)
            return process.Result(0, "", "")

        monkeypatch.setattr(process, "run", run)
        return found

    return wire


def drop(paths: Paths, kind: str, activation: str = "a", **fields: str) -> None:
    assert spool.put(paths, kind, fields, activation)


def test_a_round_tells_everybody_and_closes_what_everybody_knows(
    paths: Paths, wired: Callable[..., dict[str, Recorder]]
) -> None:
    people = wired("slack", "sms-1")
    drop(paths, "trip", reason="x")
    drop(paths, "contained", took="5")
    intake.run(paths)
    deliver.run(paths)
    assert {name: one.told for name, one in people.items()} == {
        "slack": ["contained+0"],
        "sms-1": ["contained+0"],
    }
    drop(paths, "release-finished", operator="bob")
    intake.run(paths)
    deliver.run(paths)
    assert people["slack"].told == ["contained+0", "released+0"]
    assert case_store.load(paths) == {}
    assert [name for name in os.listdir(paths.deliveries) if not name.startswith(".")] == []


def test_a_channel_that_hangs_holds_up_itself_only(
    paths: Paths, wired: Callable[..., dict[str, Recorder]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliver, "_SOON", 0)
    people = wired("slack", "sms-1", hangs=("slack",))
    case = stop(paths)
    deliver.run(paths)
    assert people["sms-1"].told == ["contained+0"]
    assert people["slack"].told == []
    assert delivery_store.load(paths, case, "sms-1").told == "contained"


def test_a_turn_that_cannot_even_begin_is_a_failure_that_is_tried_again(
    paths: Paths, wired: Callable[..., dict[str, Recorder]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliver, "_SOON", 0)
    people = wired("slack", hangs=("slack",))
    case = stop(paths)
    deliver.run(paths)
    state = delivery_store.load(paths, case, "slack")
    assert people["slack"].told == []
    assert state.attempts > 0
    assert recorded(paths) == ["alert-failed"]


def test_the_note_for_the_sentry_is_older_than_what_was_not_seen(
    paths: Paths, wired: Callable[..., dict[str, Recorder]]
) -> None:
    wired("slack")
    stop(paths)
    deliver.run(paths)
    note = Path(paths.deliveries, ".next")
    assert int(note.read_text()) > time.time()
    time.sleep(0.05)
    stop(paths)
    assert Path(paths.cases).stat().st_mtime_ns > note.stat().st_mtime_ns


def test_a_latch_that_is_off_without_a_word_is_no_stop_to_be_reminded_of_for_ever(
    paths: Paths, wired: Callable[..., dict[str, Recorder]]
) -> None:
    """A reboot with QT_ESS_AFTER_REBOOT=clear, or Python gone during the release."""
    wired()
    Path(paths.run_dir).mkdir(parents=True)
    Path(paths.state_dir).mkdir(parents=True, exist_ok=True)
    old = tell.now() - 3600 * SECOND
    case_store.put(paths, Case("a", Phase.CONTAINED, old, old))
    deliver.run(paths)
    assert "release-finished" in recorded(paths)
    deliver.run(paths)
    assert case_store.load(paths) == {}


def test_with_no_channel_a_case_closes_all_the_same(
    paths: Paths, wired: Callable[..., dict[str, Recorder]]
) -> None:
    wired()
    drop(paths, "trip")
    drop(paths, "release-finished")
    intake.run(paths)
    deliver.run(paths)
    assert case_store.load(paths) == {}


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"phase": "odd"}', b"\xff\x00"])
def test_a_case_that_is_garbage_holds_up_nobody(
    paths: Paths, wired: Callable[..., dict[str, Recorder]], content: bytes
) -> None:
    people = wired("slack")
    case = stop(paths)
    Path(paths.cases, "garbage").write_bytes(content)
    os.mkfifo(Path(paths.cases, "fifo"))
    Path(paths.cases, "directory").mkdir()
    Path(paths.deliveries).mkdir(parents=True)
    Path(paths.deliveries, delivery_store.name(case, "slack")).write_bytes(content)
    deliver.run(paths)
    assert people["slack"].told == ["contained+0"]


def test_an_event_that_is_recorded_from_another_file_brings_no_case_back(paths: Paths) -> None:
    """After a reboot the enforcer tells of the same trip again."""
    drop(paths, "trip", reason="x")
    drop(paths, "contained", took="5")
    drop(paths, "release-finished")
    intake.run(paths)
    case_store.drop(paths, "a")
    drop(paths, "trip", reason="x")
    drop(paths, "contained", took="5000")
    intake.run(paths)
    assert case_store.load(paths) == {}


def test_an_alert_says_which_activation_of_this_host_it_is(paths: Paths) -> None:
    """The audit counts them; the case once said 0 every time."""
    for activation in ("a", "b", "c"):
        drop(paths, "trip", activation, reason="x")
        drop(paths, "contained", activation, took="5")
        intake.run(paths)
    assert {one.id: one.count for one in case_store.load(paths).values()} == {"c": 3}


def test_a_delivery_is_recorded_once(paths: Paths) -> None:
    for number in range(3):
        name = f"{number:016d}-1-1"
        one = Event(name, "alert-sent", number, number, spool.boot(), "a", {"delivery": "a.1.x"})
        Path(paths.spools[0], "new").mkdir(parents=True, exist_ok=True)
        Path(paths.spools[0], "new", name).write_bytes(event.encode(one))
    assert recorded(paths) == ["alert-sent"]
