"""Release: in order, one at a time, only what ran, and latched again when anything goes wrong."""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING

import pytest

from tests.lab.rig import (
    BRISK,
    CONTROLLER,
    NAP,
    RUN_FLAG,
    RUNNING,
    VAR_FLAG,
    alive,
    assert_held,
    assert_released,
    configure,
    ess,
    first_line,
    has_process,
    starts,
    touch,
    trip,
    wait_contained,
    wait_latched,
    wait_trading,
)
from tests.lab.stack import TRADING_UNITS
from tests.thorough import in_turn

if TYPE_CHECKING:
    import subprocess

    from tests.lab.conftest import ArmLab
    from tests.lab.lab import Lab

pytestmark = pytest.mark.latch_alone

GOVERNOR = "quantum-governor.service"
ENGINE = "quantum-ai-engine.service"
APPLY = "quantum-apply-layer.service"
EXECUTION = "quantum-execution.service"
ORDER = (GOVERNOR, ENGINE, APPLY, EXECUTION)
SETTLE_MS = 400
# Little patience with a unit that does not come up.
BRITTLE = {"QT_ESS_SETTLE": "0.5", "QT_ESS_START_TIMEOUT": "2"}


def settle(seconds: float) -> dict[str, str]:
    return {"QT_ESS_SETTLE": str(seconds)}


def drop_in(lab: Lab, unit: str, text: str) -> None:
    lab.write(f"/etc/systemd/system/{unit}.d/test.conf", f"[Service]\n{text}\n")
    lab.systemctl("daemon-reload")


def started_at(lab: Lab, *units: str) -> dict[str, int]:
    """Return when each unit last became active, in us since boot."""
    told = lab.show_each(units, "ActiveEnterTimestampMonotonic")
    return {unit: int(moment) for unit, moment in told.items()}


def invocations(lab: Lab) -> dict[str, str]:
    return lab.show_each(TRADING_UNITS, "InvocationID")


def refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    """A release that changed nothing, and said why."""
    assert done.returncode == 6, done.stdout + done.stderr
    for word in words:
        assert word in done.stderr


# --- what is started, and in which order ---


@pytest.mark.both_systemds
def test_order_and_settle_as_systemd_saw_them(arm_lab: ArmLab) -> None:
    lab = arm_lab(settings=settle(SETTLE_MS / 1000))
    before = invocations(lab)
    trip(lab)
    done = ess(lab, "deactivate", "--reason", "market is calm")
    assert done.returncode == 0, done.stderr
    moments = list(started_at(lab, *ORDER).values())
    gaps = [later - earlier for earlier, later in itertools.pairwise(moments)]
    assert min(gaps) >= SETTLE_MS * 1000, gaps
    after = invocations(lab)
    assert all(after[unit] != before[unit] for unit in TRADING_UNITS)
    assert lab.show(GOVERNOR, "NRestarts") == {"NRestarts": "0"}
    assert_released(lab)
    assert invocations(lab) == after
    told = lab.journal("-t", "quantum-ess")
    assert "=== ESS DEACTIVATION INITIATED === (root: market is calm)" in told
    assert "=== ESS DEACTIVATED === (root: market is calm)" in told


def test_configured_order_is_followed(arm_lab: ArmLab) -> None:
    order = ("quantum-execution", "quantum-governor")
    lab = arm_lab(settings={**settle(0), "QT_ESS_START_ORDER": " ".join(order)})
    trip(lab)
    assert ess(lab, "deactivate").returncode == 0
    moments = started_at(lab, *TRADING_UNITS)
    assert sorted(moments, key=lambda unit: moments[unit]) == [EXECUTION, GOVERNOR, ENGINE, APPLY]


def test_units_stopped_by_hand_before_stay_stopped(armed: Lab) -> None:
    armed.systemctl("stop", ENGINE, EXECUTION)
    trip(armed)
    assert armed.read(RUNNING).split() == [APPLY, GOVERNOR]
    assert ess(armed, "deactivate").returncode == 0
    assert_released(armed, [APPLY, GOVERNOR])
    assert alive(armed) == [APPLY, GOVERNOR]


def test_unit_stopped_by_hand_just_before_the_touch_stays_stopped(armed: Lab) -> None:
    armed.sh(f"systemctl stop {ENGINE}; sleep 0.1; touch {RUN_FLAG}")
    wait_contained(armed)
    assert ess(armed, "deactivate").returncode == 0
    assert alive(armed) == [unit for unit in TRADING_UNITS if unit != ENGINE]


