"""QT_ESS_RCU_EXPEDITED: the kernel's setting is ours to change for who asks for it.

The kernel is the test machine's, too, so a file stands in for its setting; what that does to a stop
scripts/bench.sh --rcu-expedited measures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lab.rig import INSTALL, arm, configure

if TYPE_CHECKING:
    from tests.lab.lab import Lab

pytestmark = pytest.mark.latch_alone

SETTING = "/sys/kernel/rcu_expedited"
FILE = "/root/rcu"
YES = {"QT_ESS_RCU_EXPEDITED": "yes"}
NO = {"QT_ESS_RCU_EXPEDITED": "no"}


def put_setting(lab: Lab, value: str) -> None:
    lab.sh(f"echo {value} >{FILE}; mount --bind {FILE} {SETTING}")


def setting(lab: Lab) -> str:
    return lab.read(FILE).strip()


def test_it_is_set_and_taken_back(lab: Lab) -> None:
    put_setting(lab, "0")
    configure(lab, YES)
    assert setting(lab) == "1"
    configure(lab, YES)
    assert setting(lab) == "1"
    configure(lab, NO)
    assert setting(lab) == "0"


def test_what_somebody_else_has_set_stays(lab: Lab) -> None:
    put_setting(lab, "1")
    configure(lab, NO)
    assert setting(lab) == "1"
    lab.exec(INSTALL, "--uninstall", timeout=60)
    assert setting(lab) == "1"


def test_uninstalled_it_is_taken_back(lab: Lab) -> None:
    put_setting(lab, "0")
    configure(lab, YES)
    lab.exec(INSTALL, "--uninstall", timeout=60)
    assert setting(lab) == "0"


def test_every_boot_sets_it_where_the_kernel_has_it(lab: Lab) -> None:
    """Where it cannot be written, as in a container, the boot is none that failed."""
    configure(lab, YES)
    put_setting(lab, "0")
    lab.exec("systemd-tmpfiles", "--create", "--boot", "--prefix=/sys/kernel")
    assert setting(lab) == "1"
    lab.exec("umount", SETTING)
    lab.exec("systemd-tmpfiles", "--create", "--boot", "--prefix=/sys/kernel")
    lab.reboot()
    assert lab.state("systemd-tmpfiles-setup.service") == "active"


def test_the_doctor_says_when_it_does_not_hold_and_nothing_is_disarmed(lab: Lab) -> None:
    arm(lab, settings=YES)
    done = lab.exec("ess", "doctor", check=False)
    assert done.returncode == 0, done.stdout
    assert "rcu-not-expedited" in done.stdout
    put_setting(lab, "1")
    assert "rcu-not-expedited" not in lab.exec("ess", "doctor", check=False).stdout
