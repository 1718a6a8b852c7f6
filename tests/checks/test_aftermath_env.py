"""The shipped aftermath.env and ess/aftermath/settings.py know the same keys and defaults."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ess.aftermath import settings
from ess.paths import Paths
from tests.checks.tracked import CHECKOUT

if TYPE_CHECKING:
    from pathlib import Path

SHIPPED = CHECKOUT / "ops" / "aftermath.env"
COMMENTED = re.compile(r"^#(QT_ESS_[A-Z_]+)=(.*)$", re.MULTILINE)


def load(root: Path, text: str) -> settings.Settings:
    paths = Paths(str(root))
    file = root / paths.aftermath_config.removeprefix(f"{root}/")
    file.parent.mkdir(parents=True)
    file.write_text(text)
    file.chmod(0o600)
    return settings.load(paths)


def test_it_sets_nothing(tmp_path: Path) -> None:
    assert load(tmp_path, SHIPPED.read_text()) == settings.Settings()


def test_it_shows_every_key_once_with_its_default() -> None:
    found = COMMENTED.findall(SHIPPED.read_text())
    assert dict(found) == settings.DEFAULTS
    assert len(found) == len(settings.DEFAULTS), "a key is there twice"


def test_every_key_has_its_words() -> None:
    lines = SHIPPED.read_text().splitlines()
    for number, line in enumerate(lines):
        if COMMENTED.fullmatch(line):
            assert re.match(r"# \w", lines[number - 1]), line


def test_uncommented_it_is_taken_as_it_is(tmp_path: Path) -> None:
    plain = re.sub(r"^#(?=QT_ESS_)", "", SHIPPED.read_text(), flags=re.MULTILINE)
    assert load(tmp_path, plain) == settings.Settings()
