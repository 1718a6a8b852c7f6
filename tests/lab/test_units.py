"""The units as installed: systemd finds nothing wrong with them, and armed they cost nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lab.stack import TRADING_UNITS, put_monitor_stack, put_trading_stack

if TYPE_CHECKING:
    from tests.lab.lab import Lab

VERIFY = ("systemd-analyze", "verify", "--recursive-errors=yes", "--man=no")


def own_units(lab: Lab) -> list[str]:
    listed = lab.sh("cd /etc/systemd/system && ls -d quantum-ess*.{path,service,target,timer}")
    units = listed.stdout.split()
    assert len(units) >= 14
    return units


@pytest.mark.both_systemds
def test_systemd_finds_nothing_wrong(lab: Lab) -> None:
    put_trading_stack(lab)
    put_monitor_stack(lab)
    done = lab.exec(*VERIFY, *own_units(lab), *TRADING_UNITS, check=False, timeout=60)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.both_systemds
def test_systemd_logs_nothing_about_them(lab: Lab) -> None:
    lab.systemctl("daemon-reload")
    complaints = [
        line
        for line in lab.journal("-p", "warning").splitlines()
        if "quantum-ess" in line and "/etc/" in line
    ]
    assert not complaints


@pytest.mark.both_systemds
def test_tmpfiles_and_sysusers_are_understood(lab: Lab) -> None:
    for file in ("quantum-ess.conf", "quantum-ess-reboot.conf"):
        done = lab.exec("systemd-tmpfiles", "--create", f"/etc/tmpfiles.d/{file}")
        assert not done.stderr
    assert not lab.exec("systemd-sysusers", "/etc/sysusers.d/quantum-ess.conf").stderr


def test_every_unit_says_where_the_runbook_is(lab: Lab) -> None:
    for unit in own_units(lab):
        where = lab.show(unit, "Documentation")["Documentation"]
        assert lab.exists(where.removeprefix("file:")), unit


def test_armed_and_idle_nothing_of_ours_runs(lab: Lab) -> None:
    """PID 1 watches. The sentry's short look every 10 s is all that ever runs."""
    running = [
        unit
        for unit in own_units(lab)
        if unit.endswith(".service")
        and unit not in ("quantum-ess-sentry.service", "quantum-ess-drill.service")
        and lab.populated(unit)
    ]
    assert not running
