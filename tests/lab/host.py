"""The host's side of a lab: scripts/lab.sh, bounded commands, and what the kernel shows of it."""

from __future__ import annotations

import contextlib
import functools
import os
import shlex
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CHECKOUT = Path(__file__).resolve().parents[2]
LAB_SH = CHECKOUT / "scripts" / "lab.sh"
IMAGES = ("bookworm", "trixie")


class LabError(AssertionError):
    """The lab, or a command in it, did not do what the test needs it to do."""


def lab_sh(*arguments: str | Path, timeout: float = 600) -> str:
    """Run scripts/lab.sh; return what it prints."""
    done = subprocess.run(
        [LAB_SH, *arguments],
        env={**os.environ, "PYTHON": sys.executable},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    if done.returncode:
        raise LabError(f"lab.sh {shlex.join(map(str, arguments))}: {done.stderr.strip()}")
    return done.stdout.strip()


def ensure_image(image: str) -> None:
    """Return once the image is on this host."""
    lab_sh("image", image, timeout=1800)


@functools.cache
def product_layer(image: str) -> str:
    """Return the id of the layer in which this checkout is installed."""
    return lab_sh("product", image)


@functools.cache
def furnished_layer(image: str, name: str, script: str) -> str:
    """Return the id of the layer in which it is installed and `script` has run after that."""
    return lab_sh("product", image, name, script)


@functools.cache
def enter_program() -> str:
    """Return the path, for this process alone, of what runs a command in a lab (enter.c)."""
    with tempfile.TemporaryDirectory() as directory:
        program = Path(directory, "enter")
        build = ("gcc", "-O2", "-static", "-s", "-o", program, Path(__file__).with_name("enter.c"))
        done = subprocess.run(build, capture_output=True, text=True, check=False)
        if done.returncode:
            raise LabError(f"gcc cannot build enter.c: {done.stderr.strip()}")
        kept = os.memfd_create("enter")
        os.write(kept, program.read_bytes())
    return f"/proc/{os.getpid()}/fd/{kept}"


def run_bounded(
    argv: Sequence[str],
    *,
    timeout: float,
    stdin: str | None,
    env: Mapping[str, str],
    program: str | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command (`program` under the name argv[0]) in a session of its own.

    All of it is killed after `timeout` s.
    """
    with subprocess.Popen(
        argv,
        executable=program,
        env=dict(env),
        stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    ) as process:
        try:
            stdout, stderr = process.communicate(stdin, timeout)
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            raise
        return subprocess.CompletedProcess(list(argv), process.returncode, stdout, stderr)


def cgroup_root() -> Path:
    """Return where this host has cgroup2 mounted."""
    for root in (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified")):
        if (root / "cgroup.controllers").exists():
            return root
    raise LabError("no cgroup2 below /sys/fs/cgroup")


def inner_pid(pid: int) -> int | None:
    """Return the pid that a process has in its own pid namespace; None when it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    numbers = next(line for line in status.splitlines() if line.startswith("NSpid:"))
    return int(numbers.split()[-1])
