"""Whatever becomes of the flags and of the clock, a latch that has fallen holds."""

from __future__ import annotations

import base64
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.lab.rig import (
    BRISK,
    DRILL,
    ENFORCER,
    RUN_FLAG,
    RUNNING,
    SENTRY,
    VAR_FLAG,
    alive,
    any_flag,
    arm,
    assert_held,
    assert_released,
    ess,
    hunt,
    remove_by_hand,
    starts,
    touch,
    wait_contained,
    wait_latched,
    wait_trading,
)
from tests.lab.stack import TRADING_UNITS

if TYPE_CHECKING:
    from tests.lab.lab import Lab

pytestmark = pytest.mark.latch_alone

DAY = 86400


@pytest.mark.parametrize(
    "script",
    [
        f"rm {RUN_FLAG}",
        f"rm {VAR_FLAG}",
        "rm -rf /run/quantum",
        "rm -rf /var/lib/quantum-ess",
        "rm -rf /run/quantum/*; sleep 0.2; rm -rf /var/lib/quantum-ess/*",
        "rm -rf /var/lib/quantum-ess/*; sleep 0.2; rm -rf /run/quantum/*",
        "rm -rf /run/quantum/*; rm -rf /var/lib/quantum-ess/*",
        "rm -rf /run/quantum /var/lib/quantum-ess",
        "find /run/quantum /var/lib/quantum-ess -delete",
        f"mv {RUN_FLAG} /tmp/; mv /var/lib/quantum-ess /var/lib/elsewhere",
        f"for i in {{1..50}}; do rm -f {RUN_FLAG}; rm -rf /var/lib/quantum-ess/*; sleep 0.02; done",
    ],
)
def test_flags_deleted(armed: Lab, script: str) -> None:
    touch(armed)
    wait_contained(armed)
    wait_latched(armed)
    armed.wait_until(lambda: armed.exists(RUNNING), what="what ran is written down")
    before, drill = starts(armed), armed.read(DRILL)
    # What is dropped into the spool meanwhile makes rm say that a directory is not empty.
    armed.sh(f"for try in {{1..9}}; do {{ {script}; }} && exit; sleep 0.1; done; exit 1")
    wait_latched(armed)
    assert starts(armed) == before
    assert_held(armed)
    # The rest of what went is put back as for a host that is to be armed again.
    armed.write(DRILL, drill)
    armed.sh(
        "rm -rf /var/lib/elsewhere; systemd-tmpfiles --create /etc/tmpfiles.d/quantum-ess.conf"
    )


def test_person_who_removes_both_flags_at_once_releases(armed: Lab) -> None:
    touch(armed)
    wait_contained(armed)
    remove_by_hand(armed)
    assert not any_flag(armed)
    assert alive(armed) == []
    assert "removed by hand" in armed.journal("-t", "quantum-ess")
    armed.systemctl("start", SENTRY)
    assert not any_flag(armed)
    armed.systemctl("start", *TRADING_UNITS)
    assert_released(armed)


@pytest.mark.parametrize(
    "impostor",
    [
        "touch /run/quantum",
        "ln -s /nowhere /run/quantum",
        "ln -s quantum /run/quantum",
        "mkdir /run/elsewhere; ln -s elsewhere /run/quantum",
        "mkfifo /run/quantum",
        "mkdir -m 0 /run/quantum",
    ],
)
def test_run_directory_replaced(armed: Lab, impostor: str) -> None:
    touch(armed)
    wait_contained(armed)
    wait_latched(armed)
    before = starts(armed)
    armed.sh(f"until rm -rf /run/quantum; {impostor}; do :; done")
    for unit in TRADING_UNITS:
        assert armed.systemctl("start", unit, check=False).returncode != 0
    armed.sh(f"rm -f {VAR_FLAG}")
    armed.wait_until(lambda: armed.exists(VAR_FLAG), what="the flag on disk is back")
    hunt(armed, ENFORCER, 0.3)
    assert starts(armed) == before
    assert alive(armed) == []
    assert ess(armed, "status", "--quiet").returncode == 7
    armed.sh("rm -rf /run/quantum /run/elsewhere; mkdir -p /run/quantum")
    assert_held(armed)


@pytest.mark.both_systemds
def test_trading_unit_that_deletes_the_flag_with_its_runtime_directory(armed: Lab) -> None:
    for unit in TRADING_UNITS:
        armed.write(
            f"/etc/systemd/system/{unit}.d/mean.conf", "[Service]\nRuntimeDirectory=quantum\n"
        )
    armed.systemctl("daemon-reload")
    # Not restarted: one that stops would take the directory from another that starts.
    armed.systemctl("stop", *TRADING_UNITS)
    armed.systemctl("start", *TRADING_UNITS)
    wait_trading(armed)
    touch(armed)
    wait_contained(armed)
    before = starts(armed)
    wait_latched(armed)
    assert_held(armed)
    assert starts(armed) == before


# --- the clock ---


def skew_clock(lab: Lab, library: Path, seconds: int) -> dict[str, str]:
    """Let what we run see another time than the files have; return the environment for commands.

    A lab shares the host's clock, which is nobody's to set.
    """
    source = Path(__file__).with_name("skew.c")
    subprocess.run(["gcc", "-shared", "-fPIC", "-O", "-o", library, source], check=True)
    encoded = base64.b64encode(library.read_bytes()).decode()
    lab.write("/opt/skew.b64", encoded)
    lab.sh("base64 -d /opt/skew.b64 >/opt/skew.so")
    environment = {"LD_PRELOAD": "/opt/skew.so", "QT_TEST_SKEW": str(seconds)}
    lines = "".join(f"Environment={key}={value}\n" for key, value in environment.items())
    for unit in (ENFORCER, SENTRY):
        lab.write(f"/etc/systemd/system/{unit}.d/skew.conf", f"[Service]\n{lines}")
    lab.systemctl("daemon-reload")
    return environment


@pytest.mark.parametrize("jump", [DAY, -DAY])
def test_clock_that_jumps_right_after_the_trip(lab: Lab, tmp_path: Path, jump: int) -> None:
    arm(lab, settings=BRISK)
    environment = skew_clock(lab, tmp_path / "skew.so", jump)
    skewed = lab.exec("date", "+%s", env=environment).stdout
    assert abs(int(skewed) - jump - time.time()) < 60
    touch(lab)
    wait_contained(lab)
    wait_latched(lab)
    hunt(lab, ENFORCER, 0.3)
    lab.exec("rm", RUN_FLAG)
    assert_held(lab)
    lab.systemctl("start", SENTRY)
    lab.reboot()
    assert_held(lab)
    done = ess(lab, "deactivate", env=environment)
    if jump > 0:
        # The flag seems older than the boot, so what ran is not known, and nothing is guessed.
        assert (done.returncode, "--no-start" in done.stderr) == (6, True)
        done = ess(lab, "deactivate", "--all", env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert_released(lab)
