"""What bash asks systemd: the cheap questions get the same answers, and no answer holds it up."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.lab import ground as g
from tests.lab.rig import BRISK, CONF, INSTALL, environment
from tests.lab.stack import TRADING_UNITS

if TYPE_CHECKING:
    from tests.lab.lab import Lab

pytestmark = [pytest.mark.both_systemds, pytest.mark.latch_alone]

LIB = g.CONTROLLER.removesuffix("ess_controller.sh") + "lib"
LOAD = f"set +eu; for part in names clock answer systemd; do . {LIB}/$part.sh; done; "
UNITS = "/etc/systemd/system"
# By name, in each state that a unit can be in for long.
STATES = {
    "wc-active.service": "ExecStart=/usr/bin/sleep infinity",
    "wc-inactive.service": "ExecStart=/usr/bin/sleep infinity",
    "wc-failed.service": "ExecStart=/usr/bin/false",
    "wc-failed-too.service": "ExecStart=/usr/bin/false",
    "wc-activating.service": "Type=notify\nExecStart=/usr/bin/sleep infinity\nTimeoutStartSec=600",
    "wc-broken.service": "ExecStart=",
}
ABSENT = ("wc-absent.service", "wc-masked.service")
NAMES = " ".join((*STATES, *ABSENT, "quantum-ess.path"))


def furnish(lab: Lab) -> None:
    """Have the units in their states, and be armed but for the drill."""
    g.put_units(lab, {name: f"[Service]\n{body}\n" for name, body in STATES.items()})
    lab.systemctl("--quiet", "mask", "--runtime", "wc-masked.service")
    lab.systemctl("start", "--no-block", "wc-active", "wc-failed", "wc-failed-too", "wc-activating")
    wanted = {
        "wc-active.service": "active",
        "wc-activating.service": "activating",
        "wc-failed.service": "failed",
        "wc-failed-too.service": "failed",
    }
    lab.wait_until(
        lambda: lab.show_each(list(wanted), "ActiveState") == wanted, what="each is in its state"
    )


@pytest.fixture
def host(ground: g.Ground, lab_image: str) -> Lab:
    return ground.lab(lab_image)


def told(lab: Lab, ask: str) -> str:
    """Return what a question of systemd.sh brings to light of the units in NAMES."""
    tell = f'for unit in {NAMES}; do echo "$unit ${{UNIT_PROP["$unit.ActiveState"]:-}}"; done'
    return lab.exec("bash", "-c", f"{LOAD}{ask} || echo deaf; {tell}").stdout


def test_whether_they_are_active_is_told_alike(host: Lab) -> None:
    shown = told(host, f"sd_show ActiveState {NAMES}")
    assert {line.split()[-1] for line in shown.splitlines()} == {
        *("active", "inactive", "failed", "activating")
    }
    assert told(host, f"sd_active {NAMES}") == shown
    # Few units are asked for in another way than many are.
    assert told(host, f"SYSTEMD_FEW=0 sd_show ActiveState {NAMES}") == shown
    assert told(host, f"SYSTEMD_FEW=99 sd_show ActiveState {NAMES}") == shown


def test_a_name_that_systemd_does_not_know_keeps_no_other_from_being_forgotten(host: Lab) -> None:
    forget = "sd reset-failed -- wc-failed.service wc-absent.service wc-failed-too.service"
    host.exec("bash", "-c", f"{LOAD}{forget}", check=False)
    assert host.show_each(["wc-failed.service", "wc-failed-too.service"], "ActiveState") == {
        "wc-failed.service": "inactive",
        "wc-failed-too.service": "inactive",
    }


def test_no_answer_is_known_in_time_and_leaves_nobody_who_waits_for_it(host: Lab) -> None:
    with host.pid1_frozen():
        began = time.monotonic()
        asks = (f"sd_active {NAMES}", f"sd_show ActiveState {NAMES}", "sd_show Id a b")
        nothing = "declare -A UNIT_PROP=();"
        others = (f"{nothing} sd_coming {NAMES}", f"{nothing} sd reset-failed -- {NAMES}")
        for ask in (*asks, *others):
            said = told(host, ask)
            assert said.startswith("deaf\n")
            assert "active" not in said.replace("wc-active", "").replace("-inactive", "").replace(
                "-activating", ""
            )
        status = host.exec(g.CONTROLLER, "status", check=False)
        assert time.monotonic() - began < 10
        left = host.exec("ps", "-C", "systemctl", "-o", "stat=", check=False).stdout
    # Who is dead waits for PID 1 to notice.
    assert set(left.split()) <= {"Z"}
    assert status.returncode == 5
    for what in ("the watch", "the gates"):
        assert f"systemd does not answer: nothing is known about {what}" in status.stdout


def test_a_second_configure_mends_what_systemd_has_not_read(host: Lab) -> None:
    """Nothing of it is written again, and what was touched meanwhile is read all the same."""
    host.write(CONF, environment({"QT_ESS_TRADING_UNITS": " ".join(TRADING_UNITS), **BRISK}))
    configure(host)
    unit = "quantum-ess-trigger.service"
    path = f"{UNITS}/{unit}"
    host.sh(f"sleep 0.1; touch {path}")
    before = host.exec("stat", "-c", "%i %y", path).stdout
    assert host.show(unit, "NeedDaemonReload")["NeedDaemonReload"] == "yes"
    configure(host)
    assert host.exec("stat", "-c", "%i %y", path).stdout == before
    assert host.show(unit, "NeedDaemonReload")["NeedDaemonReload"] == "no"


def test_a_second_configure_switches_on_and_starts_what_is_not(host: Lab) -> None:
    host.systemctl("--quiet", "disable", "--now", "quantum-ess.path", "quantum-ess-sentry.timer")
    configure(host)
    for unit in ("quantum-ess.path", "quantum-ess-sentry.timer"):
        assert host.show(unit, "ActiveState", "UnitFileState") == {
            "ActiveState": "active",
            "UnitFileState": "enabled",
        }


def test_a_watcher_that_is_not_wanted_is_switched_off(host: Lab) -> None:
    watcher = "quantum-ess-watch.service"
    link = f"{UNITS}/multi-user.target.wants/{watcher}"
    host.systemctl("--quiet", "enable", watcher)
    assert host.exists(link)
    configure(host)
    assert not host.exists(link)
    assert host.show(watcher, "UnitFileState")["UnitFileState"] == "disabled"


def configure(lab: Lab) -> None:
    assert lab.exec(INSTALL, "--configure", check=False, timeout=60).returncode in (0, 5)
