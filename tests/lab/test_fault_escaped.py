"""A trading process outside its unit's control group outlived the stop, which was called contained.

systemd moves a login there (su -), root itself may, and systemd-run --scope does: the control group
is empty, and PID 1 waits for the main process as long as TimeoutStopSec= says.
"""

from __future__ import annotations

import contextlib
import json
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.lab import ground as g

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.lab import Lab

pytestmark = pytest.mark.latch_alone

UNIT = "quantum-execution.service"
BOT = "sleep 424242"
FOREVER = "TimeoutStopSec=infinity\nKillMode=mixed\n"
SENTRY = "quantum-ess-sentry"
# A program that no unit has started.
BY_HAND = "by-hand.service"


def furnish(lab: Lab) -> None:
    g.guard(lab, {UNIT: g.service()})


@pytest.fixture
def host(ground: g.Ground, lab_image: str) -> Iterator[Lab]:
    """A host on which nobody looks at what left its control group before the stop."""
    lab = ground.lab(lab_image)
    lab.sh(f"systemctl stop {SENTRY}.timer {SENTRY}.service; rm -f /run/quantum-ess/escaped")
    yield lab
    ground.clean(UNIT)


def trade_outside(lab: Lab, how: str) -> None:
    """Start the unit with a program that leaves its control group in a way of outside.sh."""
    g.put_units(lab, {UNIT: g.service(f"ExecStart=/inside/outside.sh {how}\n{FOREVER}")})
    lab.systemctl("start", UNIT)
    lab.wait_until(lambda: bots(lab), what="the bot runs")
    assert UNIT not in lab.read(f"/proc/{bots(lab)[0]}/cgroup")


def bots(lab: Lab) -> list[str]:
    return lab.exec("pgrep", "-fx", BOT, check=False).stdout.split()


def takes_term(lab: Lab) -> bool:
    """Tell whether a program of the unit has something to do at a SIGTERM."""
    for pid in lab.host_pids(UNIT):
        with contextlib.suppress(OSError):
            status = Path(f"/proc/{pid}/status").read_text()
            caught = next(line for line in status.splitlines() if line.startswith("SigCgt:"))
            if int(caught.split()[1], 16) >> (signal.SIGTERM - 1) & 1:
                return True
    return False


@pytest.mark.both_systemds
@pytest.mark.parametrize(
    "how",
    [
        "scope",
        *(pytest.param(how, marks=pytest.mark.every_image) for how in ("join", "child", "tree")),
    ],
)
def test_what_left_its_control_group_is_dead_in_time(host: Lab, how: str) -> None:
    trade_outside(host, how)
    began = time.monotonic()
    host.exec("touch", g.RUN_FLAG)
    host.wait_until(lambda: not bots(host), g.PROMISE / 1000, "the bot is dead")
    assert time.monotonic() - began < g.PROMISE / 1000
    g.assert_contained(host, UNIT)
    g.assert_contained(host, UNIT, tool=g.ESS)


@pytest.mark.parametrize("tool", [g.CONTROLLER, g.ESS])
def test_nobody_calls_it_contained_while_it_lives(host: Lab, tool: str) -> None:
    trade_outside(host, "child")
    host.exec("touch", g.RUN_FLAG)
    host.wait_until(lambda: not g.alive(host, UNIT), what="the control group is empty")
    pid = bots(host)[0]
    seen = g.status(host, tool=tool)
    assert pid in bots(host)
    assert seen.returncode == 4
    assert f"  ALIVE    {UNIT}  pids {pid}\n" in seen.stdout
    host.wait_until(lambda: not bots(host), g.PROMISE / 1000, "the bot is dead")


@pytest.mark.parametrize("tool", [g.CONTROLLER, g.ESS])
def test_activate_waits_for_it(host: Lab, tool: str) -> None:
    trade_outside(host, "child")
    done = host.exec(tool, "activate", "--reason", "x")
    assert bots(host) == []
    assert f"  down   {UNIT}" in done.stdout
    assert "CONTAINED: no trading process is alive" in done.stdout


# On no image: what follows a stop is what is looked at.
@pytest.mark.latch_alone("")
def test_the_certificate_names_it(guarded: Lab) -> None:
    furnish(guarded)
    trade_outside(guarded, "child")
    pid = bots(guarded)[0]
    guarded.exec(g.ESS, "activate", "--reason", "x", "--category", "0")
    audit = "/var/log/quantum-ess/audit.jsonl"
    guarded.wait_until(
        lambda: '"contained"' in guarded.sh(f"cat {audit}", check=False).stdout,
        20,
        "the audit line",
    )
    lines = map(json.loads, guarded.read(audit).splitlines())
    assert pid in next(json.dumps(line) for line in lines if line["event"] == "contained")


def test_a_number_that_is_anothers_by_now_is_left_alone(host: Lab) -> None:
    host.sh("systemd-run --quiet --unit=neighbour sleep 515151")
    pid = host.show("neighbour", "MainPID")["MainPID"]
    host.write("/run/quantum-ess/escaped", f"{pid} 1 {UNIT}\n1 0 {UNIT}\n0 0 {UNIT}\ngarbage\n")
    host.exec(g.CONTROLLER, "activate", "--category", "0")
    host.exec(g.ESS, "status")
    assert host.state("neighbour") == "active"
    host.systemctl("stop", "neighbour")


