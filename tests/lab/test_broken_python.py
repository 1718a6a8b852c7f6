"""The stop works, and is held and released, on a host whose Python is broken."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lab.rig import BOT, arm, assert_held, assert_released
from tests.lab.stack import TRADING_UNITS
from tests.lab.test_broken_host import run, trip_with
from tests.thorough import chosen

if TYPE_CHECKING:
    from tests.lab.lab import Lab

ALL = (*TRADING_UNITS, BOT)
PYTHON = "/opt/quantum-ess/venv/bin/python"
SITE = "/opt/quantum-ess/venv/lib/python3*/site-packages"
# Stand-ins that need no Python to come up again.
PLAIN = "[Service]\nExecStart=\nExecStart=/usr/bin/sleep infinity\n"


@pytest.fixture
def host(stubborn: Lab) -> Lab:
    """An armed host with a fifth trading unit that only SIGKILL ends."""
    for unit in TRADING_UNITS:
        stubborn.write(f"/etc/systemd/system/{unit}.d/plain.conf", PLAIN)
    stubborn.systemctl("daemon-reload")
    return arm(stubborn, BOT, configured=True)


# No Python at all; none in its place; one that ends with an error; one that dies.
USUAL = (
    "rm -rf /usr/bin/python3* /opt/quantum-ess",
    "rm -rf /opt/quantum-ess/venv",
    f"for f in {SITE}/ess/*.py; do echo '(' >$f; done",
    f"rm {PYTHON}; printf '#!/bin/sh\\nkill -SEGV $$\\n' >{PYTHON}; chmod +x {PYTHON}",
)
# Others of the first three kinds.
MORE = (
    "rm -f /usr/bin/python3*",
    f"chmod -x $(readlink -f {PYTHON})",
    f"rm -rf {SITE}/ess",
    f"rm {SITE}/ess/direct.py",
)


@pytest.mark.parametrize("damage", chosen((*USUAL, *MORE), USUAL))
def test_python_is_broken(host: Lab, damage: str) -> None:
    host.sh(damage)
    done = trip_with(host, "ess")
    assert "using ess_controller.sh" in done.stderr
    assert_stopped_and_released(host)


def test_what_an_emergency_does_not_need_is_not_missed(host: Lab) -> None:
    host.sh(f"rm -rf {SITE}/click")
    assert trip_with(host, "ess").stderr == ""
    assert_stopped_and_released(host)
    assert run(host, "ess", "doctor").stderr == ""
    # All else is said by bash, as far as it can.
    assert "using ess_controller.sh" in run(host, "ess", "history").stderr


def assert_stopped_and_released(host: Lab) -> None:
    assert_held(host, ALL)
    assert run(host, "ess", "status").returncode == 0
    assert run(host, "ess", "status", "--quiet").returncode == 7
    host.wait_until(lambda: host.exists("/var/lib/quantum-ess/running"))
    done = run(host, "ess", "deactivate", "--reason", "python is broken")
    assert done.returncode == 0, done.stderr
    assert_released(host, ALL)
