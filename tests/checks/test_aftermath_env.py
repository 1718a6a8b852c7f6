"""The shipped aftermath.env and ess/aftermath/settings.py know the same keys and defaults."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ess.aftermath import settings
from tests.checks.shipped import Shipped

if TYPE_CHECKING:
    from pathlib import Path

SHIPPED = Shipped("aftermath", settings, 0o600)


def test_it_sets_nothing(tmp_path: Path) -> None:
    SHIPPED.assert_sets_nothing(tmp_path)


def test_it_shows_every_key_once_with_its_default_and_words() -> None:
    SHIPPED.assert_shows_every_key_once()
