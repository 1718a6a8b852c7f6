"""A stop that the watcher asked for and a person released before the watcher looked again."""

from __future__ import annotations

import itertools
import json
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ess import bounded
from ess.paths import Paths
from ess.watch import places, rearm
from ess.watch import settings as configured
from ess.watch.assembly import assemble
from ess.watch.boot import boot
from ess.watch.notify import Notify
from ess.watch.sample import number, word
from ess.watch.source import heard_now
from ess.watch.trip_request import TripRequest
from ess.watch.watcher import Watcher, moment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ess.watch.sample import Now, Sample


# Of an equity of 1000: beyond the limit of one evaluator, and further beyond it.
BROKEN, WORSE = 910, 905


class Host:
    """A watcher, and by hand whatever systemd, the reader of requests and people do."""

    def __init__(self, root: Path, scope: str) -> None:
        self.paths = paths = Paths(str(root), scope)
        self.flags = Path(paths.run_flag), Path(paths.var_flag)
        self.requests, self.busy = Path(paths.requests), Path(paths.request_busy)
        self._times = itertools.count(10**18, 10**6)
        for directory in (*(flag.parent for flag in self.flags), self.requests):
            directory.mkdir(parents=True, exist_ok=True)
        Path(places.state(paths)).mkdir(parents=True, exist_ok=True)
        self.start()
        for _ in range(3):
            self.equity(1000)

    def start(self) -> None:
        parts = assemble(self.paths, configured.load(self.paths), moment(boot())).parts
        self.watcher = Watcher(self.paths, parts, Notify())

    def _changed(self, path: str | Path) -> None:
        """No two changes of a test are in one tick of the kernel's clock."""
        stamp = next(self._times)
        os.utime(path, ns=(stamp, stamp))

    @property
    def asked(self) -> int:
        """How many requests wait."""
        return len(list(self.requests.iterdir()))

    def hear(self, *samples: Sample) -> bool:
        """Have the watcher hear them; tell whether a stop is asked for."""
        self.watcher.take(samples, "")
        return self.asked > 0

    def equity(self, value: float) -> bool:
        return self.hear(number("equity", str(value), None, heard_now()))

    def latch(self) -> None:
        for flag in self.flags:
            flag.touch()
        self.ask_once_more()

    def ask_once_more(self) -> None:
        self._changed(self.paths.run_dir)

    def release(self) -> None:
        for flag in self.flags:
            flag.unlink()
        self._changed(self.paths.run_dir)

    def read(self) -> None:
        """The reader takes what waits; the latch is its caller's."""
        Path(self.paths.request_told).write_text("1 1\n", "ascii")
        self._changed(self.paths.request_told)
        self.forget()

    def forget(self) -> None:
        for request in self.requests.iterdir():
            request.unlink()


