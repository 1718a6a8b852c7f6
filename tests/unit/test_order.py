"""Every test is run once, and what takes long is not left for the end."""

from __future__ import annotations

from tests.checks.tracked import CHECKOUT
from tests.order import SECONDS, spread

ITEMS = [(module, f"{module}{number}") for module in "abcdef" for number in range(10)]


def test_every_item_is_there_once() -> None:
    for workers in (1, 2, 3, 4, 7, 100):
        for seconds in ({}, {"a": 1}, dict.fromkeys("abcdef", 5), {"b": 9, "f": 3, "none": 7}):
            ordered = spread(ITEMS, workers, seconds)
            assert sorted(ordered) == [item for _, item in ITEMS]


def test_each_part_has_its_share_of_what_takes_long_after_what_does_not() -> None:
    ordered = spread(ITEMS, 3, {"c": 50, "e": 40, "b": 30, "f": 1})
    parts = [ordered[start : start + 20] for start in (0, 20, 40)]
    assert [[part[0][0], part[10][0]] for part in parts] == [["a", "c"], ["d", "e"], ["b", "f"]]


def test_every_module_that_is_named_is_there() -> None:
    assert [name for name in SECONDS if not (CHECKOUT / name).exists()] == []
