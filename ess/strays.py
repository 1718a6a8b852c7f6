"""Trading programs that run outside their units, where no stop reaches them."""

from __future__ import annotations

import errno
import functools
import itertools
import marshal
import os
import re
from typing import TYPE_CHECKING, NamedTuple

from ess import bounded, names
from ess.facts import Stray
from ess.manager import commands

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ess.facts import Properties
    from ess.manager import Command

# What is to be known of a trading unit, for these and for ess/users.py.
PROPERTIES = ("ExecStart", "WorkingDirectory", "User", "DynamicUser")
_INTERPRETER = re.compile(
    r"(?:python|pypy|perl|ruby|node|nodejs|java|php|lua|bash|dash|zsh|ksh|sh)[0-9.]*"
)
# Every host runs these for a hundred purposes: only the whole command line tells one from another.
_GENERIC = ("/bin/", "/sbin/", "/usr/bin/", "/usr/sbin/")
# How long all processes together may take to tell what they run (s).
_PATIENCE = 2.0
# A program with a #! line is seen behind its interpreter and up to one option of it.
_SHEBANG_WORDS = 3
_CHUNK = 1 << 16


class Process(NamedTuple):
    """One process of this host: its arguments, its cgroup v2 path, and the pid of its parent.

    `program`, `directory`: the file it runs, and where it is; empty for who may not know. `user`:
    its number, -1 when that is not known.
    """

    pid: int
    arguments: tuple[str, ...]
    cgroup: str
    parent: int = 0
    program: str = ""
    directory: str = ""
    user: int = -1


def programs(units: Mapping[str, Properties]) -> dict[str, tuple[Command, ...]]:
    """Return what each unit runs, by its ExecStart and WorkingDirectory."""
    return {
        unit: commands(known.get("ExecStart", ""), known.get("WorkingDirectory", ""))
        for unit, known in units.items()
    }


def read(proc: str = "/proc", patience: float = _PATIENCE) -> list[Process]:
    """Return the processes of this host, containers' left out; takes `patience` (s) at most.

    Raises OSError when they cannot all be seen (hidepid, for others than root), and when one does
    not tell what it runs: the command line of a process that hangs in the kernel may not be
    readable, ever.
    """
    os.stat(f"{proc}/1/status")
    answer = bounded.call(lambda: marshal.dumps([*map(tuple, _all(proc))]), patience)
    if answer is None:
        raise OSError(errno.ETIMEDOUT, "a process does not tell what it runs")
    return [Process(*known) for known in marshal.loads(answer)]  # noqa: S302 - from our own child


def _all(proc: str) -> list[Process]:
    pids = (int(name) for name in os.listdir(proc) if name.isdigit())
    root = functools.cache(lambda: _root(f"{proc}/self/mountinfo"))
    return [process for pid in pids if (process := _read_process(proc, pid, root))]


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
        if unit_of(process.cgroup, trading):
            continue
        if process.pid in owners:
            found.append(Stray(owners[process.pid], process.pid, process.cgroup, left=True))
            continue
        # A monitor may well be the same program with other arguments.
        if unit_of(process.cgroup, monitors):
            continue
        for unit, lines in commands.items():
            if any(runs(command, process) for command in lines):
                found.append(Stray(unit, process.pid, process.cgroup))
                break
    return tuple(found)


def _owners(
    main: Mapping[int, str], trading: Sequence[str], processes: Sequence[Process]
) -> dict[int, str]:
    """Return, by pid, the unit of each process that is in a trading unit or descends from one."""
    inside = {process.pid: unit_of(process.cgroup, trading) for process in processes}
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


def runs(command: Command, process: Process) -> bool:
    """Tell whether a process runs the program of this ExecStart= line."""
    wanted = command.arguments.split()
    arguments = process.arguments
    if _is_interpreter(command.path):
        script = _script(wanted, command.directory)
        if script is not None:
            started = _is_interpreter(arguments[0]) or _is_interpreter(process.program)
            return started and _script(arguments, process.directory) == script
    elif not command.path.startswith(_GENERIC):
        return _is_file(command.path, process)
    if "$" in command.arguments:
        # systemd fills in variables when it starts the unit: there is no telling what with.
        return False
    shown = [" ".join(arguments[skip:]) for skip in range(min(_SHEBANG_WORDS, len(arguments)))]
    return " ".join([command.path, *wanted[1:]]) in shown or command.arguments in shown


def _is_file(path: str, process: Process) -> bool:
    """Tell whether a process runs this file, under whatever name; a script by its interpreter."""
    return path in _files(process)


