"""A trading process outside its unit's control group outlived the stop, which was called contained.

systemd moves a login there (su -), root itself may, and systemd-run --scope does: the control group
is empty, and PID 1 waits for the main process as long as TimeoutStopSec= says.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from tests.lab import ground as g

if TYPE_CHECKING:
    from tests.lab.lab import Lab

UNIT = "quantum-execution.service"
BOT = "sleep 424242"
FOREVER = "TimeoutStopSec=infinity\nKillMode=mixed\n"


def trade_outside(lab: Lab, how: str, **keys: str) -> None:
    """Start a unit whose program leaves its control group in a way of outside.sh."""
    unit = g.service(f"ExecStart=/inside/outside.sh {how}\n{FOREVER}")
    g.put_units(lab, {UNIT: unit})
    g.configure(lab, [UNIT], **keys)
    lab.systemctl("start", UNIT)
    lab.wait_until(lambda: bots(lab), what="the bot runs")
    assert UNIT not in lab.read(f"/proc/{bots(lab)[0]}/cgroup")


def bots(lab: Lab) -> list[str]:
    return lab.sh(f"pgrep -fx '{BOT}'", check=False).stdout.split()


@pytest.mark.both_systemds
@pytest.mark.parametrize(
    "how",
    [
        "scope",
        *(pytest.param(how, marks=pytest.mark.every_image) for how in ("join", "child", "tree")),
    ],
)
@pytest.mark.latch_alone
def test_what_left_its_control_group_is_dead_in_time(guarded: Lab, how: str) -> None:
    trade_outside(guarded, how)
    began = time.monotonic()
    guarded.exec("touch", g.RUN_FLAG)
    guarded.wait_until(lambda: not bots(guarded), g.PROMISE / 1000, "the bot is dead")
    assert time.monotonic() - began < g.PROMISE / 1000
    g.assert_contained(guarded, UNIT)
    g.assert_contained(guarded, UNIT, tool=g.ESS)


@pytest.mark.parametrize("tool", [g.CONTROLLER, g.ESS])
@pytest.mark.latch_alone
def test_nobody_calls_it_contained_while_it_lives(guarded: Lab, tool: str) -> None:
    trade_outside(guarded, "child", STOP_GRACE="1.5")
    guarded.exec("touch", g.RUN_FLAG)
    guarded.wait_until(lambda: not g.alive(guarded, UNIT), what="the control group is empty")
    pid = bots(guarded)[0]
    seen = g.status(guarded, tool=tool)
    assert pid in bots(guarded)
    assert seen.returncode == 4
    assert f"  ALIVE    {UNIT}  pids {pid}\n" in seen.stdout
    guarded.wait_until(lambda: not bots(guarded), g.PROMISE / 1000, "the bot is dead")


@pytest.mark.parametrize("tool", [g.CONTROLLER, g.ESS])
@pytest.mark.latch_alone
def test_activate_waits_for_it(guarded: Lab, tool: str) -> None:
    trade_outside(guarded, "child", STOP_GRACE="1")
    done = guarded.exec(tool, "activate", "--reason", "x")
    assert bots(guarded) == []
    assert f"  down   {UNIT}" in done.stdout
    assert "CONTAINED: no trading process is alive" in done.stdout


def test_the_certificate_names_it(guarded: Lab) -> None:
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


@pytest.mark.latch_alone
def test_a_number_that_is_anothers_by_now_is_left_alone(guarded: Lab) -> None:
    g.guard(guarded, {UNIT: g.service()})
    guarded.sh("systemd-run --quiet --unit=neighbour sleep 515151")
    pid = guarded.show("neighbour", "MainPID")["MainPID"]
    guarded.write("/run/quantum-ess/escaped", f"{pid} 1 {UNIT}\n1 0 {UNIT}\n0 0 {UNIT}\ngarbage\n")
    guarded.exec(g.CONTROLLER, "activate", "--category", "0")
    guarded.exec(g.ESS, "status")
    assert guarded.state("neighbour") == "active"


@pytest.mark.latch_alone
def test_an_enforcer_killed_at_once_forgets_nobody(guarded: Lab) -> None:
    trade_outside(guarded, "child", STOP_GRACE="1")
    guarded.exec("touch", g.RUN_FLAG)
    guarded.wait_until(lambda: guarded.exists("/run/quantum-ess/escaped"), what="it was found")
    guarded.systemctl("kill", "-s", "KILL", g.ENFORCER)
    guarded.wait_until(lambda: not bots(guarded), 4, "the bot is dead")


@pytest.mark.latch_alone
def test_status_finds_it_before_a_stop_has_to(guarded: Lab) -> None:
    trade_outside(guarded, "scope")
    for tool in (g.CONTROLLER, g.ESS):
        seen = g.status(guarded, tool=tool)
        assert seen.returncode == 5
        assert f"pid {bots(guarded)[0]}" in seen.stdout
        assert "User=" in seen.stdout


@pytest.mark.latch_alone
def test_a_child_that_was_seen_before_its_parent_died_is_dead_in_time(guarded: Lab) -> None:
    trade_outside(guarded, "nameless")
    pid = bots(guarded)[0]
    guarded.systemctl("start", "quantum-ess-sentry.service")
    assert pid in guarded.read("/run/quantum-ess/escaped")
    guarded.exec("touch", g.RUN_FLAG)
    guarded.wait_until(lambda: not bots(guarded), g.PROMISE / 1000, "the bot is dead")


def test_an_orphan_in_a_scope_of_its_units_is_dead_in_time(guarded: Lab) -> None:
    """Neither parents nor environment told whose it was; the scope was made for the unit."""
    trade_outside(guarded, "orphan")
    guarded.systemctl("start", "quantum-ess-sentry.service")
    guarded.exec("touch", g.RUN_FLAG)
    guarded.wait_until(lambda: not bots(guarded), g.PROMISE / 1000, "the bot is dead")
    g.assert_contained(guarded, UNIT)


def test_what_leaves_in_the_middle_of_the_stop_is_dead_in_time(guarded: Lab) -> None:
    """One look when the stop began missed it."""
    g.put_units(guarded, {UNIT: g.service(f"ExecStart=/inside/outside.sh parting\n{FOREVER}")})
    g.configure(guarded, [UNIT], STOP_GRACE="1.5")
    g.start(guarded, UNIT)
    guarded.exec("touch", g.RUN_FLAG)
    began = time.monotonic()
    guarded.wait_until(lambda: bots(guarded), 1.4, "it has left")
    guarded.wait_until(
        lambda: not bots(guarded), g.PROMISE / 1000 - (time.monotonic() - began), "it is dead"
    )
    g.assert_contained(guarded, UNIT)


@pytest.mark.latch_alone
@pytest.mark.parametrize("tool", [g.CONTROLLER, g.ESS])
def test_a_trading_program_that_no_unit_has_is_not_called_contained(
    guarded: Lab, tool: str
) -> None:
    """As from cron or a shell: no stop reaches it, and everything said CONTAINED."""
    guarded.write("/opt/bot", "#!/bin/bash\nwhile :; do read -rt 1; done <> <(:)\n", 0o755)
    g.guard(guarded, {UNIT: g.service("ExecStart=/opt/bot\n")})
    g.start(guarded, UNIT)
    guarded.sh("systemd-run -q --unit=by-hand /opt/bot")
    pid = guarded.show("by-hand", "MainPID")["MainPID"]
    done = guarded.exec(tool, "activate", check=False)
    assert done.returncode == 4
    assert f"  ALIVE  {UNIT}  pid {pid} in /system.slice/by-hand.service\n" in done.stdout
    assert "NOT CONTAINED: trading runs outside its units." in done.stdout
    assert f"sudo kill -KILL {pid}" in done.stdout
    seen = g.status(guarded, tool=tool)
    assert seen.returncode == 4
    assert f"  ALIVE    {UNIT}  pids {pid}  outside it\n" in seen.stdout
    guarded.sh(f"kill -KILL {pid}")
    guarded.wait_until(lambda: g.status(guarded, tool=tool).returncode == 0, what="contained")
    assert guarded.exec(tool, "activate", check=False).returncode == 0


@pytest.mark.latch_alone
@pytest.mark.parametrize("tool", [g.CONTROLLER, g.ESS])
def test_a_trading_program_under_another_name_is_not_called_contained(
    guarded: Lab, tool: str
) -> None:
    """Without Python only the words of the command line were looked at, which it chooses itself."""
    guarded.sh("cp /usr/bin/sleep /opt/bot")
    g.guard(guarded, {UNIT: g.service("ExecStart=/opt/bot infinity\n")})
    g.start(guarded, UNIT)
    guarded.sh("systemd-run -q --unit=by-hand bash -c 'exec -a nothing /opt/bot 600'")
    pid = guarded.show("by-hand", "MainPID")["MainPID"]
    guarded.wait_until(
        lambda: guarded.sh(f"readlink /proc/{pid}/exe").stdout == "/opt/bot\n", what="it runs"
    )
    done = guarded.exec(tool, "activate", check=False)
    assert done.returncode == 4, done.stdout
    assert f"  ALIVE  {UNIT}  pid {pid} in /system.slice/by-hand.service\n" in done.stdout
    assert g.status(guarded, tool=tool).returncode == 4
