"""Policy: is every trading unit gated, stopped first, and harmless to the latch? Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ess import names
from ess.facts import FileState
from ess.findings import Finding
from ess.manager import Assertion, commands
from ess.paths import GATE, MAIN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ess.facts import Facts, Properties
    from ess.manager import Command
    from ess.paths import Paths

# They are clients: what they start is the child of a daemon, and outlives them.
_ELSEWHERE = (
    *("docker", "docker-compose", "nerdctl", "podman", "systemd-run", "machinectl", "busctl"),
    *("ssh", "tmux", "crontab", "supervisorctl", "ctr", "lxc-start", "lxc-attach", "incus"),
)
# The same, but also words that a program may well be told.
_WORDS = ("at", "batch", "systemctl")
_BEFORE_A_PROGRAM = ("-c", "exec", "|", "||", "&&", ";")
_SHELLS = ("sh", "bash", "dash", "env", "sudo", "runuser", "nohup", "nice", "setsid", "timeout")
# With these they start nothing, or in the unit's own control group.
_HARMLESS = {"podman": ("--cgroups=split",), "ssh": ("-N",), "tmux": ("-L", "-S")}
_MEND = {
    "podman": "add --cgroups=split to podman in {unit}",
    "tmux": "add -L NAME to tmux in {unit}: a server of its own",
}
_ROOT = ("", "root", "0")
# Stopping a unit deletes the directories of these names below /run, and the flag in them.
_OURS = ("quantum", "quantum-ess")
_RELOAD = "sudo systemctl daemon-reload"


def required(paths: Paths) -> tuple[Assertion, ...]:
    """Return the asserts without which a unit is not gated."""
    return tuple(
        Assertion(kind, trigger=False, negate=True, parameter=flag)
        for kind in ("AssertPathExists", "AssertPathIsSymbolicLink")
        for flag in (paths.run_flag, paths.var_flag)
    )


def gates(facts: Facts, paths: Paths) -> Iterator[Finding]:
    """Yield the trading units that could be started while the latch is on."""
    for unit in facts.systemd.trading:
        known = facts.systemd.units.get(unit, {})
        load = known.get("LoadState", "unknown")
        if load == "not-found":
            fix = f"correct QT_ESS_TRADING_UNITS in {paths.config}"
            yield Finding("unit-unknown", unit, "is not known to systemd", fix)
            continue
        if known.get("Id", unit) != unit:
            fix = f"name it so in {paths.config}; sudo {paths.installer} --configure"
            yield Finding("unit-alias", unit, f"is another name of {known['Id']}", fix)
            continue
        broken = list(_gate_on_disk(unit, facts, paths))
        yield from broken
        # A masked unit has no asserts, and will have these when it is unmasked.
        if not broken and load != "masked":
            yield from _gate_in_effect(unit, facts, paths)
        if known.get("NeedDaemonReload") == "yes":
            yield Finding("needs-reload", unit, "changed since systemd read it", _RELOAD)


def _gate_on_disk(unit: str, facts: Facts, paths: Paths) -> Iterator[Finding]:
    again = f"sudo {paths.installer} --configure"
    file = _gate_file(unit, facts, paths)
    on_disk = facts.disk.files.get(file)
    if on_disk in (None, FileState.MISSING):
        yield Finding("gate-missing", unit, f"has no gate: {file} is missing", again)
    elif on_disk is not FileState.SAME:
        yield Finding("gate-edited", unit, f"{file} is {on_disk.value}", again)


def _gate_in_effect(unit: str, facts: Facts, paths: Paths) -> Iterator[Finding]:
    if facts.systemd.assertions is None:
        why = facts.systemd.assertions_error
        yield Finding("gate-unknown", unit, f"its asserts are not known: {why}", "ess doctor")
        return
    effective = facts.systemd.assertions.get(unit, ())
    if any(wanted not in effective for wanted in required(paths)):
        yield Finding("gate-shadowed", unit, _shadow(unit, facts), f"{_RELOAD}; ess doctor")


def _gate_file(unit: str, facts: Facts, paths: Paths) -> str:
    """Return where the gate of a unit is: with itself, or with the template it is made from."""
    own = f"{paths.unit_dir}/{unit}.d/{GATE}"
    template = names.template_of(unit)
    shared = f"{paths.unit_dir}/{template}.d/{GATE}"
    return shared if template and own not in facts.disk.files else own


def _shadow(unit: str, facts: Facts) -> str:
    drop_ins = facts.systemd.units.get(unit, {}).get("DropInPaths", "").split()
    after = [path for path in drop_ins if path.rsplit("/", 1)[-1] > GATE]
    if not any(path.endswith(f"/{GATE}") for path in drop_ins):
        return "has a gate on disk that systemd has not loaded"
    return f"has a gate that does not count; look at {' '.join(after) or 'systemctl cat ' + unit}"


def programs(facts: Facts, paths: Paths) -> Iterator[Finding]:
    """Yield the units that only ask somebody else to run their program."""
    del paths
    for unit in facts.systemd.trading:
        for command in commands(facts.systemd.units.get(unit, {}).get("ExecStart", "")):
            program = _hands_over(command)
            if program:
                message = f"only asks {program} to run it, in a control group that is not its own"
                fix = _MEND.get(program, "run the program itself in ExecStart= of {unit}")
                yield Finding("runs-elsewhere", unit, message, fix.format(unit=unit))


def _hands_over(command: Command) -> str:
    """Return the program of this ExecStart= line that has another run what it is told, or ""."""
    words = [command.path, *command.arguments.split()[1:]]
    shell = _name(command.path) in _SHELLS
    for before, word in zip(["exec", *words], words if shell else words[:1], strict=False):
        name = _name(word)
        asks = name in _ELSEWHERE or (name in _WORDS and before in _BEFORE_A_PROGRAM)
        if asks and not set(words).intersection(_HARMLESS.get(name, ())):
            return name
    return ""


def _name(path: str) -> str:
    return path.rsplit("/", 1)[-1]


def leaving(facts: Facts, paths: Paths) -> Iterator[Finding]:
    """Yield, in one finding, the units whose processes may leave their control groups."""
    units = facts.systemd.units
    free = [unit for unit in facts.systemd.trading if _may_leave(units.get(unit, {}))]
    # The drill's own unit never does.
    if free and paths.scope == MAIN:
        message = "run as root: nothing keeps their processes in their control groups"
        fix = "User= and NoNewPrivileges=yes in each; RUNBOOK.md, What no stop finds"
        yield Finding("may-leave-unit", " ".join(free), message, fix)


def _may_leave(known: Properties) -> bool:
    root = known.get("User", "unknown") in _ROOT and known.get("DynamicUser") != "yes"
    return root and known.get("LoadState") == "loaded"


def templates(facts: Facts, paths: Paths) -> Iterator[Finding]:
    """Yield the configured patterns whose template has no gate for instances to come."""
    known = facts.settings.current or facts.settings.installed
    for entry in known.trading if known else ():
        template = names.template_of(entry) if names.is_pattern(entry) else None
        file = f"{paths.unit_dir}/{template}.d/{GATE}"
        if template and facts.disk.files.get(file) is not FileState.SAME:
            fix = f"sudo {paths.installer} --configure"
            yield Finding("gate-missing", template, f"{file} is missing or was edited", fix)


def halt_target(facts: Facts, paths: Paths) -> Iterator[Finding]:
    """Yield the difference between what the halt target stops and what is configured."""
    known = facts.systemd.units.get(paths.halt_target, {})
    if known.get("LoadState") != "loaded":
        return
    fix = f"sudo {paths.installer} --configure"
    listed = {*known.get("Conflicts", "").split(), *known.get("ConflictedBy", "").split()}
    for unit in facts.systemd.trading:
        exists = facts.systemd.units.get(unit, {}).get("LoadState") == "loaded"
        if exists and unit not in listed:
            yield Finding("halt-outdated", unit, f"is not stopped by {paths.halt_target}", fix)
    configured = facts.settings.current or facts.settings.installed
    for unit in sorted(listed) if configured else ():
        wanted = configured is not None and names.matches_any(configured.trading, unit)
        if unit.endswith(names.SERVICE) and not wanted:
            message = f"is stopped by {paths.halt_target} but is no trading unit"
            yield Finding("halt-outdated", unit, message, fix)


def runtime_directories(facts: Facts, _paths: Paths) -> Iterator[Finding]:
    """Yield the units whose stop deletes the directory that the flag is in."""
    for unit in (*facts.systemd.trading, *facts.systemd.others):
        known: Properties = facts.systemd.units.get(unit, {})
        clash = [name for name in known.get("RuntimeDirectory", "").split() if name in _OURS]
        if clash:
            fix = f"give RuntimeDirectory= another name: sudo systemctl edit --full {unit}"
            yield Finding("runtime-directory-clash", unit, f"has RuntimeDirectory={clash[0]}", fix)