# Asked for every unit of a process before the next one.
@functools.lru_cache(maxsize=1)
def _files(process: Process) -> frozenset[str]:
    """Return all that a process may be said to run."""
    first = process.arguments[:_SHEBANG_WORDS]
    behind = first if _is_interpreter(process.program or first[0]) else first[:1]
    absolute = (_absolute(word, process.directory) for word in behind)
    return frozenset((*first, process.program, *absolute))


def _absolute(path: str, directory: str) -> str:
    """Return the path as seen from there, not looked at: the disk it is on may hang."""
    return os.path.normpath(os.path.join(directory, path))


def _is_interpreter(path: str) -> bool:
    return _INTERPRETER.fullmatch(os.path.basename(path)) is not None


def _script(arguments: Sequence[str], directory: str) -> tuple[str, str] | None:
    """Return the script or module on an interpreter's command line, if it can be told.

    `directory`: where the interpreter runs, empty when that is not known.
    """
    words = iter(arguments[1:])
    for word in words:
        if word in ("-m", "-jar"):
            return word, next(words, "")
        if word in ("-c", "-e"):
            return None
        if not word.startswith("-"):
            path = _absolute(word, directory)
            return ("", path) if path.startswith("/") else None
    return None


def unit_of(cgroup: str, units: Sequence[str]) -> str:
    """Return the one of these units in whose cgroup this is, or nothing.

    As the stop finds them: a service of that name below a user's manager, or below another
    service, is somebody else's.
    """
    inside = itertools.dropwhile(lambda part: part.endswith(".slice"), cgroup.strip("/").split("/"))
    unit = names.unit_of_cgroup(next(inside, ""))
    return unit if unit and names.matches_any(units, unit) else ""


def _read_process(proc: str, pid: int, root: Callable[[], list[str]]) -> Process | None:
    """Return a process of this host that tells what it runs; a kernel thread tells nothing."""
    try:
        status = _read(f"{proc}/{pid}/status")
        if _is_in_container(status) and not _has_our_root(proc, pid, root):
            return None
        words = tuple(filter(None, _words(proc, pid)))
        if not words:
            return None
        return Process(
            pid,
            words,
            _cgroup(_read(f"{proc}/{pid}/cgroup")),
            _parent(status),
            _link(f"{proc}/{pid}/exe").removesuffix(" (deleted)"),
            _link(f"{proc}/{pid}/cwd"),
            _user(status),
        )
    except OSError:
        # It has ended meanwhile.
        return None


def _words(proc: str, pid: int) -> list[str]:
    """Return the command line; of a process whose main thread has ended another thread tells it."""
    words = _read(f"{proc}/{pid}/cmdline")
    if not words:
        threads = sorted(os.listdir(f"{proc}/{pid}/task"), key=int)
        words = _read(f"{proc}/{pid}/task/{threads[-1]}/cmdline")
    return words.rstrip("\0").split("\0")


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        # Another's, for others than root; or it has none: a kernel thread, a zombie.
        return ""


def _has_our_root(proc: str, pid: int, root: Callable[[], list[str]]) -> bool:
    """Tell whether it sees the files we see: it has numbers of its own, and is no container."""
    try:
        return _root(f"{proc}/{pid}/mountinfo") == root()
    except OSError:
        return False


def _root(mounts: str) -> list[str]:
    """Return device and directory of what is mounted at /; its disk is not asked, it may hang."""
    rows = (line.split(" ") for line in _read(mounts).splitlines())
    return next((row[2:4] for row in reversed(list(rows)) if row[4:5] == ["/"]), [])


def _parent(status: str) -> int:
    found = re.search(r"^PPid:\s*([0-9]+)$", status, re.MULTILINE)
    return int(found.group(1)) if found else 0


def _user(status: str) -> int:
    found = re.search(r"^Uid:\s*[0-9]+\s+([0-9]+)\s", status, re.MULTILINE)
    return int(found.group(1)) if found else -1


def _is_in_container(status: str) -> bool:
    # One number for each PID namespace the process has a number in: ours, then those below.
    ids = re.search(r"^NSpid:(.*)$", status, re.MULTILINE)
    return ids is not None and len(ids.group(1).split()) > 1


def _cgroup(text: str) -> str:
    lines = (line for line in text.split("\n") if line.startswith("0::"))
    return next(lines, "0::").removeprefix("0::")


def _read(path: str) -> str:
    # Some five for each process: a file object costs more than the kernel's part.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        content = b""
        while more := os.read(descriptor, _CHUNK):
            content += more
    finally:
        os.close(descriptor)
    return content.decode("utf-8", "replace")
