"""The list of what ran, written by a child on a slow disk, came after the release was through.

A list without a latch is what a release leaves that was cut short: the sentry latched again.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

PARTS = Path(__file__).parents[2] / "ops" / "lib"
# `sync` takes as long as the rest of the latch.
SCRIPT = """
for part in names clock answer cgroup latch snapshot; do . "$1/$part.sh"; done
RUN_DIR=$2/run STATE_DIR=$2/var
RUN_FLAG=$RUN_DIR/ESS_ON VAR_FLAG=$STATE_DIR/ESS_ON RUNNING_FILE=$STATE_DIR/running
mkdir -- "$RUN_DIR" "$STATE_DIR" && : >"$RUN_FLAG" && : >"$VAR_FLAG"
sync() { $3; }
snapshot_write $'bot.service\\n'
ls -- "$STATE_DIR"
"""
RELEASED = 'rm -- "$RUN_FLAG" "$VAR_FLAG"'


@pytest.mark.parametrize(
    ("meanwhile", "left"),
    [(":", ["ESS_ON", "running"]), (RELEASED, []), ('rm -- "$RUN_FLAG"', ["ESS_ON", "running"])],
)
def test_no_list_comes_after_the_latch(tmp_path: Path, meanwhile: str, left: list[str]) -> None:
    done = subprocess.run(
        ["bash", "-c", SCRIPT.replace("$3", meanwhile), "bash", PARTS, tmp_path],
        capture_output=True,
        text=True,
        timeout=20,
        check=True,
    )
    assert done.stdout.split() == left
    assert done.stderr == ""
