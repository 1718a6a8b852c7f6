"""Cells of a matrix: the usual run plays a choice of them, and --thorough all.

What is left out has each of its two sides proved by a cell that is not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from _pytest.mark import ParameterSet


def in_turn(rows: Iterable[object], columns: Sequence[object]) -> list[ParameterSet]:
    """Return all pairs; the usual run plays each row with one of the columns, in turn."""
    return [
        _cell((row, column), usual=number % len(columns) == position)
        for number, row in enumerate(rows)
        for position, column in enumerate(columns)
    ]


def chosen(cells: Iterable[Any], usual: Iterable[Any]) -> list[ParameterSet]:
    """Return all cells; the usual run plays these. Raises ValueError when one of them is none."""
    every, wanted = list(cells), list(usual)
    if strange := [one for one in wanted if one not in every]:
        raise ValueError(f"no such cell: {strange}")
    return [_cell(one if isinstance(one, tuple) else (one,), usual=one in wanted) for one in every]


def _cell(values: tuple[object, ...], *, usual: bool) -> ParameterSet:
    return pytest.param(*values, marks=() if usual else pytest.mark.thorough)