def test_all_starts_every_configured_unit(armed: Lab) -> None:
    armed.systemctl("stop", ENGINE)
    trip(armed)
    assert ess(armed, "deactivate", "--all").returncode == 0
    assert_released(armed)


def test_no_start_starts_none(armed: Lab) -> None:
    trip(armed)
    before = starts(armed)
    done = ess(armed, "deactivate", "--no-start")
    assert done.returncode == 0
    assert starts(armed) == before
    assert_released(armed, [])
    armed.systemctl("start", *TRADING_UNITS)
    wait_trading(armed)
    touch(armed)
    wait_contained(armed)
    assert_held(armed)


def test_unknown_list_is_refused(armed: Lab) -> None:
    trip(armed)
    armed.write(RUNNING, "unknown\n")
    refused(ess(armed, "deactivate"), "not known what was running", "--all", "--no-start")
    assert_held(armed)


def test_list_that_somebody_deleted_is_written_again(armed: Lab) -> None:
    armed.systemctl("stop", ENGINE)
    trip(armed)
    armed.exec("rm", RUNNING)
    armed.wait_until(lambda: armed.exists(RUNNING), what="the list is back")
    assert ess(armed, "deactivate").returncode == 0
    assert_released(armed, [unit for unit in TRADING_UNITS if unit != ENGINE])


@pytest.mark.both_systemds
def test_sockets_timers_and_paths_come_back(lab: Lab) -> None:
    lab.put_unit("feed.service", "[Service]\nExecStart=/usr/bin/sleep infinity\n")
    lab.put_unit(
        "feed.socket", "[Socket]\nListenStream=/run/feed.sock\n[Install]\nWantedBy=sockets.target\n"
    )
    lab.put_unit("rebalance.service", "[Service]\nType=oneshot\nExecStart=/usr/bin/true\n")
    lab.put_unit("rebalance.timer", "[Timer]\nOnActiveSec=1h\n[Install]\nWantedBy=timers.target\n")
    lab.put_unit("orders.service", "[Service]\nExecStart=/usr/bin/sleep infinity\n")
    lab.put_unit(
        "orders.path", "[Path]\nPathExists=/run/orders\n[Install]\nWantedBy=paths.target\n"
    )
    units = ("feed.service", "rebalance.service", "orders.service")
    triggers = ("feed.socket", "rebalance.timer", "orders.path")
    names = " ".join((*TRADING_UNITS, *units))
    configure(lab, {**settle(0), "QT_ESS_TRADING_UNITS": names})
    lab.systemctl("start", *TRADING_UNITS, *triggers, "feed.service")
    trip(lab)
    lab.wait_until(lambda: not any(lab.state(unit) == "active" for unit in triggers))
    lab.exec("touch", "/run/orders")
    assert alive(lab, units) == []
    assert lab.systemctl("start", "rebalance.timer", check=False).returncode == 0
    assert ess(lab, "deactivate").returncode == 0
    assert [lab.state(unit) for unit in triggers] == ["active"] * 3
    feed = started_at(lab, "feed.socket", "feed.service")
    assert feed["feed.socket"] <= feed["feed.service"]
    assert_released(lab, [*TRADING_UNITS, "feed.service", "orders.service"])


# --- what must not come up ---


@pytest.mark.parametrize(
    ("flaw", "why"),
    [
        ("ExecStart=\nExecStart=/usr/bin/false\nRestart=no", "did not"),
        ("ExecStart=\nExecStart=/usr/bin/sleep 0.2\nRestart=no", "did not stay up for 0.5 s"),
        ("ExecStart=\nExecStart=/usr/bin/sleep 0.2\nRestart=always", "did not stay up for 0.5 s"),
        ("ExecStart=\nExecStart=/nonexistent\nRestart=no", "did not"),
        ("ExecStartPre=/usr/bin/false\nRestart=no", "did not come up"),
        ("ExecStartPre=/usr/bin/sleep 60", "did not come up within 2 s"),
        ("Type=notify\nRestart=no", "did not come up within 2 s"),
        ("Type=oneshot\nRestart=no\n[Unit]\nConditionPathExists=/nonexistent", "did not come up"),
        ("[Unit]\nAssertPathExists=/nonexistent", "did not come up"),
    ],
)
def test_unit_that_does_not_come_up_latches_again(arm_lab: ArmLab, flaw: str, why: str) -> None:
    lab = arm_lab(settings=BRITTLE)
    trip(lab)
    drop_in(lab, APPLY, flaw)
    done = ess(lab, "deactivate")
    assert done.returncode == 6, done.stdout + done.stderr
    assert f"{APPLY} " in done.stderr
    assert why in done.stderr
    assert alive(lab) == []
    moments = started_at(lab, GOVERNOR, ENGINE, EXECUTION)
    assert moments[EXECUTION] < moments[GOVERNOR] < moments[ENGINE]
    lab.exec("rm", f"/etc/systemd/system/{APPLY}.d/test.conf")
    lab.systemctl("daemon-reload")
    assert f"{APPLY} " in assert_held(lab).stdout


