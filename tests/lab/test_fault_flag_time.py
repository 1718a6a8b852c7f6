"""The flag's time is not when it fell: the list of what ran was empty, a release started nothing.

Touch makes the file, is put aside on a busy host, and then sets its time; PID 1 stops trading as
soon as the name is there. And the clock of a file, or of uptime, goes on while a host is suspended;
that of systemd does not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lab import host
from tests.lab.rig import RUN_FLAG, RUNNING, arm, assert_released, ess, touch, wait_contained
from tests.lab.stack import TRADING_UNITS

if TYPE_CHECKING:
    from tests.lab.conftest import BootLab
    from tests.lab.lab import Lab

pytestmark = pytest.mark.latch_alone

ENGINE = "quantum-ai-engine.service"
RAN = sorted(unit for unit in TRADING_UNITS if unit != ENGINE)
# What touch does, with a busy host between its two steps.
SLOW_TOUCH = f"""import os, time
os.close(os.open({RUN_FLAG!r}, os.O_WRONLY | os.O_CREAT))
time.sleep(0.4)
os.utime({RUN_FLAG!r})
"""


def slow_enforcer(lab: Lab, seconds: float) -> None:
    """A busy host takes its time to start the enforcer."""
    lab.write(
        "/etc/systemd/system/quantum-ess-trigger.service.d/test.conf",
        f"[Service]\nExecStartPre=/usr/bin/sleep {seconds}\n",
    )
    lab.systemctl("daemon-reload")


def stop_one_by_hand(lab: Lab) -> None:
    lab.systemctl("stop", ENGINE)


def release_what_ran(lab: Lab) -> None:
    wait_contained(lab)
    lab.wait_until(lambda: lab.exists(RUNNING), what="what ran is written down")
    assert sorted(lab.read(RUNNING).split()) == RAN
    done = ess(lab, "deactivate")
    assert done.returncode == 0, done.stderr
    assert_released(lab, RAN)


@pytest.mark.both_systemds
def test_flag_whose_time_is_set_after_trading_was_stopped(lab: Lab) -> None:
    arm(lab)
    slow_enforcer(lab, 0.8)
    stop_one_by_hand(lab)
    lab.exec("python3", "-c", SLOW_TOUCH)
    release_what_ran(lab)


def test_host_that_was_suspended(boot_lab: BootLab, lab_image: str) -> None:
    lab = boot_lab(host.product_layer(lab_image), options=("--slept", "100000"))
    told = lab.exec("systemd-run", "--quiet", "--pipe", "--wait", "cat", "/proc/uptime").stdout
    assert float(told.split()[0]) > 100_000
    arm(lab)
    stop_one_by_hand(lab)
    lab.sh("sleep 0.5")
    touch(lab)
    release_what_ran(lab)
