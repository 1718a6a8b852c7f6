"""Trading cgroups as the kernel sees them: find, look, kill. Works with systemd dead."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
from typing import TYPE_CHECKING, NamedTuple

from ess import names
from ess.errors import CgroupError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_VANISHED = (errno.ENOENT, errno.ENODEV)
_UNIT_SUFFIXES = (".service", ".scope")


class Cgroup(NamedTuple):
    """The cgroup directory of one trading unit."""

    unit: str
    path: str


def root(mount: str) -> str:
    """Return where the cgroup v2 tree begins. Raises CgroupError when there is none."""
    for candidate in (mount, f"{mount}/unified"):
        if os.path.exists(f"{candidate}/cgroup.controllers"):
            return candidate
    raise CgroupError(f"{mount}: no cgroup v2 tree", "boot with systemd.unified_cgroup_hierarchy=1")


def find(top: str, patterns: Iterable[str]) -> list[Cgroup]:
    """Return the cgroups of every unit that a name or pattern stands for. Raises CgroupError."""
    wanted = tuple(patterns)
    return [
        Cgroup(unit, path) for unit, path in _units_below(top) if names.matches_any(wanted, unit)
    ]


def populated(cgroup: Cgroup) -> bool:
    """Tell whether a process lives anywhere below. Raises CgroupError when that is not known."""
    return "populated 1" in _read(f"{cgroup.path}/cgroup.events").split("\n")


def frozen(cgroup: Cgroup) -> bool:
    """Tell whether the cgroup is frozen, by itself or by a slice above; False when not known."""
    try:
        return "frozen 1" in _read(f"{cgroup.path}/cgroup.events").split("\n")
    except CgroupError:
        return False


def pids(cgroup: Cgroup) -> list[int]:
    """Return the processes anywhere below, as far as they can be read; threads where only they can.

    The number of a thread stands for its process, also for a signal.
    """
    found: list[int] = []
    for directory in _subtree(cgroup.path):
        try:
            found += _numbers(f"{directory}/cgroup.procs")
        except CgroupError:
            # A threaded cgroup tells of threads alone.
            with contextlib.suppress(CgroupError):
                found += _numbers(f"{directory}/cgroup.threads")
    # 0 stands for a process outside our PID namespace: no signal may go there.
    return sorted({pid for pid in found if pid > 0})


def terminate(cgroup: Cgroup) -> None:
    """Ask every process below to end (SIGTERM)."""
    _signal_all(cgroup, signal.SIGTERM)


def kill(top: str, cgroup: Cgroup) -> None:
    """Kill every process below, at once where the kernel can, else frozen first so that none forks.

    Raises CgroupError when this is not the cgroup of a unit, or cannot be frozen.
    """
    _check_is_unit(top, cgroup)
    if os.path.exists(f"{cgroup.path}/cgroup.kill"):
        with contextlib.suppress(CgroupError):
            _write(f"{cgroup.path}/cgroup.kill", "1")
        # It passes over a process whose main thread has ended; a threaded cgroup refuses it.
        _signal_all(cgroup, signal.SIGKILL)
        return
    _write(f"{cgroup.path}/cgroup.freeze", "1")
    try:
        _signal_all(cgroup, signal.SIGKILL)
    finally:
        _write(f"{cgroup.path}/cgroup.freeze", "0")


def can_kill(top: str) -> bool:
    """Tell whether the kernel (5.14 and later) kills a whole cgroup with one write."""
    return any(os.path.exists(f"{path}/cgroup.kill") for path in _slices(top))


def _check_is_unit(top: str, cgroup: Cgroup) -> None:
    # The same write one directory up kills every process of the machine.
    inside = os.path.normpath(cgroup.path).startswith(f"{os.path.normpath(top)}/")
    name = os.path.basename(cgroup.path)
    if not (inside and name.endswith(_UNIT_SUFFIXES) and name not in _UNIT_SUFFIXES):
        raise CgroupError(f"{cgroup.path!r} is not the cgroup of a unit: refusing to kill it")


def _units_below(directory: str) -> Iterator[tuple[str, str]]:
    for name in _directories(directory):
        path = f"{directory}/{name}"
        if name.endswith(".slice"):
            yield from _units_below(path)
        elif name.endswith(_UNIT_SUFFIXES):
            yield names.unit_of_cgroup(name), path


def _slices(top: str) -> Iterator[str]:
    return (f"{top}/{name}" for name in _directories(top) if name.endswith(".slice"))


def _subtree(directory: str) -> Iterator[str]:
    yield directory
    with contextlib.suppress(CgroupError):
        for name in _directories(directory):
            yield from _subtree(f"{directory}/{name}")


def _directories(path: str) -> list[str]:
    try:
        with os.scandir(path) as entries:
            return [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise CgroupError(f"{path}: {error.strerror}") from error


def _numbers(path: str) -> list[int]:
    return [int(number) for number in _read(path).split()]


def _signal_all(cgroup: Cgroup, number: int) -> None:
    for pid in pids(cgroup):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def _read(path: str) -> str:
    try:
        with open(path, encoding="ascii") as file:
            return file.read()
    except OSError as error:
        # Removed while we looked: nothing can live in it.
        if error.errno in _VANISHED:
            return ""
        raise CgroupError(f"{path}: {error.strerror}") from error


def _write(path: str, text: str) -> None:
    try:
        with open(path, "w", encoding="ascii") as file:
            file.write(text)
    except OSError as error:
        if error.errno in _VANISHED:
            return
        raise CgroupError(f"{path}: {error.strerror}") from error
