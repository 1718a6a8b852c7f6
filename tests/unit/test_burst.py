"""The aftermath stays for a moment: a burst costs one start, and nothing is lost where it ends."""

from __future__ import annotations

import itertools
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ess import journal, spool
from ess.aftermath import channels, intake, settings
from ess.aftermath.channels import Channels
from ess.aftermath.settings import Settings
from ess.alerts import channels as alerts
from ess.audit import chain
from ess.audit import log as audit
from ess.mirror.address import KEY
from ess.paths import Paths

if TYPE_CHECKING:
    from collections.abc import Callable

    Put = Callable[[], None]

ROOT = Path(__file__).parents[2]
# The journal of the machine that runs the tests is not ours to write to.
RUN = """
import sys
from ess import journal
from ess.aftermath import intake
from ess.paths import Paths
journal._send = lambda *_: True
intake.run(Paths(sys.argv[1]), float(sys.argv[2]))
"""
LINGER = 0.4


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(str(tmp_path))


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What went to the journal."""
    lines: list[str] = []

    def send(_address: str, text: str) -> bool:
        lines.append(text)
        return True

    monkeypatch.setattr(journal, "_send", send)
    return lines


@pytest.fixture
def put(paths: Paths) -> Put:
    """A function that drops an event; they are numbered."""
    numbers = itertools.count()

    def one() -> None:
        assert spool.put(paths, "sentry-repair", {"number": str(next(numbers))})

    return one


def child(paths: Paths, linger: float = LINGER) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", RUN, paths.root, str(linger)], cwd=ROOT)


def numbers(paths: Paths) -> list[int]:
    if not os.path.exists(paths.audit):
        return []
    found = map(json.loads, Path(paths.audit).read_bytes().splitlines())
    return [int(one["number"]) for one in found if "number" in one]


def waiting(paths: Paths) -> list[str]:
    return os.listdir(f"{paths.spools[0]}/new")


def assert_all(paths: Paths, count: int) -> None:
    assert waiting(paths) == []
    assert numbers(paths) == list(range(count))
    assert list(chain.verify(audit.lines(paths), {}, audit.head(paths))) == []


def test_a_burst_is_taken_by_one_run(paths: Paths, put: Put) -> None:
    put()
    with child(paths) as one:
        deadline = time.monotonic() + 20
        while waiting(paths) and time.monotonic() < deadline:
            time.sleep(0.01)
        for _ in range(5):
            time.sleep(LINGER / 2)
            assert one.poll() is None, "it stays as long as they come"
            put()
        assert one.wait(20) == 0
    assert_all(paths, 6)


def test_where_nothing_is_it_does_not_stay(paths: Paths) -> None:
    begun = time.monotonic()
    intake.run(paths, 30)
    assert time.monotonic() - begun < 10


def test_events_without_end_do_not_keep_it(
    paths: Paths, put: Put, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be ended by its time limit, as a failure."""
    monkeypatch.setattr(intake, "_LONGEST", 0.5)
    enough = threading.Event()

    def flood() -> None:
        while not enough.wait(0.01):
            put()

    put()
    writer = threading.Thread(target=flood)
    writer.start()
    try:
        begun = time.monotonic()
        intake.run(paths, 30)
        assert 0.5 <= time.monotonic() - begun < 10
    finally:
        enough.set()
        writer.join()
    intake.run(paths)
    assert_all(paths, len(numbers(paths)))


def test_what_cannot_be_set_aside_is_reported_once_a_run(
    paths: Paths, put: Put, said: list[str]
) -> None:
    put()
    Path(paths.spools[0], "new", "no event").write_text("x")
    Path(paths.spools[0], "bad").write_text("not a directory")
    begun = time.monotonic()
    intake.run(paths, 30)
    assert time.monotonic() - begun < 10
    assert len([line for line in said if "cannot be set aside" in line]) == 1
    assert numbers(paths) == [0]


def test_an_event_in_the_last_moment_is_not_lost(paths: Paths, put: Put) -> None:
    """Whatever comes around the end of the stay is taken, or waits for the next run."""
    chance = random.Random(815)
    count = left = 0
    linger = 0.1
    for _ in range(16):
        put()
        count += 1
        with child(paths, linger) as one:
            deadline = time.monotonic() + 20
            while waiting(paths) and time.monotonic() < deadline:
                time.sleep(0.001)
            time.sleep(linger + chance.uniform(-0.05, 0.15))
            put()
            count += 1
            assert one.wait(20) == 0
        assert len(numbers(paths)) + len(waiting(paths)) == count
        left += len(waiting(paths))
    assert 0 < left < 16, "both sides of the end were met"
    intake.run(paths)
    assert_all(paths, count)


def test_killed_while_it_stays_and_events_come(paths: Paths, put: Put) -> None:
    chance = random.Random(4712)
    count = 0
    for _ in range(15):
        put()
        count += 1
        with child(paths) as one:
            for _ in range(chance.randrange(8)):
                time.sleep(chance.random() / 20)
                put()
                count += 1
            time.sleep(chance.random() / 4)
            one.send_signal(signal.SIGKILL)
            one.wait(20)
    intake.run(paths)
    assert_all(paths, count)


# --- what a start loads ---

HEAVY = {"click", "dataclasses", "subprocess", "threading", "logging", "random", "gzip", "argparse"}


@pytest.mark.parametrize("service", ["intake", "deliver"])
def test_a_start_loads_little(service: str) -> None:
    """Each of these costs 2 to 25 ms of processor, and a stop has both services started."""
    script = f"import sys; from ess.aftermath import service, {service}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-S", "-c", script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert set(done.stdout.split()) & HEAVY == set()


def test_nothing_configured_is_nobody_to_tell(paths: Paths) -> None:
    """The short cut says what the long way would say."""
    assert alerts.configured(Settings()) == ([], [])
    assert Settings().text(KEY) == ""
    assert channels.configured(Settings(), paths) == Channels()
    assert channels.configured(Settings(problems=("x",)), paths).problems == ("x",)


def test_a_channel_of_credentials_alone_is_told(
    paths: Paths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = tmp_path / "credentials"
    secrets.mkdir()
    (secrets / "QT_ESS_ALERT_URLS").write_text("json://127.0.0.1:9\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(secrets))
    known = settings.load(paths)
    assert not known.none
    assert [one.name for one in channels.configured(known, paths).every] == ["url-1"]


def test_no_value_of_a_setting_is_shown() -> None:
    known = Settings({"QT_ESS_SMTP_PASSWORD": "hunter2"})
    assert "hunter2" not in f"{known} {known!r} {[known]}"
