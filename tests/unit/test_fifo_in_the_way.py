"""A FIFO where the enforcer keeps what it knows: who opened it waited for ever."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ess import trip
from ess.paths import Paths

if TYPE_CHECKING:
    from collections.abc import Callable

PARTS = Path(__file__).parents[2] / "ops" / "lib"
BASH = """
for part in names clock cgroup escaped enforce request; do . "$1/$part.sh"; done
RUNTIME_DIR=$2 TRIP_FILE=$2/tripped ESCAPED_FILE=$2/escaped TRADING=() CG_ROOT=$2
"""
MAKE: dict[str, Callable[[Path], None]] = {
    "fifo": os.mkfifo,
    "directory": os.mkdir,
    "link to itself": lambda path: os.symlink(path.name, path),
}


@pytest.mark.parametrize("kind", MAKE)
@pytest.mark.parametrize(
    ("name", "does"),
    [
        ("tripped", "enforce_inherit"),
        ("escaped", "escaped_look"),
        ("escaped", "escaped_note"),
    ],
)
def test_bash_goes_on(tmp_path: Path, kind: str, name: str, does: str) -> None:
    MAKE[kind](tmp_path / name)
    done = subprocess.run(
        ["bash", "-c", f"{BASH}{does}; echo on", "bash", PARTS, tmp_path],
        capture_output=True,
        text=True,
        timeout=5,
        check=False,
    )
    assert done.stdout == "on\n"


@pytest.mark.parametrize("kind", MAKE)
def test_the_reader_of_requests_goes_on(tmp_path: Path, kind: str) -> None:
    MAKE[kind](tmp_path / "busy")
    done = subprocess.run(
        ["bash", "-c", f'{BASH}request_put "$2/busy" x; echo on', "bash", PARTS, tmp_path],
        capture_output=True,
        text=True,
        timeout=5,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("on\n", "")


@pytest.mark.parametrize("kind", MAKE)
def test_python_goes_on(tmp_path: Path, kind: str) -> None:
    paths = Paths(str(tmp_path))
    os.makedirs(paths.runtime_dir)
    MAKE[kind](Path(paths.enforcer))
    assert not trip.enforcer_lives(paths)
