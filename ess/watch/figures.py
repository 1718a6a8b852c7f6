"""What a trading process writes into Redis, made into samples. Pure.

The contract, in the words of Redis; README.md explains it:

    XADD quantum:ess:figures MAXLEN ~ 100000 * name NAME value VALUE [at SECONDS]
    HSET quantum:ess:latest NAME "VALUE SECONDS"
    SET quantum:ess:latest:NAME "VALUE SECONDS"      equity, daily_pnl_pct and health only
    SET quantum:ess:stop REASON

SECONDS: since the epoch, when VALUE was true. An entry of the stream that says none has the time of
its id. Nothing is ever made up: what cannot be read is a sample without a value, and what is not
there is no sample.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ess.watch.sample import Sample, figure, number, word

if TYPE_CHECKING:
    from collections.abc import Mapping

STREAM = "quantum:ess:figures"
LATEST = "quantum:ess:latest"
STOP = "quantum:ess:stop"
# Those that may lie at a key of their own.
ALONE = ("equity", "daily_pnl_pct", "health")
_WORDS = frozenset({"health", "manual", "stop_loss", "order_error"})
# What happened, not what something is: each entry is one, and its value may be left out.
_EVENTS = frozenset({"stop_loss", "order_error", "manual"})
_NUMBERS = frozenset({"equity", "daily_pnl_pct"})
_FEED = "feed:"
_NAME = re.compile(r"[A-Za-z0-9_.:/@+-]{1,100}", re.ASCII)
_ID = re.compile(r"(\d{1,15})-(\d{1,20})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Keys:
    """Where in Redis the figures are: those of the trading stack, if not said otherwise."""

    stream: str = STREAM
    latest: str = LATEST
    stop: str = STOP


KEYS = Keys()


def entry(identity: str, fields: Mapping[str, str], heard: float) -> Sample | None:
    """Return what an entry of the stream says; None when it names nothing that could be meant."""
    at = fields["at"] if "at" in fields else _moment(identity)
    return _sample(fields.get("name", ""), fields.get("value"), at, heard)


def latest(name: str, text: str, heard: float) -> Sample | None:
    """Return what "VALUE SECONDS" says; None when `name` is no name of a figure."""
    value, _, at = text.strip().rpartition(" ")
    if not value or figure(at) is None:
        value, at = text, ""
    return _sample(name, value, at or None, heard)


def request(text: str, heard: float) -> Sample:
    """Return the request for a stop that lies at its key, whatever lies there."""
    return word("manual", text.strip() or "no reason given", None, heard)


def no_request(heard: float) -> Sample:
    """Return that nothing lies at the key any more."""
    return Sample("manual", None, None, heard)


def _sample(name: str, text: str | None, at: str | None, heard: float) -> Sample | None:
    if not _NAME.fullmatch(name):
        return None
    if text is None:
        text = "1" if name in _EVENTS else ""
    moment = None if at is None else figure(at)
    if at is not None and moment is None:
        # A figure is no more to be believed than its time.
        unread = word(name, f"{text} at {at}", None, heard)
        return Sample(name, None, None, heard, unread.raw)
    if name in _WORDS:
        return word(name, text, moment, heard)
    found = number(name, text.strip(), moment, heard)
    if found.value is None and not (name in _NUMBERS or name.startswith(_FEED)):
        return word(name, text, moment, heard)
    return found


def _moment(identity: str) -> str | None:
    """Return the time in an id that Redis made (ms since the epoch), in seconds.

    What was added within one ms keeps its order.
    """
    match = _ID.fullmatch(identity)
    return (
        f"{int(match[1]) // 1000}.{int(match[1]) % 1000:03d}{min(int(match[2]), 999):03d}"
        if match
        else None
    )
