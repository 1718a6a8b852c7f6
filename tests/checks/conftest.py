"""One installation for all tests that only look at a copy of it."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from tests.checks.installed import Root

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Root:
    """What an installation makes; for installed to copy, and for nobody to change."""
    root = Root(tmp_path_factory.mktemp("fresh") / "root")
    done = root.install()
    assert done.returncode == 0, done.stderr
    return root


@pytest.fixture
def installed(tmp_path: Path, fresh: Root) -> Root:
    """A copy of that, to do anything with."""
    shutil.copytree(fresh.path, tmp_path / "root", symlinks=True)
    return Root(tmp_path / "root")
