"""Reading what was persisted: whatever is not what we wrote is a ValueError. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def real(state: Mapping[str, object], key: str) -> float:
    """Return the finite number `key`. Raises ValueError."""
    return as_real(state.get(key), key)


def as_real(value: object, what: str) -> float:
    """Return `value`, a finite number. Raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not _is_finite(value):
        message = f"{what} is no number"
        raise ValueError(message)
    return float(value)


def maybe(state: Mapping[str, object], key: str) -> float | None:
    """Return the finite number `key`, None when it is null. Raises ValueError."""
    return None if key in state and state[key] is None else real(state, key)


def table(state: Mapping[str, object], key: str) -> dict[str, object]:
    """Return the object `key`. Raises ValueError."""
    value = state.get(key)
    if not isinstance(value, dict):
        message = f"{key} is no object"
        raise ValueError(message)
    return value


def reals(state: Mapping[str, object], key: str, most: int) -> list[float]:
    """Return the list of numbers `key`, of `most` at most. Raises ValueError."""
    value = state.get(key)
    if not isinstance(value, list) or len(value) > most:
        message = f"{key} is no list of at most {most}"
        raise ValueError(message)
    return [as_real(item, key) for item in value]


def whole(state: Mapping[str, object], key: str) -> int:
    """Return the whole number `key`, all of its digits. Raises ValueError."""
    return _as_whole(state.get(key), key)


def wholes(state: Mapping[str, object], key: str, most: int) -> tuple[int, ...]:
    """Return the list of whole numbers `key`, of `most` at most. Raises ValueError."""
    value = state.get(key)
    if not isinstance(value, list) or len(value) > most:
        message = f"{key} is no list of at most {most}"
        raise ValueError(message)
    return tuple(_as_whole(item, key) for item in value)


def word(state: Mapping[str, object], key: str) -> str:
    """Return the text `key`. Raises ValueError."""
    value = state.get(key)
    if not isinstance(value, str):
        message = f"{key} is no text"
        raise ValueError(message)
    return value


def _as_whole(value: object, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        message = f"{what} is no whole number"
        raise ValueError(message)
    return value


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:
        return False
