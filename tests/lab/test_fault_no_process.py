"""Bash ends where it cannot make a process, after 15 s of trying or at once: so did the stop.

The enforcer asked for its disk first, through a child, and was gone before it had killed anybody,
as often as systemd started it anew. Who asked for the status got no word and a code of nobody's.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.lab.crowd import few_processes
from tests.lab.rig import (
    BOT,
    CONTROLLER,
    ENFORCER,
    STUBBORN,
    alive,
    any_flag,
    ess,
    latched,
    touch,
    wait_contained,
)
from tests.lab.stack import TRADING_UNITS

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from tests.lab.conftest import ArmLab
    from tests.lab.lab import Lab

pytestmark = pytest.mark.latch_alone

ALL = (*TRADING_UNITS, BOT)
FORKS = "clone clone3 fork vfork"
# What fork() says when there is no memory, and when there is no room in the process table.
REASONS = ("ENOMEM", "EAGAIN")
# How long bash tries again for the latter, and some for all the rest (s).
PATIENCE = 17
DROP_IN = f"/run/systemd/system/{ENFORCER}.d"


@pytest.fixture
def host(arm_lab: ArmLab) -> Lab:
    return arm_lab(units={BOT: STUBBORN})


def without(reason: str, lab: Lab, *argv: str) -> subprocess.CompletedProcess[str]:
    """Run a command that cannot make a process."""
    return lab.exec(
        *("systemd-run", "--quiet", "--pipe", "--wait", "--collect"),
        *("-p", f"SystemCallFilter=~{FORKS}", "-p", f"SystemCallErrorNumber={reason}"),
        *argv,
        check=False,
        timeout=PATIENCE + 5,
    )


@pytest.fixture
def crippled(host: Lab, request: pytest.FixtureRequest) -> Iterator[Lab]:
    """A host whose enforcer cannot make a process, for this reason."""
    host.write(
        f"{DROP_IN}/forks.conf",
        f"[Service]\nSystemCallFilter=~{FORKS}\nSystemCallErrorNumber={request.param}\n",
    )
    host.systemctl("daemon-reload")
    yield host
    host.sh(f"rm -r {DROP_IN}; systemctl daemon-reload")


@pytest.mark.parametrize("crippled", ["ENOMEM"], indirect=True)
def test_an_enforcer_without_a_process_kills_in_time(crippled: Lab) -> None:
    touch(crippled)
    wait_contained(crippled, ALL)
    assert any_flag(crippled)


@pytest.mark.parametrize("crippled", ["EAGAIN"], indirect=True)
def test_and_kills_when_bash_has_given_up(crippled: Lab) -> None:
    touch(crippled)
    wait_contained(crippled, ALL, timeout=PATIENCE)
    assert any_flag(crippled)


ASKS = (("ENOMEM", CONTROLLER), ("EAGAIN", CONTROLLER), ("ENOMEM", "ess"))


@pytest.mark.parametrize(("reason", "tool"), ASKS)
def test_status_of_a_latch_that_is_not_set(host: Lab, reason: str, tool: str) -> None:
    done = without(reason, host, tool, "status")
    assert (done.returncode, done.stdout) == (5, "")
    assert "no process can be made here: it is not known whether the stop is armed" in done.stderr


@pytest.mark.parametrize(("reason", "tool"), ASKS)
def test_status_and_release_of_a_latch_that_is_set(host: Lab, reason: str, tool: str) -> None:
    host.exec(CONTROLLER, "activate")
    host.wait_until(lambda: latched(host), what="both flags")
    # Each may take bash's patience.
    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(without, reason, host, tool, "status", "--quiet")
        done = without(reason, host, tool, "deactivate", "--yes", "--no-start")
    assert (done.returncode, done.stdout) == (6, "")
    assert "no process can be made here: not released: the latch is still set" in done.stderr
    done = asking.result()
    assert (done.returncode, done.stdout) == (4, "")
    assert "it is not known whether trading is down" in done.stderr
    assert latched(host)


@pytest.mark.parametrize(("reason", "tool"), ASKS)
def test_who_asks_for_the_stop_gets_it(host: Lab, reason: str, tool: str) -> None:
    done = without(reason, host, tool, "activate")
    assert alive(host, ALL) == []
    assert any_flag(host)
    assert done.returncode == 4
    assert "it is not known whether trading is down" in done.stderr


def test_a_release_that_comes_to_nothing_half_way_is_taken_back(host: Lab) -> None:
    host.exec(CONTROLLER, "activate")
    host.wait_until(lambda: latched(host), what="both flags")
    with ThreadPoolExecutor(1) as pool:
        release = pool.submit(ess, host, "deactivate", timeout=2 * PATIENCE)
        host.wait_until(lambda: alive(host, ALL), what="the first unit is started")
        with few_processes(host, 0, seen=False):
            done = release.result()
            assert (done.returncode, any_flag(host)) == (6, True)
            assert "no process can be made here: release failed; latched again" in done.stderr
            wait_contained(host, ALL)
