"""Collecting the facts. Every reading is bounded, and one that fails is recorded as unknown."""

from __future__ import annotations

import contextlib
import fcntl
import grp
import hashlib
import math
import os
import stat
import time
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from ess import bounded, cgroup, config, latch, plan, regular, tripset, users
from ess.errors import CgroupError, ConfigError, ManagerError
from ess.facts import Disk, Drill, Facts, FileState, Kernel, Settings, Systemd
from ess.paths import GROUP, MAIN
from ess.text import key_values
from ess.watch import look

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ess.facts import Properties
    from ess.manager import Manager
    from ess.paths import Paths
    from ess.watch.look import Watch

PROPERTIES = (
    "Id",
    "LoadState",
    "ActiveState",
    "ActiveEnterTimestampMonotonic",
    "InactiveExitTimestampMonotonic",
    "SubState",
    "Result",
    "UnitFileState",
    "FragmentPath",
    "DropInPaths",
    "NeedDaemonReload",
    "Conflicts",
    "ConflictedBy",
    "RuntimeDirectory",
    "ExecStart",
    "WorkingDirectory",
    "User",
    "DynamicUser",
    "OnFailure",
    "WatchdogUSec",
    "MainPID",
    "ControlPID",
)
# Who may delete /run/quantum by stopping need not be a trading unit.
_NEIGHBOURS = ("quantum*.service",)
# A disk that does not answer by then is unknown (s).
_DISK_PATIENCE = 0.5
_RECORD = 4096
_LARGEST = 1 << 24


class _Kept(NamedTuple):
    """The group and the mode a directory of ours has to have; it belongs to root."""

    group: str
    mode: int


_ROOTS = _Kept("root", 0o755)


def measure(paths: Paths, manager: Manager) -> Facts:
    """Return the facts about this host. Raises nothing that is expected."""
    settings = _settings(paths)
    systemd = _systemd(paths, manager, settings)
    return Facts(
        now=time.time(),
        monotonic=time.monotonic(),
        latch=latch.state(paths),
        settings=settings,
        systemd=systemd,
        kernel=_kernel(paths, systemd, manager),
        disk=_disk(paths, settings),
        watch=_watch(paths, systemd),
    )


def _watch(paths: Paths, systemd: Systemd) -> Watch | None:
    """Return how the watcher is; the drill's latch has none."""
    unit = systemd.units.get(paths.watch_unit, {})
    return look.look(paths, unit) if paths.scope == MAIN else None


