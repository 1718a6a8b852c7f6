"""Who stops trading is known to a release by a file he has open, to bash and to Python alike."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ess import bounded, outlast, stoppers
from ess.errors import ReleaseError
from ess.paths import Paths

if TYPE_CHECKING:
    from collections.abc import Iterator

PARTS = Path(__file__).parents[2] / "ops" / "lib"
BASH = """
for part in names clock answer say stoppers; do . "$1/$part.sh"; done
RUNTIME_DIR=$2 STOPPERS_FILE=$2/stoppers RELEASING=$2/releasing STOPPERS_PATIENCE=200
"""


def bash(paths: Paths, script: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        ["bash", "-c", BASH + script, "bash", PARTS, paths.runtime_dir],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def said(paths: Paths, script: str) -> str:
    with bash(paths, script) as process:
        return process.communicate(timeout=20)[0]


@pytest.fixture
def paths(tmp_path: Path) -> Iterator[Paths]:
    """A host where nobody has asked for a stop."""
    paths = Paths(str(tmp_path))
    os.makedirs(paths.runtime_dir)
    yield paths
    while (held := stoppers.held()) is not None:
        os.close(held)
        stoppers._held.clear()


def find(paths: Paths) -> tuple[list[int], list[int]]:
    """Return whom Python and bash find."""
    told = said(paths, 'stoppers_find; echo "${STOPPERS[*]}"').split()
    return sorted(outlast.at_work(paths)), sorted(map(int, told))


def test_nobody_is_at_work(paths: Paths) -> None:
    assert find(paths) == ([], [])
    outlast.outlast(paths, 0)
    assert os.path.exists(paths.releasing)
    assert said(paths, "stoppers_outlast && echo yes") == "yes\n"


@pytest.mark.parametrize(
    "work", ["stopper_begin; echo; read", "stopper_begin; { read; } <&0 & stopper_end; echo; wait"]
)
def test_one_who_stops_and_what_he_left_behind(paths: Paths, work: str) -> None:
    script = f"exec 0<>{paths.runtime_dir}/wait; {work}"
    os.mkfifo(f"{paths.runtime_dir}/wait")
    with bash(paths, script) as process:
        assert process.stdout
        process.stdout.readline()
        by_python, by_bash = find(paths)
        assert len(by_python) == 1
        assert by_bash == by_python
        with pytest.raises(ReleaseError, match=f"still at work .pid {by_python[0]}.*kill -KILL"):
            outlast.outlast(paths, 0.1)
        assert said(paths, "stoppers_outlast || echo no") == "no\n"
        assert not os.path.exists(paths.releasing), "the enforcer would not put a flag back"
        os.kill(by_python[0], 9)
        process.kill()
    assert find(paths) == ([], [])


def test_one_of_python_and_its_child(paths: Paths) -> None:
    stoppers.begin(paths)
    assert outlast.at_work(paths) == [], "a release that fails asks for the stop itself"
    assert find(paths)[1] == [os.getpid()]
    bounded.spawn(lambda: time.sleep(0.5), 5, stoppers.held())
    found = outlast.at_work(paths)
    assert len(found) == 1
    assert found[0] != os.getpid()
    os.waitpid(-1, 0)


def test_what_is_open_elsewhere_under_that_name_is_not_meant(paths: Paths, tmp_path: Path) -> None:
    stoppers.begin(Paths(str(tmp_path / "container")))
    Path(paths.stoppers).touch()
    assert find(paths) == ([], [])


def test_where_it_cannot_be_made_the_stop_goes_on(paths: Paths) -> None:
    os.mkdir(paths.stoppers)
    stoppers.begin(paths)
    assert stoppers.held() is None
    assert said(paths, "stopper_begin; echo $? [$STOPPER_FD]") == "0 []\n"
    assert find(paths) == ([], [])


def test_nobody_else_may_open_it(paths: Paths) -> None:
    said(paths, "stopper_begin")
    assert os.stat(paths.stoppers).st_mode & 0o777 == 0o600
    assert said(paths, "stopper_begin; umask") == "0022\n"
    os.unlink(paths.stoppers)
    stoppers.begin(paths)
    assert os.stat(paths.stoppers).st_mode & 0o777 == 0o600
