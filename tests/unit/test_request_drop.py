"""A request for a stop has no name until it is whole."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ess import request
from ess.paths import Paths


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    found = Paths(str(tmp_path))
    Path(found.requests).mkdir(parents=True)
    return found


def test_it_is_named_once_it_is_whole(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []
    write = os.write

    def watched(descriptor: int, content: bytes) -> int:
        seen.append(os.listdir(paths.requests))
        return write(descriptor, content)

    monkeypatch.setattr(os, "write", watched)
    path = request.drop(paths, "a\nb", "watcher")
    assert seen == [[]]
    assert Path(path).read_text() == "reason=a b\nsource=watcher\ncategory=\n"
    assert (os.stat(path).st_nlink, os.stat(path).st_mode & 0o777) == (1, 0o600)


def test_a_directory_that_is_not_there(paths: Paths) -> None:
    Path(paths.requests).rmdir()
    with pytest.raises(request.RequestError, match="could not be asked for"):
        request.drop(paths, "a", "b")
