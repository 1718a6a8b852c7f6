"""The policy: each thing that can be wrong is found, alone, and nothing else is."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest

from ess import armed, judge_aftermath
from ess.facts import Aftermath, Drill, Facts, FileState, Stray, Waiting
from ess.findings import CATALOGUE, Severity
from ess.judge_trading import required
from ess.latch import State
from tests.unit.facts import (
    CONFIG,
    NOW,
    PATHS,
    TRADING,
    gate,
    healthy,
    own_unit,
    with_file,
    with_part,
    with_unit,
)
from tests.unit.test_judge_watch import CASES as WATCHER

if TYPE_CHECKING:
    from ess.manager import Assertion

UNIT = TRADING[0]
DAY = 86400


def watcher_states(prefix: str, unit: str) -> dict[str, tuple[Facts, str]]:
    return {
        f"{prefix}-missing": (with_unit(unit, LoadState="not-found"), f"{prefix}-missing"),
        f"{prefix}-masked": (with_unit(unit, LoadState="masked"), f"{prefix}-masked"),
        f"{prefix}-stopped": (
            with_unit(unit, ActiveState="inactive", SubState="dead"),
            f"{prefix}-stopped",
        ),
        f"{prefix}-failed": (
            with_unit(unit, ActiveState="failed", Result="resources"),
            f"{prefix}-failed",
        ),
        f"{prefix}-disabled": (with_unit(unit, UnitFileState="disabled"), f"{prefix}-disabled"),
    }


def with_halt_list(units: str) -> Facts:
    return with_unit(PATHS.halt_target, Conflicts=units)


def with_asserts(asserts: tuple[Assertion, ...] | None, error: str = "") -> Facts:
    known = None if asserts is None else dict.fromkeys(TRADING, required(PATHS)) | {UNIT: asserts}
    return with_part("systemd", assertions=known, assertions_error=error)


def latched(facts: Facts) -> Facts:
    units = dict(facts.systemd.units)
    running = {"ActiveState": "active", "SubState": "running"}
    for unit in (PATHS.path_unit, PATHS.trigger_unit):
        units[unit] = units[unit] | running
    return facts._replace(latch=State.LATCHED, systemd=facts.systemd._replace(units=units))


def after(drill: Drill | None = None, **changed: Any) -> Facts:
    """Return the facts of a host that tells people through slack."""
    known = drill or Drill(NOW, "PASS", "2027-01-15T08:00:00Z", {"slack": True}, "yes")
    told = Aftermath(channels=("slack",))._replace(**changed)
    return with_part("disk", drill=known)._replace(aftermath=told)


def started(path: str, arguments: str) -> str:
    """Return an ExecStart property as systemctl spells it."""
    return f"{{ path={path} ; argv[]={arguments} ; ignore_errors=no ; pid=0 }}"


# what is wrong: (the facts, the one code that is found)
CASES: dict[str, tuple[Facts, str]] = {
    **watcher_states("path", PATHS.path_unit),
    **watcher_states("quick-path", PATHS.quick_path_unit),
    **watcher_states("disk-path", PATHS.disk_path_unit),
    **watcher_states("request-path", PATHS.request_path_unit),
    **watcher_states("sentry", PATHS.sentry_timer),
    **watcher_states("drill-timer", PATHS.drill_timer),
    "path hit its limit": (
        with_unit(PATHS.path_unit, ActiveState="failed", Result="unit-start-limit-hit"),
        "path-failed",
    ),
    "path in an odd state": (with_unit(PATHS.path_unit, SubState="failed"), "path-stopped"),
    "path not described": (with_unit(PATHS.path_unit, ActiveState=""), "path-stopped"),
    "trigger hit its limit": (
        with_unit(PATHS.trigger_unit, Result="start-limit-hit"),
        "start-limit",
    ),
    "trigger missing": (with_unit(PATHS.trigger_unit, LoadState="not-found"), "unit-missing"),
    "halt path missing": (with_unit(PATHS.halt_path_unit, LoadState="masked"), "unit-missing"),
    "halt target missing": (with_unit(PATHS.halt_target, LoadState="masked"), "unit-missing"),
    "trigger from elsewhere": (
        with_unit(PATHS.trigger_unit, FragmentPath="/run/systemd/system/x"),
        "unit-altered",
    ),
    "trigger overridden": (
        with_unit(
            PATHS.trigger_unit,
            DropInPaths="/etc/systemd/system/quantum-ess-trigger.service.d/override.conf",
        ),
        "unit-altered",
    ),
    "trigger edited": (
        with_file(f"{PATHS.unit_dir}/{PATHS.trigger_unit}", FileState.ALTERED),
        "unit-altered",
    ),
    "sentry edited": (
        with_file(f"{PATHS.unit_dir}/{PATHS.sentry_unit}", FileState.ALTERED),
        "unit-altered",
    ),
    "trigger file gone": (
        with_file(f"{PATHS.unit_dir}/{PATHS.trigger_unit}", FileState.MISSING),
        "file-missing",
    ),
    "our unit not reloaded": (with_unit(PATHS.path_unit, NeedDaemonReload="yes"), "needs-reload"),
    "trading unit not reloaded": (with_unit(UNIT, NeedDaemonReload="yes"), "needs-reload"),
    "gate never installed": (with_file(gate(UNIT), None), "gate-missing"),
    "gate removed": (with_file(gate(UNIT), FileState.MISSING), "gate-missing"),
    "gate edited": (with_file(gate(UNIT), FileState.ALTERED), "gate-edited"),
    "gate unreadable": (with_file(gate(UNIT), FileState.UNREADABLE), "gate-edited"),
    "gate emptied by a later drop-in": (with_asserts(()), "gate-shadowed"),
    "gate for one flag only": (with_asserts(required(PATHS)[::2]), "gate-shadowed"),
    "gate as alternative only": (
        with_asserts(tuple(known._replace(trigger=True) for known in required(PATHS))),
        "gate-shadowed",
    ),
    "asserts unknown for all": (with_asserts(None, "no answer"), "gate-unknown"),
    "halt target lacks a unit": (with_halt_list(TRADING[1]), "halt-outdated"),
    "halt target stops a monitor": (
        with_halt_list(" ".join((*TRADING, "grafana-server.service"))),
        "halt-outdated",
    ),
    "controller edited": (with_file(PATHS.controller, FileState.ALTERED), "file-altered"),
    "controller gone": (with_file(PATHS.controller, FileState.MISSING), "file-missing"),
    "controller unreadable": (
        with_file(PATHS.controller, FileState.UNREADABLE),
        "file-unreadable",
    ),
    "no manifest": (with_part("disk", manifest_error="No such file"), "not-installed"),
    "configuration invalid": (
        with_part("settings", current=None, current_error="ess.env:3: bad"),
        "config-invalid",
    ),
    "configuration gone": (
        with_part("settings", current=None, current_error="x", exists=False),
        "config-missing",
    ),
    "configuration changed": (
        with_part("settings", current=CONFIG._replace(settle=9)),
        "config-not-installed",
    ),
    "installed set gone": (with_part("settings", installed=None), "config-not-installed"),
    "requests open to all": (
        with_part("disk", directories={PATHS.requests: "has mode 1777, not 1730"}),
        "request-directory-wrong",
    ),
    "requests led elsewhere": (
        with_part("disk", directories={PATHS.requests: "is not a directory"}),
        "request-directory-wrong",
    ),
    "directory open to others": (
        with_part("disk", directories={PATHS.run_dir: "has mode 0777, not 0755"}),
        "directory-wrong",
    ),
    "directory gone": (
        with_part("disk", directories={PATHS.state_dir: "does not exist"}),
        "directory-wrong",
    ),
    "runtime directory clash": (
        with_unit(UNIT, RuntimeDirectory="bot quantum"),
        "runtime-directory-clash",
    ),
    "trading unit unknown": (with_unit(UNIT, LoadState="not-found"), "unit-unknown"),
    "trading unit by another name": (with_unit(UNIT, Id="real.service"), "unit-alias"),
    "trading outside its unit": (
        with_part("kernel", strays=(Stray(UNIT, 7, "/user.slice/x.scope"),)),
        "process-outside-unit",
    ),
    "trading that left its unit": (
        with_part("kernel", strays=(Stray(UNIT, 7, "/user.slice/x.scope", left=True),)),
        "process-outside-unit",
    ),
    "trading's user elsewhere": (
        with_part("kernel", strays=(Stray(UNIT, 7, "/system.slice/cron.service", user="bot"),)),
        "user-outside-unit",
    ),
    "trading in a container": (
        with_unit(UNIT, ExecStart=started("/usr/bin/docker", "docker run bot")),
        "runs-elsewhere",
    ),
    "trading in a container of podman": (
        with_unit(UNIT, ExecStart=started("/usr/bin/podman", "podman run bot")),
        "runs-elsewhere",
    ),
    "trading handed over by a shell": (
        with_unit(UNIT, ExecStart=started("/bin/sh", "/bin/sh -c exec /usr/bin/systemd-run bot")),
        "runs-elsewhere",
    ),
    "trading handed to a daemon by a pipe": (
        with_unit(UNIT, ExecStart=started("/bin/sh", "/bin/sh -c echo bot | at now")),
        "runs-elsewhere",
    ),
    "trading in somebody's tmux": (
        with_unit(UNIT, ExecStart=started("/usr/bin/tmux", "tmux new-session -d bot")),
        "runs-elsewhere",
    ),
    "trading on another host": (
        with_unit(UNIT, ExecStart=started("/usr/bin/env", "env ssh localhost bot")),
        "runs-elsewhere",
    ),
    "trading that another unit does": (
        with_unit(UNIT, ExecStart=started("/bin/systemctl", "systemctl --user start bot")),
        "runs-elsewhere",
    ),
    "trading as root": (with_unit(UNIT, User=""), "may-leave-unit"),
    "processes hidden": (with_part("kernel", strays_error="denied"), "processes-unknown"),
    "no drill ever": (with_part("disk", drill=Drill(None)), "drill-never"),
    "drill too old": (with_part("disk", drill=Drill(NOW - 9 * DAY, "PASS")), "drill-overdue"),
    "drill in the future": (with_part("disk", drill=Drill(NOW + 2 * DAY, "PASS")), "drill-overdue"),
    "drill failed": (with_part("disk", drill=Drill(NOW, "FAIL")), "drill-failed"),
    "drill without a result": (with_part("disk", drill=Drill(NOW)), "drill-failed"),
    "no cgroup v2": (with_part("kernel", cgroup_error="none"), "cgroup-missing"),
    "old kernel": (with_part("kernel", can_kill=False), "cgroup-kill-missing"),
    "latch unreadable": (
        latched(healthy())._replace(latch=State.UNKNOWN),
        "latch-unreadable",
    ),
    "release broken off": (with_part("disk", left_running=True), "release-unfinished"),
    "metrics old": (with_part("disk", metrics_age=61), "metrics-stale"),
    "metrics missing": (with_part("disk", metrics_age=math.inf), "metrics-stale"),
    "not root": (after(unknown={"what follows": "only root may look"}), "aftermath-unknown"),
    "alerts misconfigured": (
        after(problems=("no slack alerts: QT_ESS_SLACK_CHANNEL malformed",)),
        "alerts-misconfigured",
    ),
    "delivery does not start": (
        after(broken=f"{PATHS.deliver_unit} is masked", channels=()),
        "delivery-broken",
    ),
    "secrets open to others": (after(exposed="others may read it"), "alerts-exposed"),
    "package gone": (after(packages={"apprise": "No module named 'apprise'"}), "alerts-package"),
    "events wait": (after(waiting={PATHS.spools[1]: Waiting(3, 121)}), "spool-waiting"),
    "channel fails": (after(missed={"slack": 1_799_990_000}), "alert-failing"),
    "channel refused the drill": (
        after(Drill(NOW, "PASS", "", {"slack": False}, "yes")),
        "alert-unacked",
    ),
    "channel not tried": (after(channels=("slack", "sms-1")), "alert-unacked"),
    "log edited": (after(faults=((f"{PATHS.audit}:12", "was edited"),)), "audit-broken"),
    "log not whole in the drill": (
        after(Drill(NOW, "PASS", "2027-01-15T08:00:00Z", {"slack": True}, "no")),
        "audit-broken",
    ),
    "enforcer dead": (healthy()._replace(latch=State.LATCHED), "enforcer-missing"),
}


@pytest.mark.parametrize(("facts", "code"), CASES.values(), ids=CASES.keys())
def test_each_fault_is_found_alone(facts: Facts, code: str) -> None:
    found = armed.findings(facts, PATHS)
    assert {finding.code for finding in found} == {code}
    for finding in found:
        assert finding.where
        assert finding.message
        assert finding.fix
    warning = CATALOGUE[code][0] is Severity.WARNING
    assert armed.is_armed(found) == warning


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("/usr/bin/tmux", "tmux -L bot new-session -d bot"),
        ("/usr/bin/ssh", "ssh -N -L 1:localhost:1 feed"),
        ("/bin/sh", "/bin/sh -c exec bot --mode batch --at 5 at"),
        ("/bin/sh", "/bin/sh -c until systemctl is-active redis; do sleep 1; done; exec bot"),
        ("/opt/bot", "/opt/bot docker"),
    ],
)
def test_what_only_sounds_like_elsewhere(path: str, line: str) -> None:
    assert armed.findings(with_unit(UNIT, ExecStart=started(path, line)), PATHS) == []


@pytest.mark.parametrize("known", [{"User": "bot"}, {"User": "", "DynamicUser": "yes"}])
def test_who_is_not_root_may_not_leave(known: dict[str, str]) -> None:
    assert armed.findings(with_unit(UNIT, **known), PATHS) == []


def test_one_warning_for_all_that_run_as_root() -> None:
    facts = with_unit(UNIT, User="root")
    units = dict(facts.systemd.units)
    other = next(unit for unit in facts.systemd.trading if unit != UNIT)
    units[other] = units[other] | {"User": "0"}
    facts = facts._replace(systemd=facts.systemd._replace(units=units))
    [found] = armed.findings(facts, PATHS)
    assert (found.code, found.where) == ("may-leave-unit", " ".join(facts.systemd.trading))


def test_a_healthy_host_is_armed() -> None:
    assert armed.findings(healthy(), PATHS) == []
    assert armed.is_armed([])


def test_a_healthy_latched_host_has_no_finding() -> None:
    assert armed.findings(latched(healthy()), PATHS) == []


def test_nothing_that_follows_a_stop_disarms() -> None:
    worst = after(
        unknown={"x": "y"},
        problems=("x",),
        exposed="x",
        packages={"redis": "x"},
        waiting={PATHS.spools[0]: Waiting(9, 1e9)},
        channels=("slack", "email-1"),
        missed={"email-1": 0},
        faults=(("x:1", "y"),),
    )
    found = armed.findings(worst, PATHS)
    assert len(found) == 8, "one for each, and the two channels are one"
    assert armed.is_armed(found)


def test_what_is_of_no_consequence_is_no_finding() -> None:
    """Events on their way, a channel that is no longer configured, a drill that never was."""
    waiting = {PATHS.spools[0]: Waiting(9, 119)}
    assert armed.findings(after(waiting=waiting, missed={"sms-1": 1}), PATHS) == []
    never = armed.findings(after(Drill(None)), PATHS)
    assert [finding.code for finding in never] == ["drill-never"]


@pytest.mark.parametrize(
    ("facts", "known"),
    [
        (healthy(), None),
        (after(unknown={"x": "only root"}, channels=()), None),
        (after(channels=()), {}),
        (after(), {"slack": True}),
        (after(unknown={"the log": "no answer"}), {"slack": True}),
        (
            after(Drill(NOW, "PASS", "", {"slack": False}), channels=("redis", "slack")),
            {"redis": None, "slack": False},
        ),
    ],
)
def test_who_took_the_test_of_the_last_drill(
    facts: Facts, known: dict[str, bool | None] | None
) -> None:
    assert judge_aftermath.acked(facts) == known


def test_old_metrics_of_a_stopped_sentry_are_no_finding_of_their_own() -> None:
    facts = with_unit(PATHS.sentry_timer, ActiveState="inactive", SubState="dead")
    old = facts._replace(disk=facts.disk._replace(metrics_age=math.inf))
    assert [finding.code for finding in armed.findings(old, PATHS)] == ["sentry-stopped"]
    assert armed.findings(with_part("disk", metrics_age=59), PATHS) == []


def test_after_a_boot_metrics_take_a_moment() -> None:
    fresh = with_unit(PATHS.sentry_timer, ActiveEnterTimestampMonotonic="950000000")
    missing = fresh._replace(disk=fresh.disk._replace(metrics_age=math.inf))
    assert armed.findings(missing, PATHS) == []


def test_a_silent_systemd_is_one_finding_and_never_armed() -> None:
    facts = healthy()._replace(systemd=healthy().systemd._replace(error="silent", units={}))
    found = armed.findings(facts, PATHS)
    assert [finding.code for finding in found] == ["systemd-silent"]
    assert not armed.is_armed(found)


def test_units_that_systemd_did_not_describe_are_missing() -> None:
    facts = healthy()
    facts = facts._replace(systemd=facts.systemd._replace(units={}))
    codes = {finding.code for finding in armed.findings(facts, PATHS)}
    assert {"path-missing", "quick-path-missing", "sentry-missing", "unit-missing"} <= codes


def test_a_masked_trading_unit_needs_its_gate_on_disk_only() -> None:
    masked = with_unit(UNIT, LoadState="masked")
    unasserted = masked._replace(
        systemd=masked.systemd._replace(assertions={TRADING[1]: required(PATHS)})
    )
    assert armed.findings(unasserted, PATHS) == []


def test_a_neighbour_can_delete_the_flag_too() -> None:
    facts = with_unit("quantum-other.service", RuntimeDirectory="quantum")
    systemd = facts.systemd._replace(others=("quantum-other.service",))
    found = armed.findings(facts._replace(systemd=systemd), PATHS)
    assert [finding.code for finding in found] == ["runtime-directory-clash"]


def test_instances_are_gated_by_their_template() -> None:
    facts = healthy()
    template, instance = "bot@.service", "bot@1.service"
    trading = (*TRADING, instance)
    units = dict(facts.systemd.units)
    units[instance] = own_unit(instance) | {"DropInPaths": gate(template)}
    halt = " ".join(trading)
    units[PATHS.halt_target] = units[PATHS.halt_target] | {"Conflicts": halt}
    known = CONFIG._replace(trading=(*TRADING, "bot@*.service"))
    facts = facts._replace(
        settings=facts.settings._replace(current=known, installed=known),
        systemd=facts.systemd._replace(
            trading=trading,
            units=units,
            assertions=dict.fromkeys(trading, required(PATHS)),
        ),
        disk=facts.disk._replace(files={**facts.disk.files, gate(template): FileState.SAME}),
    )
    assert armed.findings(facts, PATHS) == []
    files = {path: state for path, state in facts.disk.files.items() if path != gate(template)}
    spoilt = facts._replace(disk=facts.disk._replace(files=files))
    codes = {finding.code for finding in armed.findings(spoilt, PATHS)}
    assert codes == {"gate-missing"}


def test_every_code_of_the_catalogue_can_be_found() -> None:
    found = {code for _, code in (CASES | WATCHER).values()} | {"systemd-silent"}
    assert found == set(CATALOGUE)


@pytest.mark.parametrize(
    ("path", "arguments"),
    [
        ("/usr/bin/podman", "/usr/bin/podman run --cgroups=split bot"),
        ("/opt/bot/run", "/opt/bot/run --mode docker"),
        ("/usr/bin/python3", "/usr/bin/python3 /opt/docker/bot.py"),
    ],
)
def test_who_runs_its_program_itself_hands_nothing_over(path: str, arguments: str) -> None:
    facts = with_unit(UNIT, ExecStart=started(path, arguments))
    assert armed.findings(facts, PATHS) == []
