"""A dry run tells people: what the watcher writes down, and what root makes of it."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ess import journal, spool
from ess.aftermath import case_store, course, dry_run, intake
from ess.aftermath.channel import Phase
from ess.aftermath.dry_run import PAUSE, Told, news
from ess.alerts.message import compose
from ess.paths import Paths
from ess.watch import places, would_trip
from ess.watch.sample import Now
from ess.watch.verdict import Mood, Verdict
from ess.watch.would_trip import KEPT, Entry, WouldTrip
from tests.checks.tracked import CHECKOUT
from tests.unit.watching import Time

if TYPE_CHECKING:
    from collections.abc import Sequence

BROKEN = Verdict("drawdown", Mood.BREACH, "18 %, limit 15 %", 18.0, 15.0, 1.0, (), 1.2)
OTHER = Verdict("feeds", Mood.BLIND, "no news of BTC", 400.0, 300.0, 1.0)
FINE = Verdict("drawdown", Mood.QUIET, "1 %, limit 15 %", 1.0, 15.0, 0.1)


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "_send", lambda _address, _text: True)


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    found = Paths(str(tmp_path))
    Path(places.state(found)).mkdir(parents=True)
    return found


def now() -> Now:
    return Now(time.time(), time.clock_gettime(time.CLOCK_BOOTTIME), spool.boot())


def file(paths: Paths) -> Path:
    return Path(places.state(paths), would_trip.NAME)


def names(directory: Path, moment: Now) -> list[str]:
    return [one.evaluator for one in would_trip.read(str(directory), moment)]


# --- what the watcher writes ---


def test_what_is_decided_stands_there_until_it_is_over(tmp_path: Path) -> None:
    clock = Time()
    mine = WouldTrip(str(tmp_path), clock.now)
    mine.settle([FINE], clock.now)
    assert not list(tmp_path.iterdir())
    mine.decided([BROKEN], clock.now)
    (entry,) = would_trip.read(str(tmp_path), clock.now)
    assert (entry.evaluator, entry.reason) == ("drawdown", "18 %, limit 15 %")
    mine.settle([BROKEN], clock.on(10 * KEPT))
    assert names(tmp_path, clock.now) == ["drawdown"]
    mine.settle([FINE], clock.now)
    assert names(tmp_path, clock.now) == []


def test_one_that_was_over_at_once_is_seen_all_the_same(tmp_path: Path) -> None:
    clock = Time()
    mine = WouldTrip(str(tmp_path), clock.now)
    mine.decided([BROKEN], clock.now)
    mine.settle([FINE], clock.on(KEPT - 1))
    assert names(tmp_path, clock.now) == ["drawdown"]
    mine.settle([FINE], clock.on(1))
    assert names(tmp_path, clock.now) == []


def test_it_is_written_only_when_it_says_something_else(tmp_path: Path) -> None:
    """The sentry starts a Python when it is newer: not every 10 s."""
    clock = Time()
    mine = WouldTrip(str(tmp_path), clock.now)
    mine.decided([BROKEN], clock.now)
    before = (tmp_path / would_trip.NAME).stat().st_ino
    for _ in range(5):
        mine.settle([BROKEN], clock.on(20))
    assert (tmp_path / would_trip.NAME).stat().st_ino == before


def test_a_restart_forgets_nothing_and_the_end_of_the_dry_run_all(tmp_path: Path) -> None:
    clock = Time()
    WouldTrip(str(tmp_path), clock.now).decided([BROKEN], clock.now)
    again = WouldTrip(str(tmp_path), clock.on(1))
    again.decided([OTHER], clock.now)
    assert names(tmp_path, clock.now) == ["feeds", "drawdown"]
    WouldTrip(str(tmp_path), clock.now).ended(clock.now)
    assert names(tmp_path, clock.now) == []


def test_of_another_boot_it_says_nothing(tmp_path: Path) -> None:
    clock = Time()
    WouldTrip(str(tmp_path), clock.now).decided([BROKEN], clock.now)
    clock.reboot(1)
    assert names(tmp_path, clock.on(1e6)) == []


# --- what is told ---


def entries(*names: str) -> list[Entry]:
    return [Entry(name, "so it is", 0.0) for name in names]


def told_over(looks: Sequence[tuple[float, Sequence[str]]]) -> list[tuple[float, str]]:
    """Return when people are told of what, by what stood there at each look."""
    told: dict[str, Told] = {}
    found = []
    for at, there in looks:
        fresh, told = news(entries(*there), told, at)
        found += [(at, one.evaluator) for one in fresh]
    return found


def test_once_until_it_is_over() -> None:
    assert told_over([(at, ("a",)) for at in range(0, 100_000, 10)]) == [(0, "a")]


def test_one_that_comes_and_goes_is_told_of_once_in_a_while() -> None:
    looks = [(at * 10.0, ("a",) if at % 2 else ()) for at in range(1, 100)]
    told = [at for at, _ in told_over(looks)]
    assert len(told) == 4
    assert all(later - at >= PAUSE for at, later in itertools.pairwise(told))


def test_each_is_told_of_by_itself() -> None:
    looks: list[tuple[float, Sequence[str]]] = [(0, ("a",)), (10, ("a", "b")), (20, ("b",))]
    assert told_over(looks) == [(0, "a"), (10, "b")]


def test_whoever_invents_names_tells_of_a_few() -> None:
    looks = [(float(at), [f"{at}-{n}" for n in range(20)]) for at in range(0, 900, 10)]
    assert len(told_over(looks)) <= 20 * 900 / PAUSE


# --- through the intake ---


def put(paths: Paths, *found: Entry) -> None:
    would_trip.write(places.state(paths), found, now())


def recorded(paths: Paths) -> list[dict[str, Any]]:
    intake.run(paths)
    if not os.path.exists(paths.audit):
        return []
    lines = Path(paths.audit).read_bytes().splitlines()
    return [one for one in map(json.loads, lines) if one["event"] == dry_run.EVENT]


def test_it_is_recorded_and_people_are_told_that_trading_goes_on(paths: Paths) -> None:
    put(paths, Entry("drawdown", "18 %, limit 15 %", now().boottime))
    (record,) = recorded(paths)
    assert (record["evaluators"], record["what"]) == ("drawdown", "drawdown: 18 %, limit 15 %")
    case = case_store.load(paths)[course.DRY_RUN]
    assert case.phase is Phase.WOULD_TRIP
    assert course.is_ended(case), "nobody is reminded of it"
    message = compose(case, 0)
    assert "trading was NOT STOPPED" in message.body.splitlines()[0]
    assert "DRY RUN" in message.title
    assert "TRADING NOT STOPPED (DRY RUN)" in message.short
    assert "What: drawdown: 18 %, limit 15 %" in message.body
    assert len(recorded(paths)) == 1


def test_the_next_one_is_told_with_what_lasts(paths: Paths) -> None:
    first = Entry("drawdown", "18 %", now().boottime)
    put(paths, first)
    recorded(paths)
    put(paths, first, Entry("feeds", "no news", now().boottime))
    record = recorded(paths)[-1]
    assert (record["evaluators"], record["what"]) == ("feeds", "feeds: no news; drawdown: 18 %")


def test_without_a_spool_it_is_told_later(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    put(paths, Entry("drawdown", "18 %", now().boottime))
    with monkeypatch.context() as patch:
        patch.setattr(spool, "put", lambda *_: "")
        assert recorded(paths) == []
    assert not os.path.exists(paths.dry_run_note)
    assert len(recorded(paths)) == 1


HOSTILE: dict[str, Any] = {
    "garbage": "\x00\xff",
    "deep": "[" * 90_000,
    "no object": "[]",
    "no entries": {"boot": "BOOT", "entries": 5},
    "entries that are none": {"boot": "BOOT", "entries": [5, None]},
    "no time": {"boot": "BOOT", "entries": [{"evaluator": "a", "reason": "b", "at": "x"}]},
    "endless": {"boot": "BOOT", "entries": [{"evaluator": "a", "reason": "b", "at": 1e999}]},
    "of another boot": {"boot": "x", "entries": [{"evaluator": "a", "reason": "b", "at": 1}]},
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE.keys())
def test_garbage_tells_nothing(paths: Paths, content: object) -> None:
    text = content if isinstance(content, str) else json.dumps(content)
    file(paths).write_text(text.replace("BOOT", spool.boot()))
    assert recorded(paths) == []
    assert os.path.exists(paths.dry_run_note), "or the sentry would call again and again"


def test_what_it_says_is_cleaned_and_cut(paths: Paths) -> None:
    evil = "\x1b[2J\nevent=trip\n<!channel>\u202e" + "x" * 500
    crowd = [{"evaluator": f"{n}{evil}", "reason": evil, "at": 1e300} for n in range(30)]
    file(paths).write_text(json.dumps({"boot": spool.boot(), "entries": crowd}))
    (record,) = recorded(paths)
    assert record["event"] == "would-trip"
    assert all(str(value).isprintable() and len(str(value)) <= 500 for value in record.values())
    assert "<!" not in compose(case_store.load(paths)[course.DRY_RUN], 0).body
    again = [one | {"evaluator": f"again {one['evaluator']}"} for one in crowd]
    file(paths).write_text(json.dumps({"boot": spool.boot(), "entries": again}))
    assert len(recorded(paths)) == 1, "nobody can have a thousand alerts sent"


@pytest.mark.parametrize("end", ["/dev/watchdog", "/etc/passwd", "/dev/zero", "gone"])
def test_no_link_is_followed(paths: Paths, end: str) -> None:
    file(paths).symlink_to(end)
    assert recorded(paths) == []


def test_a_fifo_and_a_directory_hold_up_nobody(paths: Paths) -> None:
    os.mkfifo(file(paths))
    assert recorded(paths) == []
    file(paths).unlink()
    file(paths).mkdir()
    assert recorded(paths) == []


SENTRY = """
DISK_ASKER=$3 STATE_DIR=$2/var/lib/quantum-ess
. "$1/ops/lib/sentry.sh"
DRY_RUN_SEEN=$2$DRY_RUN_SEEN
sd() { printf '%s ' "$@"; }
sentry_dry_run
"""


def called(paths: Paths, hung: str = "") -> bool:
    argv = ("bash", "-uc", SENTRY, "bash", str(CHECKOUT), paths.root, hung)
    done = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=True)
    assert done.stderr == ""
    return done.stdout == "start --no-block quantum-ess-aftermath.service "


def test_the_sentry_calls_when_there_is_something_new_and_then_no_more(paths: Paths) -> None:
    assert not called(paths)
    for number in range(3):
        put(paths, Entry(f"mine{number}", "so it is", now().boottime))
        assert called(paths)
        assert not called(paths, hung="4711")
        recorded(paths)
        assert not called(paths)
    file(paths).write_text("garbage")
    assert called(paths)
    recorded(paths)
    assert not called(paths)
    file(paths).unlink()
    file(paths).symlink_to("/etc/passwd")
    assert not called(paths)


@pytest.mark.parametrize("step", [-3600, 3600])
def test_a_clock_that_is_set_does_not_deafen_it(paths: Paths, step: int) -> None:
    put(paths)
    recorded(paths)
    put(paths, Entry("drawdown", "18 %", now().boottime))
    os.utime(file(paths), (time.time() + step,) * 2)
    assert called(paths)
    assert len(recorded(paths)) == 1
    assert not called(paths)
