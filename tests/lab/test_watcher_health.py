"""A watcher that is switched on and does not watch is told by status, doctor and monitor."""

from __future__ import annotations

import itertools
import json
import re
import signal
import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.lab import managers
from tests.lab.rig import BRISK, any_flag, arm
from tests.lab.test_events import await_kind, of_kind
from tests.lab.test_watcher import (
    DEADMAN,
    STANDING,
    UNIT,
    begin,
    fail,
    say,
    standing,
    switch_on,
)

if TYPE_CHECKING:
    from tests.lab.conftest import BootLab
    from tests.lab.lab import Lab

NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--")
COUNT = re.compile(r"\d+ warnings?: ess doctor")
MASK = f"/run/systemd/system.control/{UNIT}"
# A watcher that has written nothing for so long (s) does not watch.
LONG = 15
# Everything that needs a figure before it guards anything.
HEARD = {"equity": 1000, "daily_pnl_pct": 0.1, "health": "OK", "feed:BTC": 1}


@pytest.fixture
def watched(unwatched: Lab) -> Lab:
    return begin(unwatched)


def line(lab: Lab, *who: str) -> str:
    """Return what status says of the watcher; it says ARMED, whatever that is."""
    done = lab.exec(*who, "ess", "status", check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[:2] == [
        "ESS STATUS: INACTIVE",
        "ARMED: trading may run, and the stop is ready.",
    ]
    assert max(map(len, lines)) <= 80
    told = itertools.dropwhile(lambda one: not one.startswith("Watcher: "), lines)
    text = " ".join(one.strip() for one in told if not COUNT.fullmatch(one))
    return text.removeprefix("Watcher: ")


def silent(lab: Lab) -> float:
    """Return for how long (s) the watcher has written nothing down."""
    written: float = json.loads(lab.read(STANDING))["boottime"]
    return time.clock_gettime(time.CLOCK_BOOTTIME) - written


def moods(lab: Lab) -> list[str]:
    """Return how the watcher says that its evaluators stand; it is not asked for that."""
    verdicts = json.loads(standing(lab) or "{}").get("verdicts", [])
    return [one["mood"] for one in verdicts]


def troubled(lab: Lab) -> bool:
    """Tell whether it says that a source has not answered."""
    sources = json.loads(standing(lab) or "{}").get("sources", {})
    return any(one["trouble"] for one in sources.values())


def hears_all(lab: Lab, timeout: float) -> None:
    """Wait until status says so: the watcher has written it down by then."""
    lab.wait_until(lambda: "learning" not in moods(lab) and not troubled(lab), timeout, "figures")
    lab.wait_until(lambda: line(lab) == "watching 8 of 8", 10, "it hears all")


def found(lab: Lab, *who: str, manager: str = "systemctl") -> dict[str, str]:
    """Return the findings about the watcher, by code; none of them is an error."""
    done = lab.exec(*who, "ess", "doctor", "--json", check=False, env=managers.environment(manager))
    every = json.loads(done.stdout)["findings"]
    mine = [one for one in every if one["code"].startswith("watch")]
    assert {one["severity"] for one in mine} <= {"warning"}
    return {one["code"]: one["message"] for one in mine}


def told(lab: Lab) -> dict[str, Any]:
    answers = []
    for command in ("status", "monitor"):
        done = lab.exec("ess", command, "--json", check=False)
        assert done.returncode == 0
        answers.append(json.loads(done.stdout)["watcher"])
    assert answers[0]["how"] == answers[1]["how"]
    found: dict[str, Any] = answers[0]
    return found


@pytest.mark.every_image
def test_off_it_is_not_mentioned(guarded: Lab) -> None:
    arm(guarded, settings=BRISK)
    for who in ((), NOBODY):
        done = guarded.exec(*who, "ess", "status", check=False)
        assert done.returncode == 0
        assert "atcher" not in done.stdout
        assert "watch-unknown" not in found(guarded, *who)
    assert found(guarded) == {}
    assert told(guarded)["how"] == "off"


@pytest.mark.every_image
def test_one_that_does_not_run(watched: Lab) -> None:
    assert line(watched).startswith("watching 3 of 8; no figures yet: daily-loss")
    assert found(watched) == {}
    watched.systemctl("stop", UNIT)
    down = "- automatic triggers do not work; see: ess doctor"
    assert line(watched) == f"DOWN (stopped) {down}"
    assert line(watched, *NOBODY) == f"DOWN (stopped) {down}"
    assert set(found(watched, *NOBODY)) == {"watcher-down", "watch-unknown"}
    assert found(watched) == {"watcher-down": "is inactive (dead), though switched on"}
    assert told(watched)["how"] == "down"
    watched.sh(f"mkdir -p /run/systemd/system.control; ln -s /dev/null {MASK}")
    watched.systemctl("daemon-reload")
    assert line(watched) == f"DOWN (masked) {down}"
    assert found(watched)["watcher-down"] == "is masked"
    watched.sh(f"rm {MASK}")
    watched.systemctl("daemon-reload")
    watched.systemctl("start", UNIT)
    assert found(watched) == {}


def test_one_that_died(watched: Lab) -> None:
    switch_on(watched, WATCH_DEADMAN="alert")
    fail(watched, signal.SIGKILL, 3)
    watched.wait_until(lambda: watched.state(UNIT) == "failed", 20, "it is given up")
    assert line(watched).startswith("DOWN (failed) - automatic triggers do not work")
    assert found(watched) == {"watcher-down": "has failed (signal)"}
    assert not any_flag(watched)


def test_one_that_says_nothing(watched: Lab) -> None:
    """Its watchdog is off, by a drop-in, and it is stopped: systemd calls it active."""
    watched.put_unit(f"{UNIT}.d/patient.conf", "[Service]\nWatchdogSec=0\n")
    watched.systemctl("restart", UNIT)
    without = found(watched)
    assert without == {
        "watcher-without-dead-man": "WatchdogSec= is off: nobody notices when it hangs"
    }
    fail(watched, signal.SIGSTOP, 1)
    # Until it is too old nobody is asked: each question takes a start of Python.
    watched.wait_until(lambda: silent(watched) > LONG, 40, "it is old")
    watched.wait_until(lambda: "SILENT for " in line(watched), 5, "it is missed")
    assert "automatic triggers may not work; see: ess doctor" in line(watched)
    assert found(watched)["watcher-silent"].startswith("it has said nothing for ")
    assert told(watched)["watching"] is None
    fail(watched, signal.SIGCONT, 1)


def test_one_in_a_dry_run(watched: Lab) -> None:
    watched.sh("echo QT_ESS_ALERT_URLS=syslog://local5 >>/etc/quantum-ess/aftermath.env")
    switch_on(watched, DRY_RUN="true")
    assert line(watched).startswith("DRY RUN - it decides, and does not stop trading;")
    assert found(watched) == {"watcher-dry-run": "decides and alerts, and stops nothing"}
    for name, value in HEARD.items():
        say(watched, name, value)
    say(watched, "equity", 1000, 1000, 900)
    watched.wait_until(lambda: "breach" in moods(watched), 10, "the broken limit")
    watched.wait_until(lambda: "BROKEN: " in line(watched), 5, "status says so")
    assert told(watched)["broken"] == ["flash-crash"]
    event = await_kind(watched, "would-trip")
    assert event["evaluators"] == "flash-crash"
    assert event["what"].startswith("flash-crash: equity fell by 10")
    sent = watched.wait_until(
        lambda: (text := watched.journal("-t", "quantum-ess")).count("told of would-trip") and text,
        30,
        "the alert",
    )
    assert str(sent).count("url-1: told of would-trip") == 1
    assert "DRY RUN, trading was NOT stopped: flash-crash: equity fell by 10" in str(sent)
    # Rounds of the sentry and of the watcher, and not a second word.
    say(watched, "equity", 901, 900)
    for _ in range(2):
        watched.systemctl("start", "quantum-ess-sentry.service")
        time.sleep(1.5)
    assert len(of_kind(watched, "would-trip")) == 1
    assert not any_flag(watched)


def test_one_without_figures(watched: Lab) -> None:
    for name, value in HEARD.items():
        say(watched, name, value)
    hears_all(watched, 10)
    watched.systemctl("stop", "redis-server.service")
    watched.wait_until(lambda: troubled(watched), 20, "Redis is missed")
    watched.wait_until(lambda: "IN TROUBLE - redis: " in line(watched), 10, "status says so")
    watched.systemctl("start", "redis-server.service")
    hears_all(watched, 20)
    switch_on(watched, WATCH_REDIS_URL="")
    assert line(watched).startswith("DEAF, no source is configured - automatic triggers do not")
    assert found(watched) == {"watcher-deaf": "no source of figures is configured"}


@pytest.mark.every_image
def test_its_settings_and_its_dead_man(watched: Lab) -> None:
    assert line(watched, *NOBODY).startswith("watching 3 of 8")
    assert list(found(watched, *NOBODY)) == ["watch-unknown"]
    member = ("setpriv", "--reuid=65534", "--regid=quantum-ess", "--clear-groups", "--")
    assert line(watched, *member).startswith("watching 3 of 8")
    assert told(watched)["outdated"] is False
    watched.sh("echo QT_ESS_MAX_EQUITY_DD=12 >>/etc/quantum-ess/watch.env")
    outdated = "OUTDATED - watch.env was changed since: sudo systemctl restart quantum-ess-watch"
    assert line(watched).startswith(f"{outdated}; watching 3 of 8")
    assert line(watched, *NOBODY).startswith(outdated)
    message = "/etc/quantum-ess/watch.env was changed since it was started"
    assert found(watched) == {"watcher-outdated": message}
    assert told(watched)["outdated"] is True
    watched.systemctl("restart", UNIT)
    assert found(watched) == {}
    watched.sh("echo QT_ESS_WATCH_OFF=drawdwon >>/etc/quantum-ess/watch.env")
    watched.sh("echo QT_ESS_MAX_EQUITY_DD=15,0 >>/etc/quantum-ess/watch.env")
    assert set(found(watched)) == {"watch-misconfigured", "watcher-outdated"}
    text = watched.exec("ess", "doctor").stdout
    assert "watch-misconfigured: /etc/quantum-ess/watch.env:5" in text
    assert "there is no evaluator drawdwon; none is switched off" in " ".join(text.split())
    assert "watch-misconfigured: /etc/quantum-ess/watch.env:6" in text
    switch_on(watched)
    own, shadow = f"/etc/systemd/system/{UNIT}", f"/etc/systemd/system.control/{UNIT}"
    # A drop-in cannot take it away.
    watched.sh(f"mkdir -p /etc/systemd/system.control; sed /^OnFailure=/d {own} >{shadow}")
    watched.systemctl("daemon-reload")
    assert found(watched) == {"watcher-without-dead-man": "OnFailure= does not name the dead man"}
    watched.sh(f"rm {shadow}")
    mask = f"/run/systemd/system.control/{DEADMAN}"
    watched.sh(f"mkdir -p /run/systemd/system.control; ln -s /dev/null {mask}")
    watched.systemctl("daemon-reload")
    assert found(watched) == {"watcher-without-dead-man": "is masked"}
    watched.sh(f"rm {mask}")
    watched.systemctl("daemon-reload")
    watched.systemctl("disable", UNIT)
    assert found(watched) == {"watcher-disabled": "is not enabled"}


@pytest.mark.parametrize("manager", ["systemctl", "pystemd"])
def test_both_ways_to_systemd_find_the_same(
    boot_lab: BootLab, lab_image: str, manager: str
) -> None:
    lab = managers.boot(boot_lab, lab_image)
    lab.systemctl("start", "redis-server.service")
    switch_on(lab)
    assert found(lab, manager=manager) == {}
    lab.put_unit(f"{UNIT}.d/bad.conf", "[Service]\nWatchdogSec=0\n")
    lab.systemctl("restart", UNIT)
    assert list(found(lab, manager=manager)) == ["watcher-without-dead-man"]
    lab.systemctl("stop", UNIT)
    assert "watcher-down" in found(lab, manager=manager)
