"""What of the lab tests runs on which images, with --thorough and without."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.checks.tracked import CHECKOUT
from tests.lab.hostile import bands

# Both marks, and one within the other.
FILES = ("tests/lab/test_stopped.py", "tests/lab/test_doctor.py", "tests/lab/test_strays.py")


# With cells for --thorough alone, one image.
CELLS = "tests/lab/test_request_release.py"


def collected(*arguments: str, files: tuple[str, ...] = FILES) -> list[str]:
    kept = {key: os.environ[key] for key in ("PATH", "PYTHONPYCACHEPREFIX") if key in os.environ}
    done = subprocess.run(
        (
            *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--collect-only", "-q"),
            *(*arguments, *files),
        ),
        cwd=CHECKOUT,
        env=kept,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return [line for line in done.stdout.splitlines() if "::" in line]


def test_every_image_is_more_of_the_same() -> None:
    usual, every = collected(), collected("--thorough")
    assert set(usual) < set(every)
    more = {test.replace("trixie", "bookworm") for test in set(every) - set(usual)}
    # Not one that runs on one image alone, and none that bookworm does not see anyway.
    assert more < set(usual)
    assert not [test for test in every if "trixie" in test and "test_strays" in test]
    assert [test for test in usual if "trixie" in test and "test_doctor" in test] == []
    both = [test for test in usual if "trixie" in test and "test_is_dead" in test]
    # All but one.
    assert len(both) == len(bands()) - 1


def test_the_usual_run_plays_each_row_and_each_column() -> None:
    def cells(*arguments: str) -> list[tuple[str, str]]:
        found = [one for one in collected(*arguments, files=(CELLS,)) if "during_a_release" in one]
        return [(row, tool) for _, row, tool in (one.split("-", 2) for one in found)]

    usual, every = cells(), cells("--thorough")
    rows, columns = ({cell[side] for cell in every} for side in (0, 1))
    assert len(rows) > len(columns) > 1
    assert len(every) == len(rows) * len(columns)
    assert len(usual) == len(rows)
    assert {row for row, _ in usual} == rows
    assert {column for _, column in usual} == columns
