"""Which lab tests run on which images, with --every-image and without."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.checks.tracked import CHECKOUT
from tests.lab.hostile import bands

# Both marks, and one within the other.
FILES = ("tests/lab/test_stopped.py", "tests/lab/test_doctor.py", "tests/lab/test_strays.py")


def collected(*arguments: str) -> list[str]:
    kept = {key: os.environ[key] for key in ("PATH", "PYTHONPYCACHEPREFIX") if key in os.environ}
    done = subprocess.run(
        (
            *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--collect-only", "-q"),
            *(*arguments, *FILES),
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
    usual, every = collected(), collected("--every-image")
    assert set(usual) < set(every)
    more = {test.replace("trixie", "bookworm") for test in set(every) - set(usual)}
    # Not one that runs on one image alone, and none that bookworm does not see anyway.
    assert more < set(usual)
    assert not [test for test in every if "trixie" in test and "test_strays" in test]
    assert [test for test in usual if "trixie" in test and "test_doctor" in test] == []
    both = [test for test in usual if "trixie" in test and "test_is_dead" in test]
    # All but one.
    assert len(both) == len(bands()) - 1
