"""What ops/lib/config.sh, the reader of the stop itself, makes of a configuration file."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.checks.tracked import CHECKOUT

if TYPE_CHECKING:
    from pathlib import Path

PRINT = """
set -u
LC_ALL=C.UTF-8
. "$1/ops/lib/names.sh"
. "$1/ops/lib/config.sh"
code=0
config_load "$2" || code=$?
printf '%s\\0' "$code" "$CONFIG_ERROR" "${TRADING[*]}" "${MONITORS[*]}" "${START_ORDER[*]}"
for key in "${!CONFIG[@]}"; do printf '%s\\0' "$key=${CONFIG[$key]}"; done
"""


@dataclass(frozen=True)
class BashConfig:
    """`error` is empty when the file was accepted; `values` holds every key, defaults included."""

    error: str
    trading: list[str]
    monitors: list[str]
    start_order: list[str]
    values: dict[str, str]


def read(file: Path | str) -> BashConfig:
    """Return what bash read; a file that is missing means every default."""
    done = subprocess.run(
        ("bash", "-c", PRINT, "bash", CHECKOUT, file),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=10,
        check=True,
    )
    assert not done.stderr, done.stderr
    fields = done.stdout.decode(errors="surrogateescape").split("\0")[:-1]
    code, error, trading, monitors, order, *pairs = fields
    assert (code == "0") is (not error)
    return BashConfig(
        error=error,
        trading=trading.split(),
        monitors=monitors.split(),
        start_order=order.split(),
        values=dict(pair.split("=", 1) for pair in pairs),
    )