def _left_running(paths: Paths) -> bool:
    """Tell whether there is a list of what ran, and nobody at work to release it."""
    if not os.path.exists(paths.running):
        return False
    try:
        with open(paths.release_lock, "rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _settings(paths: Paths) -> Settings:
    current, error = None, ""
    try:
        current = config.load(paths.config)
    except ConfigError as problem:
        error = str(problem)
    installed = None
    with contextlib.suppress(ConfigError):
        installed = config.load(paths.installed)
    return Settings(current, error, installed, os.path.lexists(paths.config))


def _systemd(paths: Paths, manager: Manager, settings: Settings) -> Systemd:
    known = settings.current or settings.installed or config.default()
    try:
        trading = tuple(plan.concrete(known.trading, manager))
        neighbours = manager.matching(_NEIGHBOURS)
        others = tuple(unit for unit in neighbours if unit not in trading)
        watcher = (paths.watch_unit, paths.watch_deadman_unit)
        wanted = dict.fromkeys((*paths.own_units, *watcher, *trading))
        units = manager.show(list(wanted), PROPERTIES)
        # To tell more of these PID 1 would read the files of each that is not loaded.
        rest = [unit for unit in others if unit not in units]
        for unit, directories in manager.runtime_directories(rest).items():
            units[unit] = {"RuntimeDirectory": " ".join(directories)}
    except ManagerError as error:
        return Systemd(error=str(error))
    try:
        asserted = manager.assertions(trading)
    except ManagerError as error:
        return Systemd("", trading, others, units, None, str(error))
    return Systemd("", trading, others, units, asserted)


def _kernel(paths: Paths, systemd: Systemd, manager: Manager) -> Kernel:
    try:
        top = cgroup.root(paths.cgroup_mount)
        can_kill = cgroup.can_kill(top)
    except CgroupError as error:
        return Kernel(cgroup_error=str(error), strays_error=str(error))
    try:
        known = {unit: systemd.units[unit] for unit in systemd.trading}
        found = users.and_strays(known, _main(known), tripset.for_trip(paths), manager)
    except OSError as error:
        return Kernel(can_kill=can_kill, strays_error=f"/proc: {error.strerror}")
    return Kernel(can_kill=can_kill, strays=found)


def _main(units: Mapping[str, Properties]) -> dict[int, str]:
    """Return the units by the pids that systemd takes for their main and control processes."""
    pids = {
        known.get(name, ""): unit
        for unit, known in units.items()
        for name in ("MainPID", "ControlPID")
    }
    return {int(pid): unit for pid, unit in pids.items() if pid.isdigit() and int(pid) > 1}


def _disk(paths: Paths, settings: Settings) -> Disk:
    files, error = _manifest(paths)
    directories = dict.fromkeys((paths.run_dir, paths.state_dir, paths.runtime_dir), _ROOTS)
    directories[paths.requests] = _Kept(GROUP, 0o1730)
    known = settings.current or settings.installed or config.default()
    drill, left, written, *inspected = _aside(
        lambda: regular.read(paths.last_drill, _RECORD),
        lambda: b"1" if _left_running(paths) else b"0",
        lambda: _written(f"{paths.root}{known.metrics_dir}", paths.sentry_metrics).encode(),
        *(partial(_inspect, path, kept) for path, kept in directories.items()),
    )
    return Disk(
        files=files,
        manifest_error=error,
        directories=dict(zip(directories, map(_wrong, inspected), strict=True)),
        drill=_drill(drill or b""),
        left_running=left == b"1",
        metrics_age=_age(written) if known.metrics_dir else None,
    )


def _age(answer: bytes | None) -> float | None:
    """Return how old the sentry's file for node_exporter is (s), None where it writes none."""
    if answer is None:
        return math.inf
    return float(answer) if answer else None


def _written(directory: str, name: str) -> str:
    """Return the age of a file, or nothing when there is no directory for it."""
    if not os.path.isdir(directory):
        return ""
    try:
        status = os.lstat(f"{directory}/{name}")
    except FileNotFoundError:
        return "inf"
    return str(time.time() - status.st_mtime) if stat.S_ISREG(status.st_mode) else "inf"


def _manifest(paths: Paths) -> tuple[dict[str, FileState], str]:
    try:
        lines = regular.read(paths.manifest, _LARGEST).decode(errors="replace").splitlines()
    except OSError as error:
        return {}, f"{paths.manifest}: {error.strerror}"
    pairs = (line.split("  ", 1) for line in lines if "  " in line)
    return {path: _compare(path, digest) for digest, path in pairs}, ""


def _compare(path: str, digest: str) -> FileState:
    try:
        same = hashlib.sha256(regular.read(path, _LARGEST)).hexdigest() == digest
    except FileNotFoundError:
        return FileState.MISSING
    except regular.NotRegularError:
        return FileState.ALTERED
    except OSError:
        return FileState.UNREADABLE
    return FileState.SAME if same else FileState.ALTERED


def _wrong(answer: bytes | None) -> str:
    """Return what is wrong with a directory of ours, or nothing."""
    return "does not answer" if answer is None else answer.decode()


def _inspect(path: str, kept: _Kept) -> bytes:
    return _what_is_wrong(path, kept).encode()


def _what_is_wrong(path: str, kept: _Kept) -> str:
    try:
        status = os.lstat(path)
        group = grp.getgrnam(kept.group).gr_gid
    except KeyError:
        return f"cannot belong to the group {kept.group}, which does not exist"
    except OSError as error:
        return "does not exist" if isinstance(error, FileNotFoundError) else str(error.strerror)
    if not stat.S_ISDIR(status.st_mode):
        return "is not a directory"
    if (status.st_uid, status.st_gid) != (0, group):
        return f"belongs to {status.st_uid}:{status.st_gid}, not to 0:{group}"
    mode = stat.S_IMODE(status.st_mode)
    return "" if mode == kept.mode else f"has mode {mode:04o}, not {kept.mode:04o}"


def _drill(content: bytes) -> Drill:
    record = key_values(content)
    epoch = record.get("epoch", "")
    known = float(epoch) if epoch.isascii() and epoch.isdigit() else None
    return Drill(
        known,
        record.get("result", ""),
        record.get("at", ""),
        _answers(record.get("channels", "")),
        record.get("chain", ""),
    )


def _answers(text: str) -> dict[str, bool]:
    """Return what `slack:yes email-1:no` says."""
    pairs = (word.partition(":") for word in text.split())
    return {name: answer == "yes" for name, _, answer in pairs}


def _aside(*works: bounded.Work) -> list[bytes | None]:
    try:
        return bounded.each(works, _DISK_PATIENCE)
    except OSError:
        return [None] * len(works)
