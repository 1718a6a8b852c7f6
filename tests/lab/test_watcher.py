"""The watcher as it is installed: it stops trading, and so does its death; a person may end it."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from typing import TYPE_CHECKING

import pytest

from tests.lab.host import IMAGES
from tests.lab.rig import (
    BRISK,
    LIB,
    RUN_FLAG,
    VAR_FLAG,
    WATCH_SETTINGS,
    WATCHER,
    alive,
    any_flag,
    arm,
    configure,
    ess,
    wait_contained,
    wait_latched,
    watch_settings,
)
from tests.lab.test_events import await_kind

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator

    from tests.lab.lab import Lab

UNIT = WATCHER
DEADMAN = "quantum-ess-watch-deadman.service"
SETTINGS = WATCH_SETTINGS
STANDING = "/var/lib/quantum-ess/watch/standing.json"
# From the figure to the flag and to the last trading process, in us.
STOPWATCH = f"""
now() {{ printf '%s\\n' "${{EPOCHREALTIME/./}}"; }}
begun=$(now)
redis-cli XADD quantum:ess:figures '*' name equity value 900 >/dev/null
exec {{nap}}<> <(:)
until [[ -e {RUN_FLAG} ]]; do read -rt 0.001 -u $nap || :; done
flag=$(now)
units=(quantum-ai-engine quantum-execution quantum-apply-layer quantum-governor)
root=/sys/fs/cgroup; [[ -e $root/cgroup.controllers ]] || root=$root/unified
for unit in "${{units[@]}}"; do
    while read -r _ 2>/dev/null <"$root/system.slice/$unit.service/cgroup.procs"; do
        read -rt 0.001 -u $nap || :
    done
