"""The sentry's file for node_exporter, and its events: true on a real host, and in nobody's way."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.lab import ground as g
from tests.lab.rig import BRISK, CONF, CONTROLLER, INSTALL, SENTRY, arm
from tests.lab.stack import TRADING_UNITS
from tests.lab.test_events import records

if TYPE_CHECKING:
    from tests.lab.lab import Lab

pytestmark = pytest.mark.nobody_told

DIRECTORY = "/var/lib/prometheus/node-exporter"
FILE = f"{DIRECTORY}/quantum_ess.prom"
LIB = "/usr/local/lib/quantum-ess/ops/lib"
GATE = "/etc/systemd/system/quantum-execution.service.d/zz-quantum-ess.conf"
UNDEAD = "quantum-undead.service"
SENTRY_TIMER = "quantum-ess-sentry.timer"
BEGAN = "/var/lib/began"


@pytest.fixture
def armed(guarded: Lab) -> Lab:
    guarded.sh(f"date -u +%FT%T >{BEGAN}")
    return arm(guarded, settings=BRISK)


def of_kind(lab: Lab, kind: str) -> list[dict[str, Any]]:
    """Return the records of this test; the installation that its lab is made of left some, too."""
    began = lab.read(BEGAN)
    return [one for one in records(lab) if one["event"] == kind and one["at"] >= began]


def await_kind(lab: Lab, kind: str, number: int = 1) -> dict[str, Any]:
    lab.wait_until(lambda: len(of_kind(lab, kind)) >= number, 15, f"{number} x {kind}")
    return of_kind(lab, kind)[-1]


def look(lab: Lab) -> dict[str, float]:
    """Have the sentry make a round; return what it wrote."""
    lab.systemctl("start", SENTRY)
    lines = [line for line in lab.read(FILE).splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}


def judged(lab: Lab) -> dict[str, float]:
    """Return what a round says in which the sentry judges, as it does once a minute."""
    lab.sh("sed -i '3s/.*/0/' /run/quantum-ess/arming 2>/dev/null || :")
    return look(lab)


@pytest.mark.every_image
def test_the_file_follows_the_latch(armed: Lab) -> None:
    before = look(armed)
    state = ("quantum_ess_active", "quantum_ess_armed", "quantum_ess_contained")
    assert [before[name] for name in state] == [0, 1, 0]
    assert before["quantum_ess_last_drill_passed"] == 1
    assert abs(before["quantum_ess_last_drill_timestamp_seconds"] - time.time()) < 300
    assert abs(before["quantum_ess_sentry_timestamp_seconds"] - time.time()) < 60
    assert before['quantum_ess_info{version="0.1.0"}'] == 1
    assert armed.sh(f"stat -c %a:%U {FILE}").stdout == "644:root\n"
    assert "quantum_ess.prom" in armed.sh(f"ls -A {DIRECTORY}").stdout.split()

    armed.exec("touch", g.RUN_FLAG)
    g.dead(armed, *TRADING_UNITS)
    assert [look(armed)[name] for name in state] == [1, 1, 1]
    armed.exec(CONTROLLER, "deactivate", "--all", timeout=30)
    assert [look(armed)[name] for name in state] == [0, 1, 0]


def test_a_round_in_the_middle_of_a_stop_waits_for_its_end(guarded: Lab) -> None:
    """The grace is no alarm: the sentry sees what is alive then, and looks again."""
    g.guard(guarded, {"quantum-slow.service": g.service(f"ExecStart={g.STUBBORN}\n")})
    g.start(guarded, "quantum-slow.service")
    guarded.exec("touch", g.RUN_FLAG)
    assert g.alive(guarded, "quantum-slow.service")
    assert look(guarded)["quantum_ess_contained"] == 1


def test_what_outlives_the_stop_is_known(guarded: Lab) -> None:
    """The sentry itself is busy killing until its round is cut off, and comes to no end of it."""
    g.hang(guarded, "/run/never")
    g.guard(guarded, {UNDEAD: g.service("ExecStart=/usr/bin/stat /run/never/x\n")})
    g.start(guarded, UNDEAD)
    guarded.sh(f"systemctl stop {SENTRY_TIMER}; rm -f {FILE}")
    guarded.exec("touch", g.RUN_FLAG)
    guarded.systemctl("start", "--no-block", SENTRY)
    guarded.wait_until(lambda: guarded.exists(FILE), 15, "the file")
    text = guarded.read(FILE)
    assert "\nquantum_ess_active 1\n" in text
    assert "\nquantum_ess_contained 0\n" in text


def test_events_wait_and_are_counted(armed: Lab) -> None:
    python = "/opt/quantum-ess/venv/bin"
    armed.exec("mv", python, "/opt/quantum-ess/away")
    for _ in range(3):
        armed.systemctl("stop", "quantum-ess.path")
        armed.systemctl("start", SENTRY)
    armed.wait_until(lambda: look(armed)["quantum_ess_spool_depth"] >= 3, 15, "three events wait")
    armed.exec("mv", "/opt/quantum-ess/away", python)
    armed.wait_until(lambda: look(armed)["quantum_ess_spool_depth"] == 0, 15, "none waits")


@pytest.mark.every_image
def test_disarmed_and_armed_are_told_once_each(armed: Lab) -> None:
    judged(armed)
    known = await_armed_in_this_boot(armed)
    armed.sh(f"systemctl stop {SENTRY_TIMER}; systemctl reset-failed")
    armed.systemctl("start", SENTRY_TIMER)
    armed.sh(f"mv {GATE} /root/; systemctl daemon-reload")
    assert judged(armed)["quantum_ess_armed"] == 0
    assert of_kind(armed, "disarmed") == [], "one round is no reason"
    for _ in range(3):
        assert look(armed)["quantum_ess_armed"] == 0
    assert "quantum-execution.service has no gate" in await_kind(armed, "disarmed")["what"]
    armed.sh(f"mv /root/zz-quantum-ess.conf {GATE}; systemctl daemon-reload")
    for _ in range(3):
        assert look(armed)["quantum_ess_armed"] == 1
    await_kind(armed, "armed", known + 1)
    assert len(of_kind(armed, "disarmed")) == 1
    assert len(of_kind(armed, "armed")) == known + 1
    lines = armed.journal("-t", "quantum-ess").splitlines()
    told = [line for line in lines if "DISARMED: a stop may not work: " in line]
    assert len(told) == 1
    assert "quantum-execution.service has no gate" in told[0]


def await_armed_in_this_boot(lab: Lab) -> int:
    """How many events "armed" there are once this boot's own is in the audit log."""
    boot = lab.read("/proc/sys/kernel/random/boot_id").strip()
    lab.wait_until(
        lambda: boot in [event["boot"] for event in of_kind(lab, "armed")],
        15,
        "this boot is told as armed",
    )
    return len(of_kind(lab, "armed"))


