"""bash took the rest of a file of the kernel for the first line of the next one it read.

It reads ahead and puts back what was too much. Of a control group that is removed meanwhile that
fails: the clock then read "frozen", and the stop ended in an arithmetic error.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
PARTS = CHECKOUT / "ops" / "lib"
SCRIPT = """
shopt -s nullglob
for part in names clock cgroup contain escaped; do . "$1/$part.sh"; done
CG_ROOT=$2
declare -A CGROUPS=([bot.service]=$2) KILLED_PIDS=()
"""
LOOKS = {
    "whether a group has a process": 'cgroup_populated "$2"',
    "its processes": "contain_note_pids bot.service",
    "where a process is": "escaped_inside bot.service $$",
}


@pytest.fixture(scope="module")
def noseek(tmp_path_factory: pytest.TempPathFactory) -> Path:
    library = tmp_path_factory.mktemp("noseek") / "noseek.so"
    source = Path(__file__).with_name("noseek.c")
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, source], check=True, timeout=60)
    return library


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_what_is_read_next_is_read_from_its_beginning(
    noseek: Path, tmp_path: Path, look: str
) -> None:
    (tmp_path / "cgroup.events").write_text("populated 1\nfrozen 0\n")
    (tmp_path / "cgroup.procs").write_text("".join(f"{pid}\n" for pid in range(9000, 9999)))
    done = subprocess.run(
        ["bash", "-c", f"{SCRIPT}{look}; clock_ms; echo $NOW_MS", "bash", PARTS, tmp_path],
        env={"LD_PRELOAD": str(noseek), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    assert done.stderr == ""
    up = float(Path("/proc/uptime").read_text().split()[0]) * 1000
    assert abs(int(done.stdout) - up) < 20_000
