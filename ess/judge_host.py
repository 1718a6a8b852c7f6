"""Policy: files, directories, configuration, drill, kernel and latch of this host. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from ess.facts import FileState
from ess.findings import Finding
from ess.latch import State
from ess.paths import GATE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ess.facts import Facts, Stray
    from ess.paths import Paths

_DAY = 86400
_SHOWN_STRAYS = 5
_METRICS_OLD = 60  # s; the sentry comes every 10


def latch_readable(facts: Facts, paths: Paths) -> Iterator[Finding]:
    """Yield it when the state of the latch is not known."""
    if facts.latch is State.UNKNOWN:
        where = f"{paths.run_flag}, {paths.var_flag}"
        fix = f"ls -la {paths.run_dir} {paths.state_dir}"
        yield Finding("latch-unreadable", where, "cannot be looked at", fix)


def systemd_answers(facts: Facts, _paths: Paths) -> Iterator[Finding]:
    """Yield it when systemd does not answer."""
    if facts.systemd.error:
        fix = "see RUNBOOK.md, systemd is broken"
        yield Finding("systemd-silent", "systemd", facts.systemd.error, fix)


def configuration(facts: Facts, paths: Paths) -> Iterator[Finding]:
    """Yield what is wrong with the configuration, or that it is not the installed one."""
    settings = facts.settings
    again = f"sudo {paths.installer} --configure"
    if settings.current is None:
        code = "config-invalid" if settings.exists else "config-missing"
        fix = f"correct it, then: {again}" if settings.exists else again
        yield Finding(code, paths.config, settings.current_error, fix)
    elif settings.installed is None:
        yield Finding("config-not-installed", paths.installed, "is missing or damaged", again)
    elif settings.current != settings.installed:
        yield Finding("config-not-installed", paths.config, "changed since it was applied", again)


def files(facts: Facts, paths: Paths) -> Iterator[Finding]:
    """Yield the installed files that are not as installed; units and gates are judged elsewhere."""
    if facts.disk.manifest_error:
        fix = "install quantum-ess again"
        yield Finding("not-installed", paths.manifest, facts.disk.manifest_error, fix)
    own = {f"{paths.unit_dir}/{unit}" for unit in paths.own_units}
    for path, state in facts.disk.files.items():
        if path in own and state is FileState.ALTERED:
            continue
        if state is FileState.SAME or path.endswith(f"/{GATE}"):
            continue
        code = {"missing": "file-missing", "altered": "file-altered"}.get(
            state.value, "file-unreadable"
        )
        generated = path.startswith((paths.unit_dir, f"{paths.root}/etc/"))
        fix = f"sudo {paths.installer} --configure" if generated else "install quantum-ess again"
        yield Finding(code, path, f"is {state.value}", fix)


def directories(facts: Facts, paths: Paths) -> Iterator[Finding]:
    """Yield the directories of the latch that are missing or open to others."""
    for path, wrong in facts.disk.directories.items():
        if not wrong:
            continue
        fix = f"sudo systemd-tmpfiles --create {paths.tmpfiles}"
        if path == paths.requests:
            if wrong == "is not a directory":
                fix = f"sudo rm {path}; {fix}"
            yield Finding("request-directory-wrong", path, wrong, fix)
            continue
        if not wrong.startswith("does not"):
            fix = f"sudo chown 0:0 {path}; sudo chmod 0755 {path}"
        yield Finding("directory-wrong", path, wrong, fix)


def drill(facts: Facts, paths: Paths) -> Iterator[Finding]:
    """Yield it when no recent drill proves the stop."""
    record = facts.disk.drill
    known = facts.settings.current or facts.settings.installed
    if record.epoch is None:
        yield Finding("drill-never", paths.last_drill, "no drill is on record", "sudo ess drill")
        return
    days = (facts.now - record.epoch) / _DAY
    if record.result != "PASS":
        message = f"the drill of {record.at or 'unknown time'} did not pass"
        fix = f"journalctl -u {paths.drill_unit}; sudo ess drill"
        yield Finding("drill-failed", paths.last_drill, message, fix)
    elif days < -1:
        message = "the last drill is dated in the future: the clock was wrong"
        yield Finding("drill-overdue", paths.last_drill, message, "sudo ess drill")
    elif known and days > known.drill_max_age_days:
        message = f"the last drill was {days:.0f} days ago"
        yield Finding("drill-overdue", paths.last_drill, message, "sudo ess drill")


def metrics(facts: Facts, paths: Paths) -> Iterator[Finding]:
    """Yield it when the sentry runs and its file for node_exporter is old all the same."""
    age = facts.disk.metrics_age
    timer = facts.systemd.units.get(paths.sentry_timer, {})
    if age is None or timer.get("ActiveState") != "active":
        return
    runs = facts.monotonic - int(timer.get("ActiveEnterTimestampMonotonic", "0")) / 1e6
    # After a boot it takes the sentry its 10 s.
    if min(age, runs) <= _METRICS_OLD:
        return
    known = facts.settings.current or facts.settings.installed
    where = f"{known.metrics_dir if known else ''}/{paths.sentry_metrics}"
    message = "is missing" if math.isinf(age) else f"was last written {age:.0f} s ago"
    yield Finding("metrics-stale", where, message, f"sudo systemctl start {paths.sentry_unit}")


def kernel(facts: Facts, paths: Paths) -> Iterator[Finding]:
    """Yield what hinders finding and killing processes, and trading outside its units."""
    known = facts.kernel
    if known.cgroup_error:
        fix = "boot with systemd.unified_cgroup_hierarchy=1"
        yield Finding("cgroup-missing", paths.cgroup_mount, known.cgroup_error, fix)
    elif not known.can_kill:
        yield Finding("cgroup-kill-missing", "kernel", "has no cgroup.kill", "update the kernel")
    if known.strays_error:
        yield Finding("processes-unknown", "/proc", known.strays_error, "sudo ess doctor")
    for stray in known.strays[:_SHOWN_STRAYS]:
        if stray.user:
            yield _of_the_user(stray)
            continue
        message = f"its program also runs outside it: pid {stray.pid} in {stray.cgroup}"
        fix = f"sudo kill {stray.pid}"
        if stray.left:
            message = f"one of its processes left it: pid {stray.pid} in {stray.cgroup}"
            fix = "start it with User= in the unit, not with su or systemd-run"
        yield Finding("process-outside-unit", stray.unit, message, fix)


def _of_the_user(stray: Stray) -> Finding:
    message = f"pid {stray.pid} in {stray.cgroup} runs as its user {stray.user}"
    return Finding("user-outside-unit", stray.unit, message, f"ps -fp {stray.pid}")


def aftermath(facts: Facts, paths: Paths) -> Iterator[Finding]:
    """Yield what an interrupted release or a dead enforcer left behind."""
    if facts.latch is State.CLEAR:
        if facts.disk.left_running:
            message = "lists units that were to be started again"
            yield Finding("release-unfinished", paths.running, message, "sudo ess deactivate")
        return
    enforcer = facts.systemd.units.get(paths.trigger_unit, {})
    if enforcer and enforcer.get("ActiveState") != "active":
        message = f"is {enforcer.get('ActiveState', 'unknown')} while the latch is on"
        yield Finding("enforcer-missing", paths.trigger_unit, message, "sudo ess activate")