def test_what_did_not_come_up_is_released_once_it_can(arm_lab: ArmLab) -> None:
    lab = arm_lab(settings=BRITTLE)
    trip(lab)
    drop_in(lab, APPLY, "ExecStart=\nExecStart=/usr/bin/false\nRestart=no")
    assert ess(lab, "deactivate").returncode == 6
    lab.exec("rm", f"/etc/systemd/system/{APPLY}.d/test.conf")
    lab.systemctl("daemon-reload")
    assert ess(lab, "deactivate").returncode == 0
    assert_released(lab)


# --- somebody else at the same time ---


def after_start_of(unit: str, action: str) -> str:
    """Return a bash script that does `action` once systemd has started the unit."""
    return f"{NAP}until {has_process(unit)}; do nap; done; {action}"


@pytest.mark.parametrize(("unit", "flag"), in_turn(ORDER, (RUN_FLAG, VAR_FLAG)))
def test_flag_that_reappears_stops_the_release(arm_lab: ArmLab, unit: str, flag: str) -> None:
    lab = arm_lab(settings=BRITTLE)
    trip(lab)
    script = f"({after_start_of(unit, f'touch {flag}')}) & {CONTROLLER} deactivate"
    done = lab.sh(script, check=False, timeout=30)
    assert done.returncode == 6, done.stdout + done.stderr
    assert "set the latch again" in done.stderr
    assert alive(lab) == []
    moments = started_at(lab, *ORDER)
    later = ORDER[ORDER.index(unit) + 1 :]
    assert all(moments[other] < moments[GOVERNOR] for other in later)
    assert_held(lab)


def test_flag_that_reappears_before_anything_is_started(armed: Lab) -> None:
    trip(armed)
    before = starts(armed)
    script = f"(while [[ -e {RUN_FLAG} ]]; do :; done; touch {RUN_FLAG}) & {CONTROLLER} deactivate"
    if armed.sh(script, check=False, timeout=30).returncode:
        assert starts(armed) == before
    wait_latched(armed)
    wait_contained(armed)
    assert_held(armed)


def test_activation_during_a_release_wins(armed: Lab) -> None:
    """At whatever moment of a release somebody stops trading, it is down when he is told so."""
    begun = "[[ $(</run/quantum-ess/release.lock) == $! ]] || ! kill -0 $!"
    armed.sh("touch /run/quantum-ess/release.lock")
    trip(armed)
    for delay in range(50, 650, 100):
        armed.wait_until(lambda: armed.exists(RUNNING), what="what ran is written down")
        later = f"until {begun}; do :; done; sleep {delay / 1000}"
        script = f"{CONTROLLER} deactivate & {later}; {CONTROLLER} activate; wait $!"
        done = armed.exec("bash", "-c", script, check=False, timeout=30)
        assert "CONTAINED: no trading" in done.stdout, done.stdout + done.stderr
        assert done.returncode == 6, f"{delay} ms: {done.stdout}{done.stderr}"
        assert alive(armed) == []
        wait_latched(armed)
        assert ess(armed, "status", "--quiet").returncode == 7


def at_the_prompt(lab: Lab, typist: str) -> subprocess.CompletedProcess[str]:
    """Release on a terminal of its own; what `typist` (bash) prints is typed at the question."""
    screen = "/tmp/screen"
    typing = f"until grep -q Type {screen}; do sleep 0.02; done; {typist}"
    terminal = f"script -qfe -E never -c 'exec {CONTROLLER} deactivate' {screen}"
    return lab.sh(f": >{screen}; ({typing}) | {terminal}", check=False, timeout=30)


