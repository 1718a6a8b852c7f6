"""How figures are told in the reason of a trip. Pure."""

from __future__ import annotations

_MOST_DIGITS = 9


def beyond(value: float, limit: float) -> bool:
    """Tell whether `value` is beyond `limit`: at the limit it is not.

    Compared to nine decimal places, since a fall of exactly 10 % need not divide to 10.0.
    """
    return round(value - limit, _MOST_DIGITS) > 0


def percent(value: float, limit: float) -> str:
    """Return `value` with as many digits as tell it from `limit`, two at least."""
    for digits in range(2, _MOST_DIGITS):
        if round(value, digits) != round(limit, digits):
            break
    else:
        digits = 2
    return f"{value:.{digits}f} %"


def plain(value: float) -> str:
    """Return a figure of an account without noise."""
    return f"{value:.10g}"


def near(value: float, limit: float) -> float:
    """Return how near `value` is to `limit`, 0 to 1."""
    if limit <= 0:
        return 1.0 if value > limit else 0.0
    return min(1.0, max(0.0, value / limit))


def severity(value: float, limit: float) -> float:
    """Return how bad `value` is, in limits."""
    return value / limit if limit > 0 else 1.0 + value
