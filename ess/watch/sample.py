"""What the watcher has heard, and when: made by the sources, judged by the evaluators. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ess.text import clean

RAW_BYTES = 80
# Beyond it no figure of a trading account is believed.
ABSURD = 1e15


@dataclass(frozen=True, slots=True)
class Now:
    """One moment on both clocks, in s. `wall` may jump; `boottime` never goes back within `boot`.

    `boottime` is CLOCK_BOOTTIME, which goes on while the host sleeps and begins anew with every
    boot; `boot` is the kernel's boot id, without which what was persisted is taken to be of another
    boot.
    """

    wall: float
    boottime: float
    boot: str = ""


@dataclass(frozen=True, slots=True)
class Sample:
    """One thing heard.

    `name`: equity, daily_pnl_pct, health, stop_loss, order_error, feed:NAME, manual, expr:NAME;
    `value`: None for what is not there or makes no sense, `raw` then tells what was read;
    `at`: when its writer says it was written, s since the epoch, None when it does not say: then
    it is as new as it is heard, and read again and again it never grows old;
    `heard`: when it reached us, on the boottime clock.
    """

    name: str
    value: float | str | None
    at: float | None
    heard: float
    raw: str = ""


def number(name: str, raw: str, at: float | None, heard: float) -> Sample:
    """Return the sample of a figure; what is no finite, thinkable number has the value None."""
    return Sample(name, figure(raw), moment(at), heard, clean(raw, RAW_BYTES))


def word(name: str, raw: str, at: float | None, heard: float) -> Sample:
    """Return the sample of a word; an empty one has the value None."""
    text = clean(raw, RAW_BYTES)
    return Sample(name, text or None, moment(at), heard, text)


def figure(raw: object) -> float | None:
    """Return the number `raw` is, or says in plain decimal notation; None when it is none."""
    if isinstance(raw, bool) or not isinstance(raw, int | float | str):
        return None
    try:
        value = float(raw) if not isinstance(raw, str) or _is_plain(raw) else math.nan
    except (ValueError, OverflowError):
        return None
    return value if abs(value) <= ABSURD else None


def moment(at: float | None) -> float | None:
    """Return `at` when it can be a time; None when it cannot."""
    return at if at is not None and 0 < at < ABSURD else None


def _is_plain(raw: str) -> bool:
    # float() also takes 1_000, Arabic digits and surrounding line breaks.
    return raw.isascii() and "_" not in raw and len(raw) <= RAW_BYTES
