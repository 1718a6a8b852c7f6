"""The stack that quantum-ess guards, as stand-ins that scripts/lab/stack.sh puts in a lab."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from tests.lab.host import CHECKOUT, LabError

if TYPE_CHECKING:
    from tests.lab.lab import Lab

STACK_SH = CHECKOUT / "scripts" / "lab" / "stack.sh"
TRADING_UNITS = (
    "quantum-ai-engine.service",
    "quantum-execution.service",
    "quantum-apply-layer.service",
    "quantum-governor.service",
)
MONITOR_UNITS = (
    "grafana-server.service",
    "quantum-rl-monitor.service",
    "redis-server.service",
    "prometheus.service",
)


def put_trading_stack(lab: Lab, *units: str) -> None:
    """Install, enable and start trading units (the four of the default configuration)."""
    _put(lab, "trading", *units)
    lab.wait_until(
        lambda: all(map(lab.populated, units or TRADING_UNITS)), what="trading stand-ins run"
    )


def put_monitor_stack(lab: Lab) -> None:
    """Install, enable and start the four monitors; Redis and Prometheus are the real ones."""
    _put(lab, "monitors")
    lab.wait_until(lambda: all(map(lab.populated, MONITOR_UNITS)), what="monitors run")


def _put(lab: Lab, kind: str, *units: str) -> None:
    done = subprocess.run(
        [STACK_SH, kind, lab.name, *units],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if done.returncode:
        raise LabError(f"stack.sh {kind}: {done.stderr.strip()}\n{lab.journal_tail()}")
