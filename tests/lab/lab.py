"""A throw-away machine with a real systemd as PID 1, driven from the host by scripts/lab.sh."""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import shlex
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from tests.lab import root
from tests.lab.host import (
    LabError,
    cgroup_root,
    enter_program,
    inner_pid,
    lab_sh,
    run_bounded,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

GUEST_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin",
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "TERM": "dumb",
}

QUIET = Path(__file__).parent / "quiet"
# Where no test looks for drop-ins of its own.
DROP_INS = "/usr/local/lib/systemd/system/quantum-ess-{}.service.d"

T = TypeVar("T")
_serial = itertools.count(1)


class Lab:
    """One running lab. `leader` is the pid of its PID 1 on this host."""

    def __init__(self, name: str, leader: int) -> None:
        self.name = name
        self._journal_from: tuple[str, ...] = ()
        self._set_leader(leader)

    @classmethod
    def up(
        cls,
        *,
        image: str = "bookworm",
        layer: str | None = None,
        bind_ro: Mapping[Path, str] | None = None,
        options: Sequence[str] = (),
        without: Collection[str] = (),
    ) -> Lab:
        """Boot a lab that ends with this process; return when systemd has finished booting.

        `without`: services of ours that never run in it ("aftermath": events wait in the spool).
        """
        name = f"py-{os.getpid()}-{next(_serial)}"
        arguments = ["--image", image, "--owner", str(os.getpid()), *options]
        if layer is not None:
            arguments += ["--layer", layer]
        binds = [*(bind_ro or {}).items(), *((QUIET, DROP_INS.format(one)) for one in without)]
        for host, guest in binds:
            arguments += ["--bind-ro", f"{host}:{guest}"]
        return cls(name, int(lab_sh("up", name, *arguments)))

    @functools.cached_property
    def upper(self) -> Path:
        """Everything written to its disk, as this host sees it."""
        return Path(lab_sh("upper", self.name))

    # --- power ---

    def reboot(self, *options: str) -> None:
        """Reboot, in an orderly way unless told otherwise; return when it is up again."""
        self._set_leader(int(lab_sh("reboot", self.name, *options)))

    def power_cut(self) -> None:
        """Kill everything at once; nothing runs until boot()."""
        lab_sh("kill", self.name)

    def boot(self) -> None:
        """Boot again after power_cut(), on the same disk."""
        self._set_leader(int(lab_sh("boot", self.name)))

    def down(self) -> None:
        """End the lab and forget its disk."""
        lab_sh("down", self.name)

    def freeze_pid1(self) -> None:
        """Make systemd deaf: it neither answers nor reacts until resume_pid1()."""
        os.kill(self.leader, signal.SIGSTOP)

    def resume_pid1(self) -> None:
        os.kill(self.leader, signal.SIGCONT)

    @contextlib.contextmanager
    def pid1_frozen(self) -> Iterator[None]:
        self.freeze_pid1()
        try:
            yield
        finally:
            self.resume_pid1()

    def _set_leader(self, leader: int) -> None:
        self.leader = leader
        cgroup = next(
            line.split(":", 2)[2]
            for line in Path(f"/proc/{leader}/cgroup").read_text().splitlines()
            if line.startswith("0::")
        )
        self.cgroup = cgroup_root() / cgroup.strip("/").removesuffix("/init.scope")

    # --- commands and files ---

    def exec(
        self,
        *argv: str,
        check: bool = True,
        timeout: float = 10,
        input: str | None = None,  # noqa: A002
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as root in the lab, in a clean environment; LabError if it fails."""
        self._need_leader()
        # The command belongs to the lab's cgroup, so that ending the lab ends it too.
        entered = ["enter", str(self.leader), str(self.cgroup / "lab.exec"), *argv]
        environment = {**GUEST_ENVIRONMENT, **(env or {})}
        try:
            done = run_bounded(
                entered, timeout=timeout, stdin=input, env=environment, program=enter_program()
            )
        except subprocess.TimeoutExpired as error:
            raise LabError(f"{shlex.join(argv)}: no end after {timeout} s") from error
        if check and done.returncode:
            raise LabError(
                f"{shlex.join(argv)}: exit {done.returncode}\n{done.stdout}{done.stderr}".rstrip()
            )
        return subprocess.CompletedProcess(list(argv), done.returncode, done.stdout, done.stderr)

    def _need_leader(self) -> None:
        if not Path(f"/proc/{self.leader}").exists():
            raise LabError(f"lab {self.name} is down\n{self._console_tail(20)}")

    def sh(
        self, script: str, *, check: bool = True, timeout: float = 10
    ) -> subprocess.CompletedProcess[str]:
        """Run a bash script in the lab; it ends at its first failing command."""
        return self.exec("bash", "-euo", "pipefail", "-c", script, check=check, timeout=timeout)

    def tty(
        self,
        *argv: str,
        typed: str,
        check: bool = True,
        timeout: float = 10,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on a terminal of its own and type `typed`; stdout is the whole screen."""
        command = ("script", "-qe", "-E", "never", "-c", shlex.join(argv), "/dev/null")
        return self.exec(*command, check=check, timeout=timeout, input=typed, env=env)

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        """Write a file and its directories, seen from inside: no symlink leads out of the lab."""
        if root.reaches(path):
            with self._told(path):
                root.write(self.leader, path, text.encode(), mode)
            return
        self.exec("sh", "-c", 'cat >"$1"', "sh", path, input=text)

    def read(self, path: str) -> str:
        """Return a file's text, seen from inside."""
        if not root.reaches(path):
            return self.exec("cat", "--", path).stdout
        with self._told(path):
            return root.read(self.leader, path).decode(errors="replace")

    def exists(self, path: str) -> bool:
        """Tell whether the name exists, be it a dangling symlink."""
        if not root.reaches(path):
            script = '[ -e "$1" ] || [ -L "$1" ]'
            return self.exec("sh", "-c", script, "sh", path, check=False).returncode == 0
        with self._told(path):
            return root.exists(self.leader, path)

    @contextlib.contextmanager
    def _told(self, path: str) -> Iterator[None]:
        self._need_leader()
        try:
            yield
        except OSError as error:
            raise LabError(f"{path}: {error.strerror or error}") from error

    # --- systemd ---

    def systemctl(
        self, *arguments: str, check: bool = True, timeout: float = 30
    ) -> subprocess.CompletedProcess[str]:
        return self.exec("systemctl", *arguments, check=check, timeout=timeout)

    def show(self, unit: str, *properties: str) -> dict[str, str]:
        """Return properties of a unit as systemd reports them; all of them when none is named."""
        wanted = [f"--property={','.join(properties)}"] if properties else []
        lines = self.systemctl("show", *wanted, "--", unit).stdout.splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)

    def show_each(self, units: Sequence[str], name: str) -> dict[str, str]:
        """Return one property of each of the units, with one question."""
        if not units:
            # systemctl would tell of itself.
            return {}
        answer = self.systemctl("show", f"--property={name}", "--", *units).stdout
        values = [line.partition("=")[2] for line in answer.split("\n\n")]
        return dict(zip(units, (value.strip() for value in values), strict=True))

    def state(self, unit: str) -> str:
        """Return the unit's ActiveState."""
        return self.states(unit)[unit]

    def states(self, *units: str) -> dict[str, str]:
        """Return the ActiveState of each, for a part of what show() costs systemd and us."""
        told = self.systemctl("is-active", "--", *units, check=False)
        if len(told.stdout.split()) != len(units):
            raise LabError(f"systemctl is-active {units}: {told.stdout}{told.stderr}")
        return dict(zip(units, told.stdout.split(), strict=True))

    def put_unit(self, name: str, text: str) -> None:
        """Write a unit (or `NAME.d/x.conf`) to /etc/systemd/system and have systemd read it."""
        self.write(f"/etc/systemd/system/{name}", text)
        self.systemctl("daemon-reload")

    def begin_journal(self) -> None:
        """Let what the journal has by now be no part of what journal() returns."""
        self._journal_from = (f"--since=@{time.time():.6f}",)

    def journal(self, *arguments: str) -> str:
        """Return the messages of this boot, oldest first; arguments narrow it (`-u`, UNIT)."""
        which = ("-b", *self._journal_from, *arguments)
        return self.exec("journalctl", "--no-pager", "-o", "cat", *which).stdout

    def journal_tail(self, lines: int = 60) -> str:
        """Return the end of the journal, or of the console when the lab is down; never raises."""
        try:
            return self.exec(
                *("journalctl", "-b", "--no-pager", "-o", "short-precise", "-n", str(lines))
            ).stdout
        except (LabError, OSError) as error:
            return f"({error})\n" + self._console_tail(lines)

    def _console_tail(self, lines: int) -> str:
        try:
            console = (self.upper.parent / "console").read_text(errors="replace")
        except OSError as error:
            return f"no console: {error}"
        return "\n".join(console.splitlines()[-lines:])

    # --- processes, read from the kernel: also right while PID 1 is frozen ---

    def host_pids(self, unit: str) -> list[int]:
        """Return the pids, on this host, of every process in the unit's cgroup and below it."""
        found: list[int] = []
        for directory in self._cgroups_of(self.cgroup, unit):
            for below, _, _ in os.walk(directory):
                with contextlib.suppress(OSError):
                    found += map(int, Path(below, "cgroup.procs").read_text().split())
        return sorted(found)

    def _cgroups_of(self, directory: Path, unit: str) -> Iterator[str]:
        """Yield the cgroups of that name; only slices have those of units below them."""
        with contextlib.suppress(OSError), os.scandir(directory) as entries:
            for entry in entries:
                if entry.name == unit:
                    yield entry.path
                elif entry.name.endswith(".slice") and entry.is_dir():
                    yield from self._cgroups_of(Path(entry.path), unit)

    def pids(self, unit: str) -> list[int]:
        """Return the pids, as the lab itself numbers them, of every process of the unit."""
        return [inner for pid in self.host_pids(unit) if (inner := inner_pid(pid)) is not None]

    def populated(self, unit: str) -> bool:
        return bool(self.host_pids(unit))

    # --- waiting ---

    def wait_until(self, predicate: Callable[[], T], timeout: float = 5, what: str = "") -> T:
        """Return the predicate's first true answer; LabError with the journal after `timeout` s."""
        end = (begun := time.monotonic()) + timeout
        asked, pause = begun, 0.01
        while not (answer := predicate()):
            if (now := time.monotonic()) >= end:
                what = what or getattr(predicate, "__name__", "condition")
                raise LabError(f"not within {timeout} s: {what}\n{self.journal_tail()}")
            # A question is a process or two: who asks all the time slows down what he waits for,
            # and who has waited for long may be late by a twentieth of that.
            time.sleep(max(pause, min(2 * (now - asked), 0.5)))
            pause = min(1.5 * pause, max(0.1, min((now - begun) / 20, 0.5)))
            asked = time.monotonic()
        return answer
