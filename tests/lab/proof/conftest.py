"""The host that is proved."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lab.stack import MONITOR_UNITS, TRADING_UNITS

if TYPE_CHECKING:
    from tests.lab.lab import Lab


@pytest.fixture
def host(lab: Lab) -> Lab:
    """A host on which quantum-ess is installed, trading runs and is watched."""
    units = (*TRADING_UNITS, *MONITOR_UNITS)
    lab.systemctl("start", *units)
    lab.wait_until(lambda: all(lab.state(unit) == "active" for unit in units))
    return lab