@pytest.mark.parametrize("action", [f"touch {RUN_FLAG}", f"{CONTROLLER} activate", "ess activate"])
def test_who_stops_while_another_is_asked_whether_to_release(armed: Lab, action: str) -> None:
    """What the person at the prompt was shown is no longer what he would release."""
    trip(armed)
    done = at_the_prompt(armed, f"{action} >/dev/null; printf 'release\\nok\\n'")
    assert done.returncode == 6, done.stdout
    assert "asked for the stop again" in done.stdout
    assert_held(armed)


def test_two_operators_at_once(armed: Lab) -> None:
    trip(armed)
    script = f"for i in 1 2 3; do ({CONTROLLER} deactivate; echo code=$?) & done; wait"
    done = armed.exec("bash", "-c", script, timeout=30)
    codes = sorted(re.findall(r"code=(\d)", done.stdout))
    assert codes == ["0", "6", "6"], done.stdout + done.stderr
    assert done.stderr.count("another release is running (pid ") == 2
    assert_released(armed)
    assert ess(armed, "deactivate").returncode == 0


# --- who may, and what is asked ---


def test_not_root(armed: Lab) -> None:
    trip(armed)
    done = armed.exec(
        *("setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"),
        *(CONTROLLER, "deactivate"),
        check=False,
    )
    assert done.returncode == 3
    assert done.stderr.count("\n") == 1
    assert "sudo" in done.stderr
    assert_held(armed)


def await_said(lab: Lab, line: str) -> None:
    """No command waits for the journal."""
    lab.wait_until(lambda: line in lab.journal("-t", "quantum-ess"), what=line)


def test_plain_command_without_a_terminal_and_without_a_reason(armed: Lab) -> None:
    trip(armed)
    done = ess(armed, "deactivate")
    assert (done.returncode, done.stderr) == (0, "")
    await_said(armed, "=== ESS DEACTIVATED === (root: not given)")
    assert_released(armed)


def test_reason_is_demanded_when_configured(arm_lab: ArmLab) -> None:
    lab = arm_lab(settings={**BRISK, "QT_ESS_REQUIRE_REASON": "yes"})
    trip(lab)
    refused(ess(lab, "deactivate"), "a reason is required", "--reason")
    refused(ess(lab, "deactivate", "--yes"), "a reason is required")
    refused(ess(lab, "deactivate", "--reason", ""), "a reason is required")
    assert_held(lab)
    assert ess(lab, "deactivate", "--reason", "checked").returncode == 0
    assert_released(lab)


def test_operator_is_who_called_sudo(armed: Lab) -> None:
    trip(armed)
    assert ess(armed, "deactivate", env={"SUDO_USER": "maria"}).returncode == 0
    await_said(armed, "=== ESS DEACTIVATED === (maria: not given)")


NOT_THE_WORD = (r"\n", r"yes\n", r"RELEASE\n", r"releas\n", r"release it\n", r"\004", r"\003")


def test_terminal_with_anything_but_the_word_changes_nothing(armed: Lab) -> None:
    trip(armed)
    before = starts(armed)
    flags = [armed.read(flag) for flag in (RUN_FLAG, VAR_FLAG)]
    for typed in NOT_THE_WORD:
        done = at_the_prompt(armed, f"printf '{typed}'")
        assert done.returncode == 6, typed + done.stdout
        assert [armed.read(flag) for flag in (RUN_FLAG, VAR_FLAG)] == flags, typed
        assert starts(armed) == before, typed
    assert_held(armed)


def test_terminal_asks_for_the_word_and_a_reason(armed: Lab) -> None:
    trip(armed)
    done = armed.tty(CONTROLLER, "deactivate", typed="release\nfat finger\n", timeout=30)
    assert "Reason: " in done.stdout
    asked = done.stdout.partition('Type "release"')[0].splitlines()
    listed = [line.strip() for line in asked if line.strip() in TRADING_UNITS]
    assert listed[0] == "quantum-governor.service", "the order in which they are started"
    assert listed[-1] == "quantum-execution.service"
    assert "fat finger" in armed.journal("-t", "quantum-ess")
    assert_released(armed)


def test_terminal_with_yes_and_a_reason_asks_nothing(armed: Lab) -> None:
    trip(armed)
    argv = (CONTROLLER, "deactivate", "--yes", "--reason", "drill")
    done = armed.tty(*argv, typed="", timeout=30)
    assert "Type" not in done.stdout
    assert_released(armed)


def test_not_latched_is_no_error(armed: Lab) -> None:
    done = ess(armed, "deactivate")
    assert done.returncode == 0
    assert first_line(done).startswith("ESS STATUS: INACTIVE")
    assert_released(armed)
