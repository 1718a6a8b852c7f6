"""What is configured for the watcher: /etc/quantum-ess/watch.env, for root and its own group.

A wrong value costs that key alone, which then has its default; a switch that says neither yes nor
no is taken for the safe one. All of it is among the problems, which nobody may leave unsaid: a
default can be laxer than what was meant.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from datetime import UTC, time
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ess import keyfile, regular
from ess.text import clean
from ess.watch import expression
from ess.watch.edition import edition
from ess.watch.switch import NO, YES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import tzinfo

    from ess.paths import Paths
    from ess.watch.expression import Comparison

DEFAULTS: dict[str, str] = {
    "QT_ESS_ENABLED": "false",
    "QT_ESS_DRY_RUN": "false",
    "QT_ESS_CHECK_INTERVAL": "5",
    "QT_ESS_WATCH_DEADMAN": "trip",
    "QT_ESS_RETRIP_PAUSE": "15",
    "QT_ESS_WATCH_OFF": "",
    "QT_ESS_MAX_DAILY_LOSS": "10.0",
    "QT_ESS_DAY_START": "00:00",
    "QT_ESS_DAY_ZONE": "UTC",
    "QT_ESS_MAX_EQUITY_DD": "15.0",
    "QT_ESS_FLASH_CRASH_PERCENT": "3.0",
    "QT_ESS_FLASH_CRASH_WINDOW": "60",
    "QT_ESS_EQUITY_SILENCE": "",
    "QT_ESS_HEALTH_FINE": "OK HEALTHY NORMAL WARNING DEGRADED",
    "QT_ESS_HEALTH_SILENCE": "",
    "QT_ESS_MAX_SL_HITS": "3",
    "QT_ESS_SL_PERIOD_MINUTES": "15",
    "QT_ESS_MAX_ORDER_ERRORS": "10",
    "QT_ESS_ORDER_ERROR_PERIOD_MINUTES": "15",
    "QT_ESS_MAX_DATA_STALENESS": "5",
    "QT_ESS_WATCH_FEEDS": "",
    "QT_ESS_WATCH_REDIS_URL": "",
    "QT_ESS_WATCH_PROMETHEUS_URL": "",
}
# Never shown, whatever asks.
SECRET = frozenset({"QT_ESS_WATCH_REDIS_URL", "QT_ESS_WATCH_PROMETHEUS_URL"})
EXPRESSION = "QT_ESS_EXPRESSION_"
OFF = "QT_ESS_WATCH_OFF"
# What may stand there, beside expr:NAME of one that is configured and custom:NAME.
EVALUATORS = frozenset(
    {
        "daily-loss",
        "drawdown",
        "flash-crash",
        "health",
        "stop-losses",
        "order-errors",
        "feeds",
        "manual",
    }
)
_EXPRESSIONS = re.compile(rb"^\s*QT_ESS_EXPRESSION_([A-Z0-9_]+)=", re.MULTILINE)
_NUMBER = re.compile(r"\d{1,9}(?:\.\d{1,9})?", re.ASCII)
_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)", re.ASCII)
_SAFE = {"QT_ESS_ENABLED": True, "QT_ESS_DRY_RUN": False}
# The least and the most of each, and of what.
_RANGES = {
    "QT_ESS_CHECK_INTERVAL": (1, 10, "seconds"),
    "QT_ESS_RETRIP_PAUSE": (0, 1440, "minutes"),
    "QT_ESS_MAX_DAILY_LOSS": (0.01, 100, "%"),
    "QT_ESS_MAX_EQUITY_DD": (0.01, 100, "%"),
    "QT_ESS_FLASH_CRASH_PERCENT": (0.01, 100, "%"),
    "QT_ESS_FLASH_CRASH_WINDOW": (1, 3600, "seconds"),
    "QT_ESS_EQUITY_SILENCE": (0.1, 1440, "minutes"),
    "QT_ESS_HEALTH_SILENCE": (0.1, 1440, "minutes"),
    "QT_ESS_MAX_SL_HITS": (0, 10_000, "hits"),
    "QT_ESS_SL_PERIOD_MINUTES": (0.1, 1440, "minutes"),
    "QT_ESS_MAX_ORDER_ERRORS": (0, 10_000, "errors"),
    "QT_ESS_ORDER_ERROR_PERIOD_MINUTES": (0.1, 1440, "minutes"),
    "QT_ESS_MAX_DATA_STALENESS": (0.1, 1440, "minutes"),
}
_WHOLE = frozenset({"QT_ESS_MAX_SL_HITS", "QT_ESS_MAX_ORDER_ERRORS"})
_OTHERS = 0o027


@dataclass(frozen=True, slots=True)
class Settings:
    """`values` has every key of DEFAULTS and the expressions; `problems` show no value.

    `unread`: the file is there and cannot be read, so that not even QT_ESS_ENABLED is known;
    `edition`: see there.
    """

    values: Mapping[str, str] = field(default_factory=lambda: dict(DEFAULTS), repr=False)
    problems: tuple[str, ...] = ()
    unread: bool = False
    edition: str = field(default="", compare=False)

    def text(self, key: str) -> str:
        """Return the value of `key`."""
        return self.values[key]

    def words(self, key: str) -> list[str]:
        """Return the value of `key`, a list separated by commas or spaces."""
        return _words(self.values[key])

    def number(self, key: str) -> float:
        """Return the value of `key` in the unit it is set in."""
        return float(self.values[key])

    def seconds(self, key: str) -> float:
        """Return the minutes of `key` in s; what is left empty is QT_ESS_MAX_DATA_STALENESS."""
        return 60 * float(self.values[key] or self.values["QT_ESS_MAX_DATA_STALENESS"])

    def on(self, key: str) -> bool:
        """Tell whether the switch `key` is on: a word that is neither gives the safe answer."""
        word = self.values[key].lower()
        return word in YES or (word not in NO and _SAFE[key])

    def day_start(self) -> time:
        """Return the time of day a trading day begins at, in day_zone()."""
        match = _TIME.fullmatch(self.values["QT_ESS_DAY_START"])
        return time(int(match[1]), int(match[2])) if match else time()

    def day_zone(self) -> tzinfo:
        """Return the zone of the trading day; UTC is there on hosts without any zones, too."""
        name = self.values["QT_ESS_DAY_ZONE"]
        return UTC if name == "UTC" else ZoneInfo(name)

    def expressions(self) -> dict[str, Comparison]:
        """Return the comparisons to watch, by name in lower case."""
        return {
            key.removeprefix(EXPRESSION).lower(): expression.parse(value)
            for key, value in self.values.items()
            if key.startswith(EXPRESSION)
        }


def load(paths: Paths) -> Settings:
    """Return what is configured. Raises nothing: what cannot be read is among the problems."""
    path = paths.watch_config
    # Before it is read: who changes it meanwhile has changed it since.
    read = edition(paths)
    problems: list[str] = []
    data, unread = b"", False
    try:
        data = regular.read(path, keyfile.LARGEST + 1)
        if os.stat(path).st_mode & _OTHERS:
            problems.append(f"{path}: others may read or change it; run: chmod 640 {path}")
    except FileNotFoundError:
        pass
    except OSError as error:
        unread = True
        problems.append(f"{path}: {error.strerror or error}")
    expressions = frozenset(name.decode().lower() for name in _EXPRESSIONS.findall(data))

    def judge(key: str, value: str) -> str:
        return _wrong_off(value, expressions) if key == OFF else wrong(key, value)

    values = DEFAULTS | keyfile.parse(data, path, problems, judge)
    for key, safe in _SAFE.items():
        if values[key].lower() not in YES | NO:
            problems.append(f"{path}: {key} must be true or false; {str(safe).lower()} is used")
    return Settings(values, tuple(problems), unread or len(data) > keyfile.LARGEST, read)


def _wrong_off(value: str, expressions: frozenset[str]) -> str:
    for name in _words(value):
        kind, colon, rest = name.partition(":")
        known = (colon and kind == "custom" and rest) or (kind == "expr" and rest in expressions)
        if not known and name not in EVALUATORS:
            return (
                f"QT_ESS_WATCH_OFF: there is no evaluator {clean(name, 40)}; none is switched off"
            )
    return ""


def wrong(key: str, value: str) -> str:
    """Return what is wrong with a key and its value; "" when nothing is. Pure."""
    if key.startswith(EXPRESSION) and key != EXPRESSION:
        return _complaint(key, value, _wrong_expression)
    if key not in DEFAULTS:
        return f"unknown key {key}"
    if key in _RANGES and (value or DEFAULTS[key]):
        return _complaint(key, value, lambda text: _wrong_number(key, text))
    return _complaint(key, value, _CHECKS[key]) if key in _CHECKS else ""


def _words(value: str) -> list[str]:
    return [word for word in re.split(r"[,\s]+", value) if word]


def _complaint(key: str, value: str, check: Callable[[str], str]) -> str:
    said = check(value)
    return f"{key} {said}" if said else ""


def _wrong_expression(value: str) -> str:
    try:
        expression.parse(value)
    except ValueError as error:
        return str(error)
    return ""


def _wrong_number(key: str, value: str) -> str:
    least, most, unit = _RANGES[key]
    whole = "whole " if key in _WHOLE else ""
    fits = _NUMBER.fullmatch(value) and least <= float(value) <= most
    if fits and (not whole or float(value).is_integer()):
        return ""
    return f"must be {least:g} to {most:g} {whole}{unit}; the default {DEFAULTS[key]} is used"


def _wrong_time(value: str) -> str:
    return "" if _TIME.fullmatch(value) else "must be a time of day like 17:00; 00:00 is used"


def _wrong_zone(value: str) -> str:
    if value == "UTC":
        return ""
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return "is no time zone of this host, like Europe/Berlin; UTC is used"
    return ""


def _wrong_deadman(value: str) -> str:
    return "" if value in ("trip", "alert") else "must be trip or alert; trip is used"


_CHECKS: dict[str, Callable[[str], str]] = {
    "QT_ESS_DAY_START": _wrong_time,
    "QT_ESS_DAY_ZONE": _wrong_zone,
    "QT_ESS_WATCH_DEADMAN": _wrong_deadman,
}