done
echo $((flag - begun)) $(($(now) - begun))
"""


@pytest.fixture
def watched(unwatched: Lab) -> Lab:
    """A host that trades and is watched."""
    return begin(unwatched)


def begin(unwatched: Lab) -> Lab:
    """Have it trade, and the watcher run."""
    unwatched.systemctl("start", "redis-server.service")
    arm(unwatched)
    unwatched.systemctl("--quiet", "enable", "--now", UNIT)
    return unwatched


def switch_on(lab: Lab, **keys: str) -> Lab:
    """Have the watcher run with these settings; keys without QT_ESS_."""
    lab.write(SETTINGS, watch_settings(**keys), mode=0o640)
    configure(lab, BRISK)
    lab.wait_until(lambda: lab.state(UNIT) == "active", 20, "the watcher runs")
    return lab


def say(lab: Lab, name: str, *values: object) -> None:
    for value in values:
        words = ("name", name, "value", str(value))
        lab.exec("redis-cli", "XADD", "quantum:ess:figures", "*", *words)


def main_pid(lab: Lab, before: Container[int] = ()) -> int | None:
    """Return the watcher's main process as this host numbers it, once it is ready; none of those
    before it, of which systemd is not asked.
    """
    pid = next(iter(lab.host_pids(UNIT)), None)
    if pid is None or pid in before or lab.state(UNIT) != "active":
        return None
    return pid if pid in lab.host_pids(UNIT) else None


def fail(lab: Lab, number: signal.Signals, times: int) -> None:
    """Send a signal to the watcher, and again to the next one, when it is ready."""
    before: set[int] = set()
    for _ in range(times):
        pid = lab.wait_until(lambda: main_pid(lab, before), 40, "a watcher to send a signal to")
        assert isinstance(pid, int)
        before.add(pid)
        os.kill(pid, number)


def standing(lab: Lab) -> str:
    """Return what the watcher wrote down after its last round."""
    return lab.read(STANDING) if lab.exists(STANDING) else ""


def said(lab: Lab, words: str) -> int:
    return lab.journal("-t", "quantum-ess").count(words)


def dead_for_good(lab: Lab, timeout: float = 20) -> None:
    lab.wait_until(lambda: lab.show(UNIT, "SubState")["SubState"] == "failed", timeout, "failed")


@pytest.mark.both_systemds
def test_a_figure_in_redis_stops_trading(
    watched: Lab, record_property: Callable[[str, object], None]
) -> None:
    say(watched, "equity", 1000, 1000, 1000)
    check = watched.exec("ess", "watch", "check", check=False)
    assert check.returncode == 0, check.stdout + check.stderr
    assert "ok      drawdown" in check.stdout
    flag, dead = map(int, watched.sh(STOPWATCH, timeout=30).stdout.split())
    record_property("us from the figure to the flag, to the last process", (flag, dead))
    wait_contained(watched)
    wait_latched(watched)
    assert flag < 2_000_000
    status = ess(watched, "status").stdout
    assert "equity fell by 10" in status
    assert "limit of" in status
    assert said(watched, "stop asked for: flash-crash") == 1
    assert said(watched, "input equity: 900, heard") >= 1
    event = await_kind(watched, "request")
    assert event["through"] == "watcher"
    assert re.fullmatch(
        r"flash-crash: value 10, limit 3; equity: 900, heard \d\.\d s ago, dated \d\.\d s ago.*",
        event["detail"],
    )
    assert await_kind(watched, "trip")["activation"] == event["activation"]
    (last,) = json.loads(watched.exec("ess", "history", "--json").stdout)
    assert last["detail"] == event["detail"]
    check = watched.exec("ess", "watch", "check", check=False)
    assert check.returncode == 5
    assert "BROKEN  flash-crash" in check.stdout
    # It still lives, and asks for nothing while the latch is on.
    assert watched.state(UNIT) == "active"
    assert said(watched, "stop asked for: ") == 1


@pytest.mark.both_systemds
def test_the_third_failure_stops_trading_once(watched: Lab) -> None:
    fail(watched, signal.SIGKILL, 2)
    watched.wait_until(lambda: main_pid(watched), 20, "a third watcher")
    assert not any_flag(watched)
    fail(watched, signal.SIGKILL, 1)
    wait_latched(watched, 20)
    wait_contained(watched)
    dead_for_good(watched)
    assert "the watcher died (signal)" in ess(watched, "status").stdout
    watched.exec("ess", "deactivate", "--yes", "--reason", "seen", timeout=60)
    time.sleep(5)
    assert not any_flag(watched)
    assert said(watched, "the watcher died (signal): stopping trading") == 1
    # Within the minute systemd wants to hear from a person that it may begin to count anew.
    watched.systemctl("reset-failed", UNIT)
    watched.systemctl("start", UNIT)
    fail(watched, signal.SIGKILL, 2)
    watched.wait_until(lambda: main_pid(watched), 20, "a third watcher")
    assert not any_flag(watched)


@pytest.mark.timeout(240)
@pytest.mark.every_image
def test_one_that_hangs_again_and_again_stops_trading(watched: Lab, lab_image: str) -> None:
    if lab_image != IMAGES[0]:
        # As long as it is by itself it waits on the first image; here it is for systemd to act.
        watched.put_unit(f"{UNIT}.d/patience.conf", "[Service]\nWatchdogSec=4\n")
        watched.systemctl("restart", UNIT)
    begun = time.monotonic()
    fail(watched, signal.SIGSTOP, 3)
    watched.wait_until(lambda: any_flag(watched), 60, "the stop")
    assert time.monotonic() - begun < 60
    wait_contained(watched)
    assert "the watcher died (watchdog)" in ess(watched, "status").stdout
    assert said(watched, "the watcher died (watchdog): stopping trading") == 1


@pytest.mark.every_image
def test_a_person_may_end_it(watched: Lab) -> None:
    for _ in range(5):
        watched.systemctl("restart", UNIT)
    watched.systemctl("stop", UNIT)
    assert watched.state(UNIT) == "inactive"
    watched.systemctl("start", UNIT)
    fail(watched, signal.SIGSTOP, 1)
    begun = time.monotonic()
    watched.systemctl("stop", UNIT)
    assert time.monotonic() - begun < 5
    assert watched.state(UNIT) == "inactive"
    watched.systemctl("start", UNIT)
    watched.systemctl("mask", "--now", "--runtime", UNIT)
    time.sleep(2)
    assert not any_flag(watched)
    assert alive(watched)
    assert said(watched, "the watcher died") == 0


def test_the_dead_man_may_only_say_so(watched: Lab) -> None:
    switch_on(watched, WATCH_DEADMAN="alert")
    fail(watched, signal.SIGKILL, 3)
    dead_for_good(watched)
    watched.wait_until(lambda: said(watched, "no limit is watched"), what="a word of it")
    event = await_kind(watched, "watcher-died")
    assert event["what"] == "the watcher died (signal); trading goes on"
    assert not any_flag(watched)
    assert alive(watched)
    watched.systemctl("reset-failed", UNIT)
    watched.systemctl("restart", UNIT)
    await_kind(watched, "watcher-back")


def test_one_that_cannot_start_is_dead(watched: Lab) -> None:
    watched.systemctl("stop", UNIT)
    watched.sh("mv /opt/quantum-ess/venv/lib/python3*/site-packages/ess/watch /root/")
    watched.systemctl("start", UNIT, check=False)
    wait_latched(watched, 30)
    wait_contained(watched)


def test_switched_off_it_does_not_run(watched: Lab) -> None:
    switch_off = "QT_ESS_ENABLED=false\n"
    watched.write(SETTINGS, switch_off, mode=0o640)
    watched.systemctl("restart", UNIT)
    watched.wait_until(lambda: watched.state(UNIT) == "inactive", what="it has ended")
    time.sleep(1)
    assert watched.show(UNIT, "Result", "NRestarts") == {"Result": "success", "NRestarts": "0"}
    configure(watched, BRISK)
    assert watched.systemctl("is-enabled", UNIT, check=False).stdout.strip() == "disabled"
    assert not any_flag(watched)


# What a watcher that somebody has taken over may try. Each is to fail.
ATTACKS = (
    f"rm -f {RUN_FLAG}",
    f"rm -f {VAR_FLAG}",
    f"mv {VAR_FLAG} /var/lib/quantum-ess/watch/",
    f"touch {RUN_FLAG}",
    "touch /run/quantum-ess/x",
    "touch /etc/quantum-ess/x",
    "cat /etc/quantum-ess/aftermath.env",
    "ls /run/quantum-ess/requests",
    f"echo x >>{LIB}/ops/ess_controller.sh",
    "systemctl stop quantum-ess.path",
    "mount -o remount,rw /",
    "unshare -r true",
    "kill -9 1",
)


@pytest.mark.both_systemds
def test_its_sandbox_can_ask_for_a_stop_and_nothing_else(
    watched: Lab, record_property: Callable[[str, object], None]
) -> None:
    out = "/var/lib/quantum-ess/watch/attack"
    script = "\n".join(f"({one}) && echo 'worked: {one}' >>{out}" for one in ATTACKS)
    watched.write("/usr/local/bin/attack.sh", f"#!/bin/bash\n{script}\necho ran >>{out}\n", 0o755)
    watched.put_unit(
        f"{UNIT}.d/attack.conf",
        "[Service]\nType=oneshot\nExecStart=\nExecStart=/usr/local/bin/attack.sh\n"
        "ExecStartPost=\nRestart=no\nWatchdogSec=0\n[Unit]\nOnFailure=\n",
    )
    watched.systemctl("stop", UNIT)
    assert ess(watched, "activate").returncode == 0
    watched.systemctl("start", UNIT, check=False)
    assert watched.read(out) == "ran\n"
    wait_latched(watched)
    exposure = watched.exec("systemd-analyze", "security", "--no-pager", UNIT).stdout
    overall = exposure.strip().splitlines()[-1]
    record_property("exposure", overall)
    assert " OK " in overall


PROMETHEUS = """
global: {scrape_interval: 1s}
scrape_configs: [{job_name: self, static_configs: [{targets: ["127.0.0.1:19091"]}]}]
"""


@pytest.fixture
def measured(watched: Lab) -> Iterator[Lab]:
    """With a Prometheus that scrapes itself."""
    watched.write("/root/prometheus.yml", PROMETHEUS)
    watched.sh(
        "systemd-run -q --unit=watch-prometheus prometheus --config.file=/root/prometheus.yml"
        " --storage.tsdb.path=/root/tsdb --web.listen-address=127.0.0.1:19091"
    )
    yield watched
    watched.systemctl("stop", "watch-prometheus.service")


def test_an_expression_of_prometheus_stops_trading(measured: Lab) -> None:
    keys = {
        "WATCH_PROMETHEUS_URL": "http://127.0.0.1:19091",
        "EXPRESSION_UP": 'up{job="self"} == 0',
        "EXPRESSION_NONE": "no_such_metric > 1",
        "EXPRESSION_MANY": "(prometheus_build_info or up) > 5",
    }
    switch_on(measured, **keys)

    figure = 'up{job="self"} is 1, limit == 0'
    measured.wait_until(lambda: figure.replace('"', r"\"") in standing(measured), 30, "a figure")
    done = measured.exec("ess", "watch", "check", check=False, timeout=30)
    assert done.returncode == 5
    assert figure in done.stdout
    assert "prometheus, none: 0 series, not one" in done.stderr
    assert "prometheus, many: 2 series, not one" in done.stderr
    assert not any_flag(measured)
    switch_on(measured, **{**keys, "EXPRESSION_UP": 'up{job="self"} == 1'})
    wait_latched(measured, 20)
    wait_contained(measured)
    assert 'up{job="self"} is 1, limit == 1' in ess(measured, "status").stdout


EVALUATORS = """
import os, time

