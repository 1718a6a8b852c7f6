"""The shipped watch.env and ess/watch/settings.py know the same keys and defaults."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ess.paths import Paths
from ess.watch import evaluators, settings
from tests.checks.tracked import CHECKOUT

if TYPE_CHECKING:
    from pathlib import Path

SHIPPED = CHECKOUT / "ops" / "watch.env"
COMMENTED = re.compile(r"^#(QT_ESS_[A-Z_]+)=(.*)$", re.MULTILINE)


def load(root: Path, text: str) -> settings.Settings:
    paths = Paths(str(root))
    file = root / paths.watch_config.removeprefix(f"{root}/")
    file.parent.mkdir(parents=True)
    file.write_text(text)
    file.chmod(0o640)
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
            assert re.match(r"# \S", lines[number - 1]), line


def test_uncommented_it_is_taken_as_it_is(tmp_path: Path) -> None:
    plain = re.sub(r"^#(?=QT_ESS_)", "", SHIPPED.read_text(), flags=re.MULTILINE)
    assert load(tmp_path, plain) == settings.Settings()


def test_its_example_of_an_expression_is_one(tmp_path: Path) -> None:
    plain = re.sub(r"^# (?=QT_ESS_EXPRESSION)", "", SHIPPED.read_text(), flags=re.MULTILINE)
    found = load(tmp_path, plain)
    assert not found.problems
    (comparison,) = found.expressions().values()
    assert (comparison.query, comparison.sign) == ("max(account_margin_ratio)", ">")


def test_it_names_every_evaluator_that_can_be_switched_off() -> None:
    for one in evaluators.configured(settings.Settings()):
        assert re.search(rf"^#.*\b{one.name}\b", SHIPPED.read_text(), re.MULTILINE), one.name
