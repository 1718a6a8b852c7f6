"""The disk with the second flag hangs: whoever looks at a name on it never returns.

`ess_controller.sh activate` looked there before anything else, and so did the enforcer and PID 1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lab import ground as g

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.lab import Lab

UNITS = ("quantum-polite.service", "quantum-execution.service")
STATE_DIR = "/var/lib/quantum-ess"
MEND = f"umount -l {STATE_DIR}; systemctl kill -s KILL never.service"


@pytest.fixture
def hung(guarded: Lab) -> Iterator[Lab]:
    """A lab that trades while the disk with the latch does not answer."""
    units = {UNITS[0]: g.service(), UNITS[1]: g.service(f"ExecStart={g.STUBBORN}\n{g.ALWAYS}")}
    g.guard(guarded, units)
    g.start(guarded, *UNITS)
    g.hang(guarded, STATE_DIR)
    yield guarded
    guarded.sh(MEND, check=False)


@pytest.mark.both_systemds
def test_touch_reaches_the_enforcer(hung: Lab) -> None:
    assert g.touch_and_time(hung, *UNITS) < g.PROMISE
    g.down(hung, *UNITS)
    assert hung.state(g.ENFORCER) == "active"


@pytest.mark.parametrize("tool", [g.ESS, g.CONTROLLER])
def test_activate_does_not_wait_for_it(hung: Lab, tool: str) -> None:
    done = hung.exec(tool, "activate", timeout=15)
    assert "CONTAINED" in done.stdout
    assert STATE_DIR in done.stderr
    assert g.alive(hung, *UNITS) == []
    assert hung.exists(g.RUN_FLAG)


def test_status_does_not_call_it_clear_and_release_refuses(hung: Lab) -> None:
    seen = g.status(hung)
    assert seen.returncode == 4
    assert "ESS STATUS: ACTIVE" in seen.stdout
    hung.exec(g.CONTROLLER, "activate")
    assert g.status(hung).returncode == 0
    refused = hung.exec(g.CONTROLLER, "deactivate", "--no-start", check=False, timeout=15)
    assert refused.returncode == 6
    assert "does not answer" in refused.stderr
    assert hung.exists(g.RUN_FLAG)


def test_when_the_disk_is_back_so_is_the_flag_on_it(hung: Lab) -> None:
    hung.exec(g.CONTROLLER, "activate")
    hung.sh(MEND)
    hung.wait_until(lambda: all(map(hung.exists, g.FLAGS)), 15, "both flags")
    hung.wait_until(lambda: hung.state(g.ENFORCER) == "active", 15, "an enforcer")
    hung.wait_until(lambda: g.status(hung, "--quiet").returncode == 7, 15, "contained")
    g.release(hung)
    g.start(hung, *UNITS)


def test_systemd_does_not_look_there_for_what_follows_a_stop(hung: Lab) -> None:
    """A watch on the spool itself was set up anew after each event, by a PID 1 that hung then."""
    for unit in ("quantum-ess-aftermath.path", "quantum-ess-deliver.path"):
        hung.systemctl("stop", unit)
        hung.exec("systemctl", "start", unit, timeout=5)
    hung.exec(g.CONTROLLER, "activate", timeout=15)
    assert hung.exec("systemctl", "show", "-P", "Version", timeout=5).stdout
