"""Who left his control group, and whether he lives."""

from __future__ import annotations

from pathlib import Path

import pytest

from ess import escaped
from ess.paths import Paths

# Behind the name, which may contain anything: state, 16 numbers, threads, one more, start.
STAT = "7 (a) Z 1 2) {state} " + "0 " * 16 + "{threads} 0 {start} 0\n"


@pytest.mark.parametrize(
    ("state", "threads", "start", "lives"),
    [
        ("S", 1, 500, True),
        ("Z", 1, 500, False),
        ("Z", 0, 500, False),
        ("Z", 2, 500, True),
        ("X", 2, 500, False),
        ("S", 1, 501, False),
    ],
)
def test_a_zombie_with_threads_lives(
    tmp_path: Path, state: str, threads: int, start: int, *, lives: bool
) -> None:
    for pid in ("1", "7"):
        (tmp_path / "proc" / pid).mkdir(parents=True)
        stat = STAT.format(state=state, threads=threads, start=start)
        (tmp_path / "proc" / pid / "stat").write_text(stat)
    paths = Paths(root=str(tmp_path))
    (tmp_path / "run/quantum-ess").mkdir(parents=True)
    Path(paths.escaped).write_text("asked 3\n7 500 bot.service\n")
    found = escaped.alive(paths, str(tmp_path / "proc"))
    assert [process.pid for process in found] == [7] * lives