@pytest.fixture(params=["main", "canary"])
def host(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    # What is still broken and not accepted is asked for with every figure.
    monkeypatch.setattr(rearm, "RETRY", 0.0)
    return Host(tmp_path, request.param)


def tripped(host: Host) -> None:
    """Have a limit broken, and the latch set for it."""
    assert host.equity(BROKEN)
    host.latch()
    host.read()


def test_a_release_within_one_interval_accepts_what_is_broken(host: Host) -> None:
    tripped(host)
    host.release()
    assert not host.equity(BROKEN)
    assert not host.equity(BROKEN - 1)
    assert host.equity(WORSE)


def test_so_does_one_while_the_latch_was_seen_by_a_figure_of_another_only(host: Host) -> None:
    tripped(host)
    assert not host.hear(word("health", "OK", None, heard_now()))
    host.release()
    assert not host.equity(BROKEN)
    assert host.equity(WORSE)


def test_a_latch_that_was_on_before_the_request_is_one_too(host: Host) -> None:
    assert host.equity(BROKEN)
    host.latch()
    host.ask_once_more()
    host.read()
    host.release()
    assert not host.equity(BROKEN)


def test_only_what_was_asked_for_is_accepted(host: Host) -> None:
    tripped(host)
    host.release()
    assert host.hear(word("health", "OK", None, heard_now())) is False
    assert host.hear(word("health", "CRITICAL", None, heard_now()))


def test_a_latch_that_nobody_asked_for_here_accepts_nothing(host: Host) -> None:
    host.latch()
    host.read()
    host.release()
    assert host.equity(BROKEN)


def test_a_release_before_the_request_does_not_swallow_it(host: Host) -> None:
    host.latch()
    assert not host.equity(BROKEN + 50)
    host.read()
    host.release()
    assert host.equity(BROKEN)
    host.forget()
    assert host.equity(BROKEN), "it was not read"


def test_a_flag_touched_and_deleted_by_hand_does_not_answer_a_request(host: Host) -> None:
    assert host.equity(BROKEN)
    host.latch()
    host.release()
    waiting = host.asked
    assert host.equity(BROKEN)
    assert host.asked > waiting


def test_what_the_reader_took_from_others_does_not_answer_a_request(host: Host) -> None:
    assert host.equity(BROKEN)
    (ours,) = host.requests.iterdir()
    ours.rename(host.requests.parent / "ours")
    host.latch()
    host.read()
    (host.requests.parent / "ours").rename(ours)
    host.release()
    assert host.equity(BROKEN)
    assert host.asked == 2


@pytest.mark.parametrize("flag_too", [True, False])
def test_a_request_that_somebody_removed_is_asked_for_again(host: Host, *, flag_too: bool) -> None:
    assert host.equity(BROKEN)
    host.forget()
    if flag_too:
        host.latch()
        host.release()
    assert host.equity(BROKEN)


def test_a_directory_that_somebody_emptied_has_not_answered(host: Host) -> None:
    tripped(host)
    host.equity(BROKEN)
    host.release()
    assert host.equity(WORSE)
    Path(host.paths.request_told).unlink()
    host.forget()
    host.ask_once_more()
    assert host.equity(WORSE)


def test_a_reader_that_could_set_no_flag_has_not_answered(host: Host) -> None:
    assert host.equity(BROKEN)
    host.read()
    assert host.equity(BROKEN)


def test_a_reader_that_is_not_done_has_not_answered(host: Host) -> None:
    """A release was taking the flags away when the request came: the reader sets them again."""
    assert host.equity(BROKEN)
    host.busy.touch()
    host.latch()
    host.read()
    host.release()
    assert host.equity(BROKEN)
    host.read()
    host.latch()
    host.busy.unlink()
    assert not host.equity(BROKEN)
    host.release()
    assert not host.equity(BROKEN)


def test_while_the_flag_on_disk_is_there_nobody_has_released(host: Host) -> None:
    tripped(host)
    run, var = host.flags
    run.unlink()
    assert not host.equity(WORSE)
    var.unlink()
    assert not host.equity(WORSE)
    assert host.equity(WORSE - 5)


def test_while_it_is_latched_figures_cost_no_child(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    tripped(host)
    host.equity(BROKEN)
    monkeypatch.setattr(bounded, "call", None)
    assert not host.equity(WORSE)


def test_what_is_accepted_is_known_after_a_restart(host: Host) -> None:
    tripped(host)
    host.release()
    assert not host.equity(BROKEN)
    host.start()
    assert not host.equity(BROKEN)
    assert host.equity(WORSE)


def test_the_pause_is_counted_from_the_release_on(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    tripped(host)
    host.release()
    assert not host.equity(BROKEN)
    monkeypatch.setattr(host.watcher._parts.rearm, "_pause", 0.05)
    time.sleep(0.1)
    assert host.equity(BROKEN)


def test_a_new_request_of_a_person_s_is_not_taken_for_the_one_that_was_released(host: Host) -> None:
    assert host.hear(word("manual", "drunk bot", None, heard_now()))
    host.latch()
    host.read()
    host.release()
    assert host.hear(word("manual", "drunk bot again", None, heard_now()))


def test_a_request_of_a_person_s_that_was_released_is_done_for_good(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert host.hear(word("manual", "drunk bot", None, heard_now()))
    host.latch()
    host.read()
    host.release()
    monkeypatch.setattr(host.watcher._parts.rearm, "_pause", 0.0)
    assert not host.hear(word("manual", "drunk bot", None, heard_now()))


def tripped_and_killed(host: Host) -> None:
    """Have a limit broken; the watcher is killed before it sees what comes of its request."""
    assert host.equity(BROKEN)
    host.start()


def test_a_watcher_that_was_killed_knows_what_it_asked_for(host: Host) -> None:
    tripped_and_killed(host)
    host.latch()
    host.read()
    host.release()
    assert not host.equity(BROKEN)
    assert host.equity(WORSE)


def test_so_does_one_that_is_started_only_after_the_release(host: Host) -> None:
    tripped(host)
    host.release()
    host.start()
    host.start()
    assert not host.equity(BROKEN)
    assert host.equity(WORSE)


def test_so_does_one_that_is_killed_again_and_again_meanwhile(host: Host) -> None:
    assert host.equity(BROKEN)
    host.busy.touch()
    host.start()
    host.latch()
    host.start()
    host.read()
    host.busy.unlink()
    host.start()
    host.release()
    host.start()
    assert not host.equity(BROKEN)


def test_one_that_was_killed_asks_again_when_nobody_has_heard_it(host: Host) -> None:
    tripped_and_killed(host)
    host.forget()
    assert host.equity(BROKEN)
    host.start()
    waiting = host.asked
    assert host.equity(BROKEN)
    assert host.asked > waiting


def test_a_request_of_an_earlier_boot_has_not_been_heard(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert host.equity(BROKEN)
    monkeypatch.setenv("QT_ESS_BOOT", "0" * 32)
    host.start()
    host.latch()
    host.read()
    host.release()
    assert host.equity(BROKEN)


def test_what_was_asked_for_longer_ago_than_the_pause_trips_again(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    tripped(host)
    host.release()
    recall = TripRequest.recall

    def later(self: TripRequest, state: Mapping[str, object], now: Now) -> None:
        recall(self, state, replace(now, boottime=now.boottime + 900))

    monkeypatch.setattr(TripRequest, "recall", later)
    host.start()
    assert host.equity(BROKEN)


def test_a_person_s_request_is_done_though_the_watcher_was_killed(host: Host) -> None:
    assert host.hear(word("manual", "drunk bot", None, heard_now()))
    host.latch()
    host.read()
    host.start()
    host.release()
    assert not host.hear(word("manual", "drunk bot", None, heard_now()))
    assert host.hear(word("manual", "drunk bot again", None, heard_now()))


@pytest.mark.parametrize(
    "asked",
    [
        None,
        [],
        {"request": "x"},
        {"request": "0-1-a", "told": 1.0, "latched": [1], "at": 1, "boot": ""},
        {"request": "0-1-a", "told": 1, "latched": [True], "at": 1, "boot": ""},
        {"request": "0-1-a", "told": 1, "latched": [1], "at": "1", "boot": ""},
        {"request": "\0", "told": 1, "latched": [1], "at": 1, "boot": ""},
        {"request": "\udcff", "told": 1, "latched": [1], "at": 1, "boot": ""},
        {"request": "../a", "told": 1, "latched": [1], "at": 1, "boot": ""},
    ],
)
def test_garbage_in_its_place_is_told_and_nothing_was_asked_for(host: Host, asked: object) -> None:
    path = Path(places.state(host.paths), "baselines.json")
    assert host.equity(BROKEN)
    path.write_text(json.dumps({**json.loads(path.read_text("ascii")), "asked": asked}), "ascii")
    told = assemble(host.paths, configured.load(host.paths), moment(boot())).problems
    assert any(line.startswith("asked: ") for line in told)


def test_a_file_of_an_older_watcher_is_taken_up(host: Host) -> None:
    path = Path(places.state(host.paths), "baselines.json")
    assert host.equity(BROKEN)
    old = json.loads(path.read_text("ascii"))
    del old["asked"], old["release"]["open"], old["evaluators"]["manual"]["asked"]
    path.write_text(json.dumps(old), "ascii")
    parts = assemble(host.paths, configured.load(host.paths), moment(boot()))
    assert not [line for line in parts.problems if str(path) in line]
    host.start()
    assert host.equity(BROKEN)
