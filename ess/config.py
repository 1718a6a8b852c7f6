"""The configuration: a strict reader of the grammar that bash, Python and systemd share.

Pure but for `load`, which reads one file. A value that any of the three would read differently is
refused, with file and line.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ess import names, regular
from ess.errors import ConfigError

PREFIX = "QT_ESS_"
DEFAULTS: dict[str, str] = {
    "QT_ESS_TRADING_UNITS": (
        "quantum-ai-engine.service quantum-execution.service"
        " quantum-apply-layer.service quantum-governor.service"
    ),
    "QT_ESS_MONITOR_UNITS": (
        "grafana-server.service quantum-rl-monitor.service redis-server.service prometheus.service"
    ),
    "QT_ESS_START_ORDER": (
        "quantum-governor quantum-ai-engine quantum-apply-layer quantum-execution"
    ),
    "QT_ESS_STOP_GRACE": "1.5",
    "QT_ESS_STOP_CATEGORY": "1",
    "QT_ESS_SETTLE": "2.0",
    "QT_ESS_START_TIMEOUT": "60",
    "QT_ESS_AFTER_REBOOT": "hold",
    "QT_ESS_REQUIRE_REASON": "no",
    "QT_ESS_DRILL_MAX_AGE": "8",
    "QT_ESS_METRICS_DIR": "/var/lib/prometheus/node-exporter",
}
_ASSIGNMENT = re.compile(r"([A-Z_][A-Z0-9_]*)=(.*)", re.ASCII | re.DOTALL)
_NUMBER = re.compile(r"[0-9]{1,4}(\.[0-9]{1,3})?", re.ASCII)
# It is put into a unit file, where %, quotes and blanks would mean something.
_DIRECTORY = re.compile(r"(/[A-Za-z0-9_+@-][A-Za-z0-9._+@-]*)+", re.ASCII)
_DIRECTORY_LONGEST = 200
_IDLE = re.compile(r"[ \t]*([#;].*)?", re.DOTALL)
_LARGEST_FILE = 65536
_QUOTES = "\"'"
_BLANK = " "


class Config(NamedTuple):
    """A configuration that was read whole and found consistent; times in seconds.

    `metrics_dir`: where node_exporter looks for files, "" when none are wanted.
    """

    trading: tuple[str, ...]
    monitors: tuple[str, ...]
    start_order: tuple[str, ...]
    stop_grace: float
    stop_category: str
    settle: float
    start_timeout: float
    after_reboot: str
    require_reason: bool
    drill_max_age_days: float
    metrics_dir: str


class _Value(NamedTuple):
    """One assignment: what it says, and where, for the message when that is wrong."""

    text: str
    place: str
    explicit: bool


def default() -> Config:
    """Return the configuration of a host that configured nothing."""
    return parse(b"", "defaults")


def load(path: str) -> Config:
    """Return the configuration in the file. Raises ConfigError, also when there is none."""
    try:
        data = regular.read(path, _LARGEST_FILE + 1)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    return parse(data, path)


def parse(data: bytes, path: str) -> Config:
    """Return the configuration that `data` spells; `path` is for messages. Raises ConfigError."""
    if len(data) > _LARGEST_FILE:
        raise ConfigError(f"{path}: larger than {_LARGEST_FILE} bytes")
    values = _assignments(data, path)
    complete = {
        key: values.get(key, _Value(text, f"{path}: {key}", explicit=False))
        for key, text in DEFAULTS.items()
    }
    return _validate(complete)


def _assignments(data: bytes, path: str) -> dict[str, _Value]:
    found: dict[str, _Value] = {}
    for number, raw in enumerate(data.split(b"\n"), start=1):
        place = f"{path}:{number}"
        line = _decode(raw, place)
        if _IDLE.fullmatch(line):
            continue
        key, value = _assignment(line, place)
        if key not in DEFAULTS:
            raise ConfigError(f"{place}: unknown key {key}")
        if key in found:
            raise ConfigError(f"{place}: {key} is set a second time")
        found[key] = _Value(value, f"{place}: {key}", explicit=True)
    return found


def _decode(raw: bytes, place: str) -> str:
    line = raw.decode("utf-8", "surrogateescape")
    if "\0" in line:
        raise ConfigError(f"{place}: NUL byte", "systemd refuses the whole file")
    if line.endswith("\\"):
        # systemd before 254 reads the line after such a comment as comment too.
        raise ConfigError(f"{place}: backslash at the end of the line")
    return line


def _assignment(line: str, place: str) -> tuple[str, str]:
    match = _ASSIGNMENT.fullmatch(line)
    if match is None:
        raise ConfigError(f"{place}: not KEY=VALUE", "no spaces before KEY or around =")
    key, value = match.groups()
    if value.startswith(_BLANK):
        raise ConfigError(f"{place}: space after =")
    return key, _unquote(value.rstrip(_BLANK), place)


def _unquote(value: str, place: str) -> str:
    if not (value.isascii() and value.isprintable()):
        raise ConfigError(f"{place}: more than plain ASCII in a value", "no tab, no CR either")
    if any(char in value for char in "\\$`"):
        raise ConfigError(f"{place}: backslash, $ or backtick in a value", "write it out")
    if value[:1] in _QUOTES and value[:1]:
        if value[-1] != value[0] or len(value) == 1:
            raise ConfigError(f"{place}: quote without its other half")
        value = value[1:-1]
    if any(quote in value for quote in _QUOTES):
        raise ConfigError(f"{place}: quote inside a value")
    return value


def _validate(values: dict[str, _Value]) -> Config:
    trading = _units(values["QT_ESS_TRADING_UNITS"])
    if not trading:
        raise ConfigError(f"{values['QT_ESS_TRADING_UNITS'].place} names no unit")
    monitors = _units(values["QT_ESS_MONITOR_UNITS"])
    _disjoint(trading, monitors, values)
    return Config(
        trading=trading,
        monitors=monitors,
        start_order=_start_order(values["QT_ESS_START_ORDER"], trading),
        stop_grace=_number(values["QT_ESS_STOP_GRACE"], 0, 1.5),
        stop_category=_word(values["QT_ESS_STOP_CATEGORY"], ("0", "1")),
        settle=_number(values["QT_ESS_SETTLE"], 0, 600),
        start_timeout=_number(values["QT_ESS_START_TIMEOUT"], 1, 3600),
        after_reboot=_word(values["QT_ESS_AFTER_REBOOT"], ("hold", "clear")),
        require_reason=_word(values["QT_ESS_REQUIRE_REASON"], ("yes", "no")) == "yes",
        drill_max_age_days=_number(values["QT_ESS_DRILL_MAX_AGE"], 1, 400),
        metrics_dir=_directory(values["QT_ESS_METRICS_DIR"]),
    )


def _disjoint(
    trading: tuple[str, ...], monitors: tuple[str, ...], values: dict[str, _Value]
) -> None:
    lists = values["QT_ESS_MONITOR_UNITS"], values["QT_ESS_TRADING_UNITS"]
    place = next((value for value in lists if value.explicit), lists[0])
    for monitor in monitors:
        for unit in trading:
            if names.overlap(monitor, unit):
                both = monitor if monitor == unit else f"{monitor} ({unit})"
                raise ConfigError(f"{place.place}: {both} is both a trading and a monitoring unit")


def _units(value: _Value) -> tuple[str, ...]:
    found: list[str] = []
    for word in value.text.split(_BLANK):
        if not word:
            continue
        unit = names.with_suffix(word)
        if wrong := names.problem(unit):
            raise ConfigError(f"{value.place}: {word} {wrong}")
        found.append(unit)
    return tuple(dict.fromkeys(found))


def _start_order(value: _Value, trading: tuple[str, ...]) -> tuple[str, ...]:
    order = []
    for unit in _units(value):
        if unit in trading or names.matches_any(trading, unit):
            order.append(unit)
        elif value.explicit:
            raise ConfigError(f"{value.place}: {unit} is not a trading unit")
    return tuple(order)


def _number(value: _Value, low: float, high: float) -> float:
    if _NUMBER.fullmatch(value.text) and low <= float(value.text) <= high:
        return float(value.text)
    raise ConfigError(f"{value.place} must be a number from {low:g} to {high:g}")


def _directory(value: _Value) -> str:
    path = value.text
    if not path or (len(path) <= _DIRECTORY_LONGEST and _DIRECTORY.fullmatch(path)):
        return path
    raise ConfigError(f"{value.place} must be an absolute path of letters, digits and ._+@-")


def _word(value: _Value, allowed: tuple[str, ...]) -> str:
    if value.text in allowed:
        return value.text
    raise ConfigError(f"{value.place} must be {' or '.join(allowed)}")