class Reading:
    def check(self):
        there = os.path.exists("/srv/alarm")
        return there, "the alarm is there" if there else None

class Looping:
    # It answers once, so that it is not waited for as long as for a first answer.
    def check(self):
        try:
            os.mkdir("/var/lib/quantum-ess/watch/asked")
        except FileExistsError:
            while True:
                pass
        return False, None
"""
ENTRY_POINTS = """[quantum_ess.evaluators]
alarm = theirs:Reading
looping = theirs:Looping
"""


@pytest.mark.every_image
def test_an_evaluator_of_the_operators_stops_trading_beside_one_that_hangs(watched: Lab) -> None:
    places = watched.sh("echo /opt/quantum-ess/venv/lib/python3*/site-packages").stdout.split()
    (packages,) = places
    watched.write(f"{packages}/theirs.py", EVALUATORS)
    info = f"{packages}/theirs-1.dist-info"
    watched.write(f"{info}/METADATA", "Metadata-Version: 2.1\nName: theirs\nVersion: 1\n")
    watched.write(f"{info}/entry_points.txt", ENTRY_POINTS)
    watched.systemctl("restart", UNIT)

    watched.wait_until(lambda: "custom:alarm: fine" in standing(watched), 30, "an answer")
    watched.wait_until(
        lambda: "no answer within 5 s" in standing(watched), 40, "the other one is missed"
    )
    assert not any_flag(watched)
    watched.exec("touch", "/srv/alarm")
    wait_latched(watched, 15)
    wait_contained(watched)
    assert "custom:alarm: the alarm is there" in ess(watched, "status").stdout
    assert watched.show(UNIT, "NRestarts")["NRestarts"] == "0"
