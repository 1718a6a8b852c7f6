"""The shipped watch.env and ess/watch/settings.py know the same keys and defaults."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ess.watch import evaluators, settings
from tests.checks.shipped import Shipped

if TYPE_CHECKING:
    from pathlib import Path

SHIPPED = Shipped("watch", settings, 0o640)


def test_it_sets_nothing(tmp_path: Path) -> None:
    SHIPPED.assert_sets_nothing(tmp_path)


def test_it_shows_every_key_once_with_its_default_and_words() -> None:
    SHIPPED.assert_shows_every_key_once()


def test_its_example_of_an_expression_is_one(tmp_path: Path) -> None:
    plain = re.sub(r"^# (?=QT_ESS_EXPRESSION)", "", SHIPPED.text, flags=re.MULTILINE)
    found = SHIPPED.load(tmp_path, plain)
    assert not found.problems
    (comparison,) = found.expressions().values()
    assert (comparison.query, comparison.sign) == ("max(account_margin_ratio)", ">")


def test_it_names_every_evaluator_that_can_be_switched_off() -> None:
    for one in evaluators.configured(settings.Settings()):
        assert re.search(rf"^#.*\b{one.name}\b", SHIPPED.text, re.MULTILINE), one.name