def test_an_enforcer_killed_at_once_forgets_nobody(host: Lab) -> None:
    trade_outside(host, "child")
    host.exec("touch", g.RUN_FLAG)
    host.wait_until(lambda: host.exists("/run/quantum-ess/escaped"), what="it was found")
    host.systemctl("kill", "-s", "KILL", g.ENFORCER)
    host.wait_until(lambda: not bots(host), 4, "the bot is dead")


def test_status_finds_it_before_a_stop_has_to(guarded: Lab) -> None:
    furnish(guarded)
    trade_outside(guarded, "scope")
    for tool in (g.CONTROLLER, g.ESS):
        seen = g.status(guarded, tool=tool)
        assert seen.returncode == 5
        assert f"pid {bots(guarded)[0]}" in seen.stdout
        assert "User=" in seen.stdout


def test_a_child_that_was_seen_before_its_parent_died_is_dead_in_time(host: Lab) -> None:
    trade_outside(host, "nameless")
    pid = bots(host)[0]
    host.systemctl("start", f"{SENTRY}.service")
    assert pid in host.read("/run/quantum-ess/escaped")
    host.exec("touch", g.RUN_FLAG)
    host.wait_until(lambda: not bots(host), g.PROMISE / 1000, "the bot is dead")


def test_an_orphan_in_a_scope_of_its_units_is_dead_in_time(host: Lab) -> None:
    """Neither parents nor environment told whose it was; the scope was made for the unit."""
    trade_outside(host, "orphan")
    host.systemctl("start", f"{SENTRY}.service")
    host.exec("touch", g.RUN_FLAG)
    host.wait_until(lambda: not bots(host), g.PROMISE / 1000, "the bot is dead")
    g.assert_contained(host, UNIT)


def test_what_leaves_in_the_middle_of_the_stop_is_dead_in_time(host: Lab) -> None:
    """One look when the stop began missed it."""
    g.put_units(host, {UNIT: g.service(f"ExecStart=/inside/outside.sh parting\n{FOREVER}")})
    g.start(host, UNIT)
    host.wait_until(lambda: takes_term(host), what="it will leave when it is asked to end")
    host.exec("touch", g.RUN_FLAG)
    began = time.monotonic()
    host.wait_until(lambda: bots(host), 1.4, "it has left")
    host.wait_until(
        lambda: not bots(host), g.PROMISE / 1000 - (time.monotonic() - began), "it is dead"
    )
    g.assert_contained(host, UNIT)


@pytest.mark.parametrize("tool", [g.CONTROLLER, g.ESS])
def test_a_trading_program_that_no_unit_has_is_not_called_contained(host: Lab, tool: str) -> None:
    """As from cron or a shell: no stop reaches it, and everything said CONTAINED."""
    host.write("/opt/bot", "#!/bin/bash\nwhile :; do read -rt 1; done <> <(:)\n", 0o755)
    g.put_units(host, {UNIT: g.service("ExecStart=/opt/bot\n")})
    g.start(host, UNIT)
    host.sh(f"systemd-run -q --unit={BY_HAND} /opt/bot")
    pid = host.show(BY_HAND, "MainPID")["MainPID"]
    done = host.exec(tool, "activate", check=False)
    assert done.returncode == 4
    assert f"  ALIVE  {UNIT}  pid {pid} in /system.slice/{BY_HAND}\n" in done.stdout
    assert "NOT CONTAINED: trading runs outside its units." in done.stdout
    assert f"sudo kill -KILL {pid}" in done.stdout
    seen = g.status(host, tool=tool)
    assert seen.returncode == 4
    assert f"  ALIVE    {UNIT}  pids {pid}  outside it\n" in seen.stdout
    host.sh(f"kill -KILL {pid}")
    host.wait_until(lambda: g.status(host, tool=tool).returncode == 0, what="contained")
    assert host.exec(tool, "activate", check=False).returncode == 0


@pytest.mark.parametrize("tool", [g.CONTROLLER, g.ESS])
def test_a_trading_program_under_another_name_is_not_called_contained(host: Lab, tool: str) -> None:
    """Without Python only the words of the command line were looked at, which it chooses itself."""
    host.sh("cp /usr/bin/sleep /opt/bot")
    g.put_units(host, {UNIT: g.service("ExecStart=/opt/bot infinity\n")})
    g.start(host, UNIT)
    host.sh(f"systemd-run -q --unit={BY_HAND} bash -c 'exec -a nothing /opt/bot 600'")
    pid = host.show(BY_HAND, "MainPID")["MainPID"]
    host.wait_until(
        lambda: host.sh(f"readlink /proc/{pid}/exe").stdout == "/opt/bot\n", what="it runs"
    )
    done = host.exec(tool, "activate", check=False)
    assert done.returncode == 4, done.stdout
    assert f"  ALIVE  {UNIT}  pid {pid} in /system.slice/{BY_HAND}\n" in done.stdout
    assert g.status(host, tool=tool).returncode == 4
    host.systemctl("stop", BY_HAND)
