"""Once latched, nothing but a release lifts it: no reboot, no kill, no stop of a part of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lab.lab import Lab
from tests.lab.rig import (
    BRISK,
    ENFORCER,
    RUN_FLAG,
    RUNNING,
    SENTRY,
    STUBBORN,
    VAR_FLAG,
    alive,
    arm,
    assert_held,
    assert_released,
    enforcer_pid,
    ess,
    hunt,
    latched,
    starts,
    touch,
    wait_contained,
    wait_latched,
    wait_trading,
)
from tests.lab.stack import MONITOR_UNITS, TRADING_UNITS, put_monitor_stack

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.lab.conftest import ArmLab

pytestmark = pytest.mark.latch_alone

BOT = "stubborn-bot.service"
ALL = (*TRADING_UNITS, BOT)

WATCHES = ("quantum-ess.path", "quantum-ess-disk.path")


def power_cycle(lab: Lab) -> None:
    lab.power_cut()
    lab.boot()


@pytest.fixture
def stubborn(arm_lab: ArmLab) -> Lab:
    """An armed host with a fifth trading unit that only SIGKILL ends."""
    return arm_lab(units={BOT: STUBBORN})


# --- reboot and power ---


@pytest.mark.both_systemds
@pytest.mark.parametrize("restart", [Lab.reboot, power_cycle])
def test_reboot_and_power_cut_hold(lab: Lab, restart: Callable[[Lab], None]) -> None:
    put_monitor_stack(lab)
    arm(lab, settings=BRISK)
    assert ess(lab, "activate", "--reason", "before the boot").returncode == 0
    lab.wait_until(lambda: lab.exists(RUNNING), what="what ran is written down")
    restart(lab)
    assert set(starts(lab).values()) == {"0"}
    assert alive(lab, MONITOR_UNITS) == list(MONITOR_UNITS)
    assert "before the boot" in assert_held(lab).stdout
    assert ess(lab, "deactivate").returncode == 0
    assert_released(lab)


@pytest.mark.both_systemds
def test_power_cut_right_after_the_touch(armed: Lab) -> None:
    touch(armed)
    armed.wait_until(lambda: armed.exists(VAR_FLAG), 0.5, "the flag reached the disk")
    power_cycle(armed)
    assert set(starts(armed).values()) == {"0"}
    assert_held(armed)


def test_reboot_of_a_host_tripped_by_hand_asks_what_to_start(armed: Lab) -> None:
    armed.systemctl("stop", *WATCHES, "quantum-ess-sentry.timer")
    touch(armed, VAR_FLAG)
    power_cycle(armed)
    assert_held(armed)
    refused = ess(armed, "deactivate")
    assert refused.returncode == 6
    assert "--all" in refused.stderr
    assert "--no-start" in refused.stderr


@pytest.mark.both_systemds
def test_reboot_clears_when_told_to(lab: Lab) -> None:
    arm(lab, settings={"QT_ESS_AFTER_REBOOT": "clear"})
    assert ess(lab, "activate").returncode == 0
    lab.systemctl("stop", "quantum-ess-drill.timer")
    lab.exec("systemd-tmpfiles", "--create", "--remove")
    assert_held(lab)
    lab.reboot()
    wait_trading(lab)
    assert_released(lab)
    touch(lab)
    wait_contained(lab)
    assert_held(lab)


# --- the enforcer and the watch ---


def test_enforcer_killed_again_and_again(stubborn: Lab) -> None:
    touch(stubborn)
    kills = hunt(stubborn, ENFORCER, 5, until=lambda: not alive(stubborn, ALL))
    assert kills > 10
    assert alive(stubborn, ALL) == []
    before = starts(stubborn, ALL)
    stubborn.exec("rm", RUN_FLAG)
    hunt(stubborn, ENFORCER, 1)
    stubborn.wait_until(lambda: enforcer_pid(stubborn), what="the enforcer is back")
    assert starts(stubborn, ALL) == before
    assert_held(stubborn, ALL)


def test_enforcer_comes_back_from_any_signal_without_the_watch(armed: Lab) -> None:
    touch(armed)
    wait_contained(armed)
    wait_latched(armed)
    armed.systemctl("stop", *WATCHES, "quantum-ess-sentry.timer")
    for name in ("TERM", "INT", "HUP", "PIPE", "QUIT", "USR1", "SEGV"):
        armed.systemctl("kill", "--signal", name, ENFORCER)
        armed.exec("rm", RUN_FLAG)
        armed.wait_until(lambda: latched(armed), 2, f"both flags, after SIG{name}")
    assert_held(armed)


def test_enforcer_that_is_stopped_does_not_end_the_hold(stubborn: Lab) -> None:
    touch(stubborn)
    stubborn.wait_until(lambda: enforcer_pid(stubborn), what="the enforcer runs")
    stubborn.systemctl("kill", "--signal", "STOP", ENFORCER)
    done = ess(stubborn, "activate")
    assert done.returncode == 0, done.stdout
    assert alive(stubborn, ALL) == []
    stubborn.systemctl("kill", "--signal", "CONT", ENFORCER)
    assert_held(stubborn, ALL)


def test_sentry_kills_while_the_enforcer_is_stopped(stubborn: Lab) -> None:
    touch(stubborn)
    stubborn.wait_until(lambda: enforcer_pid(stubborn), what="the enforcer runs")
    stubborn.systemctl("kill", "--signal", "STOP", ENFORCER)
    assert alive(stubborn, ALL) == [BOT]
    stubborn.wait_until(lambda: dead_after_a_round(stubborn), 12, "killed by the sentry")


def dead_after_a_round(lab: Lab) -> bool:
    """One in the middle of the grace leaves the rest to the next."""
    lab.systemctl("start", SENTRY)
    return not alive(lab, ALL)


def test_watch_stopped_while_latched(armed: Lab) -> None:
    touch(armed)
    wait_contained(armed)
    wait_latched(armed)
    armed.systemctl("stop", *WATCHES, "quantum-ess-halt.path")
    hunt(armed, ENFORCER, 1)
    assert_held(armed)
    armed.systemctl("start", SENTRY)
    assert armed.state("quantum-ess.path") == "active"
    assert armed.state("quantum-ess-disk.path") == "active"


def test_watch_stopped_before_the_trip_is_back_within_ten_seconds(armed: Lab) -> None:
    armed.systemctl("stop", *WATCHES)
    assert ess(armed, "status").returncode == 5
    touch(armed)
    wait_contained(armed, timeout=12)
    assert_held(armed)
    assert armed.state("quantum-ess.path") == "active"
    assert "quantum-ess.path was inactive" in armed.journal("-t", "quantum-ess")


def test_watch_that_failed_is_mended_at_once(armed: Lab) -> None:
    trigger = f"/etc/systemd/system/{ENFORCER}"
    armed.sh(f"mv {trigger} /root/saved; systemctl daemon-reload")
    armed.systemctl("stop", "quantum-ess-sentry.timer")
    touch(armed)
    armed.wait_until(
        lambda: "failed" in armed.state("quantum-ess.path"), what="the path unit failed"
    )
    wait_contained(armed)
    armed.sh(f"mv /root/saved {trigger}; systemctl daemon-reload")
    armed.systemctl("start", SENTRY)
    assert armed.state("quantum-ess.path") == "active"
    armed.wait_until(lambda: enforcer_pid(armed), what="the enforcer runs")
    assert_held(armed)


def test_masking_the_watch_does_not_unlatch(armed: Lab) -> None:
    touch(armed)
    wait_contained(armed)
    units = (*WATCHES, ENFORCER, "quantum-ess-halt.target")
    assert armed.systemctl("mask", *units, check=False).returncode != 0
    armed.systemctl("mask", "--runtime", *units, check=False)
    armed.systemctl("daemon-reload")
    hunt(armed, ENFORCER, 0.5)
    armed.wait_until(lambda: enforcer_pid(armed), what="the enforcer is back")
    assert_held(armed)


# --- PID 1 busy with something else ---


@pytest.mark.both_systemds
def test_reexec_in_the_middle_of_a_trip(stubborn: Lab) -> None:
    holds_while_systemd_begins_anew(stubborn, "daemon-reexec")


@pytest.mark.every_image
def test_reload_in_the_middle_of_a_trip(stubborn: Lab) -> None:
    holds_while_systemd_begins_anew(stubborn, "daemon-reload")


def holds_while_systemd_begins_anew(stubborn: Lab, verb: str) -> None:
    stubborn.sh(f"touch {RUN_FLAG}; for i in {{1..8}}; do systemctl {verb}; done", timeout=60)
    wait_contained(stubborn, ALL)
    before = starts(stubborn, ALL)
    stubborn.systemctl(verb)
    wait_latched(stubborn)
    assert starts(stubborn, ALL) == before
    assert_held(stubborn, ALL)
    assert ess(stubborn, "deactivate").returncode == 0
    assert_released(stubborn, ALL)