def test_another_reason_is_told_and_an_older_one_is_not(armed: Lab) -> None:
    record = "/var/lib/quantum-ess/last-drill"
    judged(armed)
    for days in (9, 9, 10, 11):
        armed.sh(f"sed -i \"s/^epoch=.*/epoch=$(date -d '-{days} days' +%s)/\" {record}")
        judged(armed)
    assert "the last drill is 9 days old" in await_kind(armed, "disarmed")["what"]
    armed.sh("systemctl disable -q quantum-ess.path")
    for _ in range(2):
        judged(armed)
    assert "quantum-ess.path is not enabled" in await_kind(armed, "disarmed", 2)["what"]
    assert len(of_kind(armed, "disarmed")) == 2


def test_an_installer_at_work_disarms_nobody(armed: Lab) -> None:
    judged(armed)
    armed.sh(f"for i in 1 2 3; do {INSTALL} --configure >/dev/null; done", timeout=60)
    judged(armed)
    look(armed)
    assert of_kind(armed, "disarmed") == []


def test_a_reboot_reports_armed_once(armed: Lab) -> None:
    judged(armed)
    before = await_armed_in_this_boot(armed)
    armed.reboot()
    for _ in range(3):
        judged(armed)
    await_kind(armed, "armed", before + 1)
    armed.systemctl("start", "quantum-ess-aftermath.service")
    assert len(of_kind(armed, "armed")) == before + 1
    assert of_kind(armed, "disarmed") == []


TROUBLES = {
    "no directory": f"rm -rf {DIRECTORY}",
    "a file for a directory": f"rm -rf {DIRECTORY}; echo >{DIRECTORY}",
    "read-only": f"mount --bind {DIRECTORY} {DIRECTORY}; mount -o remount,ro,bind {DIRECTORY}",
    "full": f"mount -t tmpfs -o size=4k,nr_inodes=2 none {DIRECTORY}; echo >{DIRECTORY}/x",
    "full of data": f"mount -t tmpfs -o size=4k none {DIRECTORY}; yes >{DIRECTORY}/x || :",
    "a directory in its place": f"rm {FILE}; mkdir {FILE}",
    "metrics damaged": f"echo 'if (' >{LIB}/metrics.sh",
    "arming damaged": f"echo 'if (' >{LIB}/arming.sh",
    "status damaged": f"echo 'if (' >{LIB}/status.sh",
    "metrics gone": f"rm {LIB}/metrics.sh {LIB}/arming.sh {LIB}/status.sh",
    "memory of it in the way": "rm -f /run/quantum-ess/arming; mkdir /run/quantum-ess/arming",
}


