"""Trading programs that run outside their units, where no stop reaches them."""

from __future__ import annotations

import errno
import os
import re
from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING

from ess import bounded, names
from ess.facts import Stray

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ess.manager import Command

_INTERPRETER = re.compile(
    r"(?:python|pypy|perl|ruby|node|nodejs|java|php|lua|bash|dash|zsh|ksh|sh)[0-9.]*"
)
# Every host runs these for a hundred purposes: only the whole command line tells one from another.
_GENERIC = ("/bin/", "/sbin/", "/usr/bin/", "/usr/sbin/")
# How long all processes together may take to tell what they run (s).
_PATIENCE = 2.0
# A program with a #! line is seen behind its interpreter and up to one option of it.
_SHEBANG_WORDS = 3


@dataclass(frozen=True, slots=True)
class Process:
    """One process of this host: its arguments, its cgroup v2 path, and the pid of its parent."""

    pid: int
    arguments: tuple[str, ...]
    cgroup: str
    parent: int = 0


def read(proc: str = "/proc", patience: float = _PATIENCE) -> list[Process]:
    """Return the processes of this host, containers' left out; takes `patience` (s) at most.

    Raises OSError when they cannot all be seen (hidepid, for others than root), and when one does
    not tell what it runs: the command line of a process that hangs in the kernel may not be
    readable, ever.
    """
    import json  # noqa: PLC0415 - the way in must not wait for what is needed after the stop

    os.stat(f"{proc}/1/status")
    answer = bounded.call(lambda: json.dumps(list(map(astuple, _all(proc)))).encode(), patience)
    if answer is None:
        raise OSError(errno.ETIMEDOUT, "a process does not tell what it runs")
    return [
        Process(pid, tuple(words), group, parent)
        for pid, words, group, parent in json.loads(answer)
    ]


def _all(proc: str) -> list[Process]:
    found = []
    for name in os.listdir(proc):
        if name.isdigit():
            process = _read_process(proc, int(name))
            if process is not None and process.arguments:
                found.append(process)
    return found


def outside(
    commands: Mapping[str, Sequence[Command]],
    main: Mapping[int, str],
    trading: Sequence[str],
    monitors: Sequence[str],
    processes: Sequence[Process],
) -> tuple[Stray, ...]:
    """Return the processes that belong to a trading unit and live outside every trading cgroup.

    They are, or descend from, one of its own, or run its program and are no monitor; `main`: by
    pid, the units whose main processes systemd says they are.
    """
    owners = _owners(main, trading, processes)
    found = []
    for process in processes:
        if _unit(process.cgroup, trading):
            continue
        if process.pid in owners:
            found.append(Stray(owners[process.pid], process.pid, process.cgroup, left=True))
            continue
        # A monitor may well be the same program with other arguments.
        if _unit(process.cgroup, monitors):
            continue
        for unit, lines in commands.items():
            if any(runs(command, process.arguments) for command in lines):
                found.append(Stray(unit, process.pid, process.cgroup))
                break
    return tuple(found)


def _owners(
    main: Mapping[int, str], trading: Sequence[str], processes: Sequence[Process]
) -> dict[int, str]:
    """Return, by pid, the unit of each process that is in a trading unit or descends from one."""
    inside = {process.pid: _unit(process.cgroup, trading) for process in processes}
    owners = {**{pid: unit for pid, unit in inside.items() if unit}, **main}
    children: dict[int, list[int]] = {}
    for process in processes:
        children.setdefault(process.parent, []).append(process.pid)
    todo = list(owners)
    while todo:
        parent = todo.pop()
        for child in children.get(parent, ()):
            if child not in owners:
                owners[child] = owners[parent]
                todo.append(child)
    return owners


def runs(command: Command, arguments: Sequence[str]) -> bool:
    """Tell whether a process with these arguments runs the program of this ExecStart= line."""
    wanted = command.arguments.split()
    if _is_interpreter(command.path):
        script = _script(wanted)
        if script is not None:
            return _is_interpreter(arguments[0]) and _script(arguments) == script
    elif not command.path.startswith(_GENERIC):
        return command.path in arguments[:_SHEBANG_WORDS]
    if "$" in command.arguments:
        # systemd fills in variables when it starts the unit: there is no telling what with.
        return False
    shown = [" ".join(arguments[skip:]) for skip in range(min(_SHEBANG_WORDS, len(arguments)))]
    return " ".join([command.path, *wanted[1:]]) in shown or command.arguments in shown


def _is_interpreter(path: str) -> bool:
    return _INTERPRETER.fullmatch(os.path.basename(path)) is not None


def _script(arguments: Sequence[str]) -> tuple[str, str] | None:
    """Return the script or module on an interpreter's command line, if it can be told."""
    words = iter(arguments[1:])
    for word in words:
        if word in ("-m", "-jar"):
            return word, next(words, "")
        if word in ("-c", "-e"):
            return None
        if word.startswith("/"):
            return "", word
        if not word.startswith("-"):
            return None
    return None


def _unit(cgroup: str, trading: Sequence[str]) -> str:
    """Return the trading unit in whose cgroup this is, or nothing."""
    units = (names.unit_of_cgroup(part) for part in cgroup.split("/"))
    return next((unit for unit in units if unit and names.matches_any(trading, unit)), "")


def _read_process(proc: str, pid: int) -> Process | None:
    try:
        status = _read(f"{proc}/{pid}/status")
        if _is_in_container(status):
            return None
        words = _read(f"{proc}/{pid}/cmdline").rstrip("\0").split("\0")
        return Process(
            pid,
            tuple(filter(None, words)),
            _cgroup(_read(f"{proc}/{pid}/cgroup")),
            _parent(status),
        )
    except OSError:
        # It has ended meanwhile.
        return None


def _parent(status: str) -> int:
    found = re.search(r"^PPid:\s*([0-9]+)$", status, re.MULTILINE)
    return int(found.group(1)) if found else 0


def _is_in_container(status: str) -> bool:
    # One number for each PID namespace the process has a number in: ours, then those below.
    ids = re.search(r"^NSpid:(.*)$", status, re.MULTILINE)
    return ids is not None and len(ids.group(1).split()) > 1


def _cgroup(text: str) -> str:
    lines = (line for line in text.split("\n") if line.startswith("0::"))
    return next(lines, "0::").removeprefix("0::")


def _read(path: str) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()
