"""A stop looks whether there is room for a process, also where a control group gives less of it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

PARTS = Path(__file__).parents[2] / "ops" / "lib"
OWN = Path("/proc/self/cgroup").read_text().split("0::/")[1].split("\n")[0]
SCRIPT = '. "$1/room.sh"; CG_ROOT=$2; if room_in_groups; then echo left; else echo none; fi'


def answer(root: Path) -> str:
    done = subprocess.run(
        ["bash", "-c", SCRIPT, "bash", PARTS, root],
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("limit", "now", "told"),
    [
        ("max", "5000", "left"),
        ("100", "89", "left"),
        ("100", "90", "none"),
        ("100", "101", "none"),
        ("0", "0", "none"),
    ],
)
@pytest.mark.parametrize("above", [False, True])
def test_a_limit_of_the_group_or_of_one_above(
    tmp_path: Path, limit: str, now: str, told: str, *, above: bool
) -> None:
    own = tmp_path / OWN
    own.mkdir(parents=True, exist_ok=True)
    group = tmp_path if above else own
    (group / "pids.max").write_text(f"{limit}\n")
    (group / "pids.current").write_text(f"{now}\n")
    assert answer(tmp_path) == told


def test_without_the_controller_nothing_limits(tmp_path: Path) -> None:
    (tmp_path / OWN).mkdir(parents=True, exist_ok=True)
    assert answer(tmp_path) == "left"
    assert answer(tmp_path / "nowhere") == "left"