def assert_sentry_works(lab: Lab) -> None:
    """The sentry mends the watch, and a stop is as fast as ever."""
    # A round that has looked at the watch already would be the one that is started here.
    lab.wait_until(lambda: lab.state(SENTRY) != "activating", what="no round of the timer's")
    lab.systemctl("stop", "quantum-ess.path")
    began = time.monotonic()
    lab.systemctl("start", SENTRY, timeout=20)
    assert time.monotonic() - began < 8
    assert lab.state("quantum-ess.path") == "active"
    assert g.touch_and_time(lab, *TRADING_UNITS) < g.PROMISE
    lab.wait_until(lambda: all(map(lab.exists, g.FLAGS)), what="both flags")
    assert g.alive(lab, *TRADING_UNITS) == []


def resume(lab: Lab) -> None:
    g.release(lab)
    g.start(lab, *TRADING_UNITS)


def test_no_trouble_with_metrics_reaches_the_sentry(armed: Lab) -> None:
    look(armed)
    armed.sh(f"cp -a {LIB} /root/lib; cp -a {DIRECTORY} /root/node-exporter")
    for name, trouble in TROUBLES.items():
        armed.sh(trouble)
        try:
            assert_sentry_works(armed)
        except AssertionError as error:
            raise AssertionError(name) from error
        armed.sh(
            f"umount {DIRECTORY} 2>/dev/null || :; rm -rf {DIRECTORY} /run/quantum-ess/arming;"
            f" cp -a /root/node-exporter {DIRECTORY}; cp -a /root/lib/. {LIB}/"
        )
        resume(armed)
    assert judged(armed)["quantum_ess_armed"] == 1


@pytest.mark.parametrize("plant", [f"mkfifo {FILE}", f"ln -s /etc/shadow {FILE}"])
def test_what_lies_in_its_place_is_replaced_and_not_followed(armed: Lab, plant: str) -> None:
    armed.sh(f"rm -f {FILE}; cp /etc/shadow /root/; {plant}")
    assert_sentry_works(armed)
    resume(armed)
    assert look(armed)["quantum_ess_armed"] == 1
    assert armed.sh(f"stat -c %F {FILE}; cmp /etc/shadow /root/shadow").stdout == "regular file\n"


def stuck(lab: Lab) -> int:
    """Return how many shells sleep where no signal wakes them."""
    return len(lab.sh("grep -l '(bash) D' /proc/[0-9]*/stat || :").stdout.split())


def test_a_directory_that_hangs_holds_up_nobody(armed: Lab) -> None:
    """One child hangs there, deaf to SIGKILL; the sentry goes on, and sends no second one."""
    g.hang(armed, DIRECTORY)
    for _ in range(2):
        assert_sentry_works(armed)
        resume(armed)
    assert stuck(armed) == 1


def test_a_disk_that_hangs_leaves_the_file_as_it_is(armed: Lab) -> None:
    look(armed)
    await_kind(armed, "armed")
    g.down(armed, "quantum-ess-aftermath.service")
    g.hang(armed, "/var/lib/quantum-ess")
    before = armed.sh(f"stat -c %y {FILE}").stdout
    for _ in range(2):
        began = time.monotonic()
        armed.systemctl("start", SENTRY, check=False)
        assert time.monotonic() - began < 5
    assert "the disk with the latch does not answer" in armed.journal("-u", SENTRY)
    assert stuck(armed) <= 1
    assert armed.sh(f"stat -c %y {FILE}").stdout == before


def test_the_directory_is_configured_or_nothing_is_written(armed: Lab) -> None:
    armed.sh(f"mkdir -p /srv/textfile; rm -f {FILE}")
    for value, written in (("/srv/textfile", True), ("", False)):
        armed.sh("rm -f /srv/textfile/*")
        armed.sh(f"echo QT_ESS_METRICS_DIR={value} >{CONF}; {INSTALL} --configure >/dev/null")
        armed.systemctl("start", SENTRY)
        assert armed.exists("/srv/textfile/quantum_ess.prom") is written
        assert not armed.exists(FILE)
