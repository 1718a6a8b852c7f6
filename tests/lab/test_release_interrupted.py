"""A release that is interrupted, killed, or left alone by systemd: done, or latched and said so."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.lab.rig import (
    BRISK,
    CONTROLLER,
    INSTALL,
    LIB,
    NAP,
    RUN_FLAG,
    RUNNING,
    SENTRY,
    VAR_FLAG,
    alive,
    any_flag,
    assert_held,
    assert_released,
    configure,
    ess,
    has_process,
    latched,
    starts,
    touch,
    trip,
    wait_contained,
    wait_latched,
)
from tests.lab.stack import TRADING_UNITS
from tests.thorough import chosen

if TYPE_CHECKING:
    from tests.lab.conftest import ArmLab
    from tests.lab.lab import Lab

pytestmark = pytest.mark.latch_alone

ORDER = (
    "quantum-governor.service",
    "quantum-ai-engine.service",
    "quantum-apply-layer.service",
    "quantum-execution.service",
)
# What can be seen of a release from the outside, in the order in which it happens.
STEPS = {
    "begins": "true",
    "decided": "[[ -e /run/quantum-ess/releasing ]]",
    "removed one flag": f"[[ ! -e {VAR_FLAG} ]]",
    "removed both flags": f"[[ ! -e {RUN_FLAG} ]]",
    "ended the enforcer": f"{{ nap; ! {has_process('quantum-ess-trigger.service')}; }}",
    **{f"started {unit}": f"{{ nap; {has_process(unit)}; }}" for unit in ORDER},
}
SOURCE = "/opt/newer"


def at_step(lab: Lab, step: str, action: str) -> tuple[int, str]:
    """Run a release and, in its `step`, the action (bash, $pid is the release).

    Return its exit code and what it printed.
    """
    script = (
        f"{NAP}\n"
        f"env --default-signal=INT,TERM,HUP,QUIT,PIPE,TSTP {CONTROLLER} deactivate 2>&1 & pid=$!\n"
        f"until {STEPS[step]}; do kill -0 $pid 2>/dev/null || break; done\n"
        f"{action}\nwait $pid; echo code=$?"
    )
    printed, _, code = lab.exec("bash", "-c", script, timeout=60).stdout.rpartition("code=")
    return int(code), printed


def assert_latched_again(lab: Lab) -> None:
    wait_latched(lab)
    wait_contained(lab)
    assert_held(lab)


CAUGHT = ("INT", "TERM", "HUP", "QUIT")
# Ctrl-C at every step; one function has all four.
INTERRUPTED = (
    *(("INT", step) for step in STEPS),
    *(("TERM", step) for step in ("begins", "removed one flag", f"started {ORDER[1]}")),
    ("HUP", "decided"),
    ("QUIT", "removed both flags"),
)


@pytest.mark.parametrize(
    ("name", "step"), chosen([(name, step) for name in CAUGHT for step in STEPS], INTERRUPTED)
)
def test_signal_at_every_step(armed: Lab, step: str, name: str) -> None:
    trip(armed)
    code, printed = at_step(armed, step, f"kill -{name} $pid 2>/dev/null || :")
    if code == 0:
        assert "ESS STATUS: INACTIVE" in printed
        assert_released(armed)
        return
    if step == "begins" and code == 128 + signal.Signals[f"SIG{name}"]:
        assert printed == ""  # bash had not even read its own lines
    else:
        assert code == 6, printed
        assert "interrupted" in printed
    assert alive(armed) == []
    assert_latched_again(armed)
    assert ess(armed, "deactivate").returncode == 0
    assert_released(armed)


@pytest.mark.every_image
@pytest.mark.parametrize("tool", [CONTROLLER, "ess"])
def test_ctrl_c_on_a_terminal(arm_lab: ArmLab, tool: str) -> None:
    lab = arm_lab(settings={"QT_ESS_SETTLE": "5"})
    trip(lab)
    waiting = f"{NAP}until {STEPS[f'started {ORDER[0]}']}; do :; done"
    terminal = f"script -qe -E never -c 'exec {tool} deactivate' /dev/null"
    script = f"(printf 'release\nsure\n'; {waiting}; printf '\003'; sleep 1) | {terminal}"
    done = lab.sh(script, check=False, timeout=30)
    assert done.returncode == 6, done.stdout
    assert "interrupted" in done.stdout
    assert alive(lab) == []
    assert_latched_again(lab)


def is_released(lab: Lab) -> bool:
    return not any_flag(lab) and not lab.exists(RUNNING) and len(alive(lab)) == len(TRADING_UNITS)


def settled(lab: Lab) -> bool:
    """Have the sentry look; tell whether the release is complete or the latch is on."""
    lab.systemctl("start", SENTRY)
    return latched(lab) or is_released(lab)


def is_not_called_armed(lab: Lab) -> bool:
    """Tell whether status sees what was left half-way (a child may live a moment longer)."""
    return any_flag(lab) or is_released(lab) or ess(lab, "status").returncode == 5


@pytest.mark.parametrize("step", STEPS)
def test_kill_at_every_step(armed: Lab, step: str) -> None:
    trip(armed)
    code, _ = at_step(armed, step, "kill -KILL $pid 2>/dev/null || :")
    if code != 0:
        armed.wait_until(lambda: is_not_called_armed(armed), what="status tells")
    armed.wait_until(lambda: settled(armed), what="the release is complete or latched again")
    if is_released(armed):
        return
    assert_latched_again(armed)
    assert ess(armed, "deactivate").returncode == 0
    assert_released(armed)


def test_sentry_finds_a_killed_release_by_itself(armed: Lab) -> None:
    trip(armed)
    code, _ = at_step(armed, f"started {ORDER[1]}", "kill -KILL $pid")
    assert code == 137
    wait_latched(armed, timeout=14)
    assert_latched_again(armed)
    assert "a release ended half-way" in armed.journal("-t", "quantum-ess")
    assert "a release was cut short" in ess(armed, "status").stdout


def test_release_again_finishes_a_killed_one(armed: Lab) -> None:
    armed.systemctl("stop", "quantum-ess-sentry.timer")
    trip(armed)
    code, _ = at_step(armed, f"started {ORDER[1]}", "kill -KILL $pid")
    assert code == 137
    assert ess(armed, "deactivate").returncode == 0
    armed.systemctl("start", SENTRY, "quantum-ess-sentry.timer")
    assert_released(armed)


def test_power_cut_in_the_middle_of_a_release_latches_again(armed: Lab) -> None:
    trip(armed)
    reached = STEPS[f"started {ORDER[1]}"]
    armed.sh(
        f"{NAP}{CONTROLLER} deactivate &>/dev/null </dev/null & until {reached}; do :; done; sync",
        timeout=30,
    )
    armed.power_cut()
    armed.boot()
    assert armed.state("quantum-ess-sentry.timer") == "active"
    armed.systemctl("start", SENTRY)
    assert_latched_again(armed)


def test_list_of_a_killed_release_is_not_used_for_the_next_trip(armed: Lab) -> None:
    armed.systemctl("stop", ORDER[3])
    trip(armed)
    at_step(armed, f"started {ORDER[0]}", "kill -KILL $pid")
    armed.wait_until(lambda: settled(armed), what="latched again")
    assert ess(armed, "deactivate").returncode == 0
    armed.systemctl("start", ORDER[3])
    armed.systemctl("stop", ORDER[0])
    trip(armed)
    assert sorted(armed.read(RUNNING).split()) == sorted(ORDER[1:])


@pytest.mark.parametrize("reader", ["true", "head -n 1", "grep -q up"])
def test_reader_that_goes_away_does_not_stop_the_release(armed: Lab, reader: str) -> None:
    trip(armed)
    armed.sh(f"({CONTROLLER} deactivate || :) | {reader}", timeout=30)
    armed.wait_until(lambda: is_released(armed), what="released")
    assert_released(armed)


def test_ctrl_z_does_not_leave_it_half_way(armed: Lab) -> None:
    trip(armed)
    code, _ = at_step(armed, f"started {ORDER[0]}", "kill -TSTP $pid")
    assert code == 0
    assert_released(armed)


# --- systemd does not answer ---


@pytest.mark.both_systemds
def test_release_while_pid1_hangs_changes_nothing(armed: Lab) -> None:
    trip(armed)
    with armed.pid1_frozen():
        done = ess(armed, "deactivate", timeout=20)
        assert done.returncode == 6
        assert "does not answer" in done.stderr
        assert latched(armed)
    assert_held(armed)


@pytest.mark.parametrize("step", ["removed both flags", f"started {ORDER[1]}"])
def test_pid1_that_hangs_in_the_middle_of_a_release(arm_lab: ArmLab, step: str) -> None:
    """What was started is killed through the kernel, and nothing comes up when PID 1 is back."""
    lab = arm_lab(settings={**BRISK, "QT_ESS_START_TIMEOUT": "2"})
    trip(lab)
    lab.exec("rm", "-f", "/run/freeze")
    freeze = threading.Thread(target=freeze_when, args=(lab, "/run/freeze"))
    freeze.start()
    try:
        code, printed = at_step(lab, step, "touch /run/freeze")
        dead = not alive(lab)
    finally:
        freeze.join()
        lab.resume_pid1()
    if code == 0:
        assert_released(lab)
        return
    assert code == 6, printed
    assert dead
    assert_latched_again(lab)


def freeze_when(lab: Lab, signal: str) -> None:
    """Freeze PID 1 once the file is there, seen from outside."""
    lab.wait_until(Path(f"/proc/{lab.leader}/root{signal}").exists, 20, "the release came so far")
    lab.freeze_pid1()


# --- install.sh while latched ---


def newer(lab: Lab) -> str:
    """Put a later version of the sources into the lab; return its installer."""
    lab.sh(f"cp -r {LIB} {SOURCE} && printf '# later\\n' >>{SOURCE}/ops/lib/enforce.sh")
    return f"{SOURCE}/ops/install.sh"


@pytest.mark.every_image
def test_upgrade_while_latched_keeps_the_latch(armed: Lab) -> None:
    trip(armed)
    before = starts(armed)
    installer = newer(armed)
    attempts = f"{NAP}while nap; do systemctl start quantum-execution quantum-governor; done"
    script = f"({attempts}) &>/dev/null & {installer} --no-python --no-drill; echo code=$?; kill $!"
    done = armed.exec("bash", "-c", script, timeout=90)
    # Its last word on the stop may come while an attempt is queued, and says so.
    queued = "code=4" in done.stdout and "QUEUED" in done.stdout and "ALIVE" not in done.stdout
    assert "code=0" in done.stdout or queued, done.stdout + done.stderr
    assert starts(armed) == before
    assert_held(armed)
    assert armed.read(f"{LIB}/ops/lib/enforce.sh").endswith("# later\n")
    assert ess(armed, "deactivate").returncode == 0
    assert_released(armed)


def test_upgrade_killed_half_way_while_latched(armed: Lab) -> None:
    trip(armed)
    before = starts(armed)
    installer = newer(armed)
    for tenths in range(1, 9):
        armed.sh(f"timeout -s KILL 0.{tenths} {installer} --no-python --no-drill || :", timeout=30)
        for unit in TRADING_UNITS:
            assert armed.systemctl("start", unit, check=False).returncode != 0
    assert starts(armed) == before
    assert alive(armed) == []
    armed.exec(installer, "--no-python", "--no-drill", timeout=60)
    assert_held(armed)


def test_upgrade_does_not_restart_trading(armed: Lab) -> None:
    before = {unit: armed.host_pids(unit) for unit in TRADING_UNITS}
    armed.exec(newer(armed), "--no-python", "--no-drill", timeout=60)
    assert {unit: armed.host_pids(unit) for unit in TRADING_UNITS} == before
    touch(armed)
    wait_contained(armed)
    assert_held(armed)


def test_configuration_that_lets_a_unit_go_is_refused_while_latched(armed: Lab) -> None:
    trip(armed)
    fewer = " ".join(ORDER[:3])
    armed.write("/etc/quantum-ess/ess.env", f'QT_ESS_TRADING_UNITS="{fewer}"\n')
    done = armed.exec(INSTALL, "--configure", check=False, timeout=60)
    assert done.returncode == 6
    assert f"{ORDER[3]}" in done.stderr
    assert armed.systemctl("start", ORDER[3], check=False).returncode != 0
    armed.write("/etc/quantum-ess/ess.env", 'QT_ESS_SETTLE="0.1"\n')
    assert_held(armed)
    assert ess(armed, "deactivate").returncode == 0
    configure(armed, {"QT_ESS_TRADING_UNITS": fewer})


@pytest.mark.parametrize("flag", [RUN_FLAG, VAR_FLAG])
def test_uninstall_is_refused_while_latched(armed: Lab, flag: str) -> None:
    touch(armed, flag)
    done = armed.exec(INSTALL, "--uninstall", check=False, timeout=60)
    assert done.returncode == 6
    assert "latch is set" in done.stderr
    wait_contained(armed)
    assert_held(armed)


def test_uninstall_is_refused_while_the_latch_cannot_be_read(armed: Lab) -> None:
    armed.sh("rm -rf /var/lib/quantum-ess; ln -s quantum-ess /var/lib/quantum-ess")
    done = armed.exec(INSTALL, "--uninstall", check=False, timeout=60)
    assert done.returncode == 6
    assert armed.exists("/etc/systemd/system/quantum-ess.path")


def test_uninstall_leaves_trading_alone(armed: Lab) -> None:
    before = {unit: armed.host_pids(unit) for unit in TRADING_UNITS}
    armed.exec(INSTALL, "--uninstall", timeout=60)
    assert {unit: armed.host_pids(unit) for unit in TRADING_UNITS} == before
    assert armed.sh("ls /etc/systemd/system | grep quantum-ess || :").stdout == ""
    assert armed.sh("systemctl list-units --all --no-legend 'quantum-ess*'").stdout == ""
