"""A late copy of the flag that becomes a new stop between the look at it and its removal.

Looked at and removed under one name, what was touched in between was gone, and so was a stop.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ess import latch
from ess.latch import State
from ess.paths import Paths
from ess.unlatch import Unlatching

if TYPE_CHECKING:
    from collections.abc import Callable

PARTS = Path(__file__).parents[2] / "ops" / "lib"
# Whatever removes or renames the flag comes after `meanwhile`, the first time.
BASH = """
for part in paths clock answer latch unlatch; do . "$1/$part.sh"; done
RUN_FLAG=$2 VAR_FLAG=$3 RELEASING=$4 ENFORCER_FILE=$5
pause() { :; }
meanwhile() { [[ -n $done ]] || { done=1; eval "$MEANWHILE"; }; }
rm() { meanwhile; command rm "$@"; }
mv() { meanwhile; command mv "$@"; }
done='' UNLATCH_IDS=' one '
unlatch_gone
"""
STOPS = {
    "touched": 'touch -- "$VAR_FLAG"',
    "of another trip": 'printf "id=two\\n" >"$VAR_FLAG"',
    "another file": 'command rm -f -- "$VAR_FLAG"; : >"$VAR_FLAG"',
    "a directory": 'command rm -f -- "$VAR_FLAG"; mkdir -- "$VAR_FLAG"',
    "the other flag": ': >"$RUN_FLAG"',
}


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    """Where a release removed both flags, and the enforcer's copy of one came late."""
    paths = Paths(str(tmp_path))
    for file in (paths.run_flag, paths.var_flag, paths.releasing):
        os.makedirs(os.path.dirname(file), exist_ok=True)
    Path(paths.var_flag).write_text("id=one\n")
    os.utime(paths.var_flag, (1_000_000, 1_000_000))
    Path(paths.releasing).touch()
    return paths


def in_bash(paths: Paths, meanwhile: str) -> bool:
    files = (paths.run_flag, paths.var_flag, paths.releasing, paths.enforcer)
    done = subprocess.run(
        ["bash", "-c", BASH, "bash", PARTS, *files],
        env={**os.environ, "MEANWHILE": meanwhile},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.stderr == ""
    return done.returncode == 0


def in_python(paths: Paths, meanwhile: str, monkeypatch: pytest.MonkeyPatch) -> bool:
    unlatching = Unlatching(paths)
    Path(paths.run_flag).write_text("id=one\n")
    os.rename(paths.var_flag, f"{paths.var_flag}.kept")
    unlatching.clear()
    os.rename(f"{paths.var_flag}.kept", paths.var_flag)
    waiting = [meanwhile]

    def after(real: Callable[..., None]) -> Callable[..., None]:
        def call(*names: str) -> None:
            if waiting:
                names_of = {**os.environ, "RUN_FLAG": paths.run_flag, "VAR_FLAG": paths.var_flag}
                subprocess.run(["bash", "-c", waiting.pop()], env=names_of, timeout=20, check=True)
            real(*names)

        return call

    monkeypatch.setattr(os, "rename", after(os.rename))
    monkeypatch.setattr(os, "unlink", after(os.unlink))
    unlatching.clear_late_copy()
    return latch.state(paths) is State.CLEAR


@pytest.mark.parametrize("meanwhile", STOPS.values(), ids=STOPS.keys())
def test_a_stop_in_that_moment_is_kept_by_bash(paths: Paths, meanwhile: str) -> None:
    assert not in_bash(paths, meanwhile)
    assert latch.state(paths) is not State.CLEAR


@pytest.mark.parametrize("meanwhile", STOPS.values(), ids=STOPS.keys())
def test_a_stop_in_that_moment_is_kept_by_python(
    paths: Paths, meanwhile: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not in_python(paths, meanwhile, monkeypatch)


def test_the_late_copy_alone_goes(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    assert in_bash(paths, ":")
    Path(paths.var_flag).write_text("id=one\n")
    os.utime(paths.var_flag, (1_000_000, 1_000_000))
    assert in_python(paths, ":", monkeypatch)
    assert os.listdir(os.path.dirname(paths.var_flag)) == []


def test_what_was_left_aside_by_a_release_that_was_killed_is_in_nobodys_way(paths: Paths) -> None:
    Path(f"{paths.var_flag}.late").write_text("id=old\n")
    assert in_bash(paths, ":")
    assert not os.path.lexists(f"{paths.var_flag}.late")
