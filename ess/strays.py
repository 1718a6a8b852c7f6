"""Trading programs that run outside their units, where no stop reaches them."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ess import names
from ess.facts import Stray

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ess.manager import Command

_INTERPRETER = re.compile(
    r"(?:python|pypy|perl|ruby|node|nodejs|java|php|lua|bash|dash|zsh|ksh|sh)[0-9.]*"
)
# Every host runs these for a hundred purposes: only the whole command line tells one from another.
_GENERIC = ("/bin/", "/sbin/", "/usr/bin/", "/usr/sbin/")
# A program with a #! line is seen behind its interpreter and up to one option of it.
_SHEBANG_WORDS = 3


@dataclass(frozen=True, slots=True)
class Process:
    """One process of this host: its arguments and its cgroup v2 path."""

    pid: int
    arguments: tuple[str, ...]
    cgroup: str


def read(proc: str = "/proc") -> list[Process]:
    """Return the processes of this host, containers' left out.

    Raises OSError when they cannot all be seen (hidepid, for others than root).
    """
    found = []
    os.stat(f"{proc}/1/status")
    for name in os.listdir(proc):
        if name.isdigit():
            process = _read_process(proc, int(name))
            if process is not None and process.arguments:
                found.append(process)
    return found


def outside(
    commands: Mapping[str, Sequence[Command]],
    trading: Sequence[str],
    processes: Iterable[Process],
) -> tuple[Stray, ...]:
    """Return the processes that run a trading unit's program outside every trading cgroup."""
    found = []
    for process in processes:
        if _is_inside(process.cgroup, trading):
            continue
        for unit, lines in commands.items():
            if any(runs(command, process.arguments) for command in lines):
                found.append(Stray(unit, process.pid, process.cgroup))
                break
    return tuple(found)


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


def _is_inside(cgroup: str, trading: Sequence[str]) -> bool:
    units = (names.unit_of_cgroup(part) for part in cgroup.split("/"))
    return any(names.matches_any(trading, unit) for unit in units if unit)


def _read_process(proc: str, pid: int) -> Process | None:
    try:
        if _is_in_container(_read(f"{proc}/{pid}/status")):
            return None
        words = _read(f"{proc}/{pid}/cmdline").rstrip("\0").split("\0")
        return Process(pid, tuple(filter(None, words)), _cgroup(_read(f"{proc}/{pid}/cgroup")))
    except OSError:
        # It has ended meanwhile.
        return None


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
