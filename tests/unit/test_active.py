"""is_active(): the question before every order."""

from __future__ import annotations

import ast
import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ess import active, latch
from ess.paths import Paths

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    found = Paths(root=str(tmp_path))
    monkeypatch.setattr(active, "FLAGS", (found.run_flag, found.var_flag))
    return found


def test_it_asks_the_flags_that_everybody_else_asks() -> None:
    paths = Paths()
    assert (paths.run_flag, paths.var_flag) == active.FLAGS


def test_it_is_where_the_documents_say() -> None:
    assert latch.is_active is active.is_active


@pytest.mark.parametrize("kind", ["file", "directory", "fifo", "dangling link"])
@pytest.mark.parametrize("name", ["run_flag", "var_flag"])
def test_each_flag_is_enough_whatever_it_is(paths: Paths, name: str, kind: str) -> None:
    assert active.is_active() is False
    flag = Path(getattr(paths, name))
    flag.parent.mkdir(parents=True)
    make: dict[str, Callable[[], object]] = {
        "file": flag.touch,
        "directory": flag.mkdir,
        "fifo": lambda: os.mkfifo(flag),
        "dangling link": lambda: flag.symlink_to("/nowhere"),
    }
    make[kind]()
    assert active.is_active() is True
    shutil.rmtree(flag) if kind == "directory" else flag.unlink()
    assert active.is_active() is False


@pytest.mark.parametrize("name", ["run_flag", "var_flag"])
def test_a_place_that_cannot_be_looked_at_is_active(paths: Paths, name: str) -> None:
    directory = Path(getattr(paths, name)).parent
    directory.parent.mkdir(parents=True)
    directory.symlink_to(directory.name)  # a loop
    assert active.is_active() is True
    directory.unlink()
    directory.touch()  # a file where a directory should be
    assert active.is_active() is True


ERRORS = st.one_of(
    st.sampled_from(sorted(errno.errorcode)).map(lambda number: OSError(number, "said")),
    st.sampled_from([MemoryError(), RecursionError(), ValueError(), UnicodeError(), OSError()]),
)


@given(error=ERRORS, flag=st.integers(0, 1))
def test_any_error_but_not_found_is_active(error: Exception, flag: int) -> None:
    """At either flag; with the other one known not to be there."""

    def fail(path: str) -> None:
        raise error if path == active.FLAGS[flag] else FileNotFoundError

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ess.active.os.lstat", fail)
        assert active.is_active() is not isinstance(error, FileNotFoundError)


def test_it_needs_nothing_and_may_be_copied(tmp_path: Path) -> None:
    source = Path(active.__file__)
    imports = [node for node in ast.walk(ast.parse(source.read_text())) if hasattr(node, "names")]
    assert [name.name for node in imports for name in node.names] == ["os"]
    shutil.copy(source, tmp_path / "copy.py")
    code = "import copy; assert copy.is_active() in (True, False)"
    subprocess.run((sys.executable, "-S", "-c", code), cwd=tmp_path, check=True, timeout=20)
