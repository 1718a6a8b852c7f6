"""Requests in masses, that cannot be removed, or with a part of their way broken: just a stop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lab import asking
from tests.lab import ground as g
from tests.lab.asking import MEMBER, READER, REQUESTS, WATCHES
from tests.lab.rig import LIB
from tests.lab.stack import TRADING_UNITS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.lab import Lab

pytestmark = pytest.mark.latch_alone

furnish = asking.furnish
SENTRY = "quantum-ess-sentry"
ASK = f"{' '.join(asking.by(MEMBER))} touch {REQUESTS}/x"
TMPFILES = "systemd-tmpfiles --create /etc/tmpfiles.d/quantum-ess.conf"
# The sandbox of a daemon of ours that may trip.
DAEMON = (
    *("systemd-run", "--quiet", "--wait", "--pipe", "-p", "User=quantum-ess"),
    *("-p", "ProtectSystem=strict", "-p", f"ReadWritePaths={REQUESTS}", "-p", "ProtectHome=yes"),
    *("-p", "PrivateTmp=yes", "-p", "PrivateDevices=yes", "-p", "NoNewPrivileges=yes"),
    *("-p", "CapabilityBoundingSet=", "-p", "ProtectProc=invisible", "-p", "ProcSubset=pid"),
    *("-p", "RestrictNamespaces=yes", "-p", "RestrictSUIDSGID=yes", "-p", "UMask=0077"),
    *("-p", "SystemCallFilter=@system-service", "-p", "MemoryDenyWriteExecute=yes"),
)
PYTHON = ("/opt/quantum-ess/venv/bin/python", "-I", "-c")
DROP = (
    "from ess import request; from ess.paths import Paths;"
    " print(request.drop(Paths(), 'equity 9.1 % below its peak, limit 8 %', 'watcher'))"
)


def lines(lab: Lab) -> int:
    """Return how many lines of the journal are about requests or their reader."""
    count = (
        "journalctl -b --no-pager -o cat | grep -c 'without root\\|quantum-ess-request\\|requests'"
    )
    return int(lab.sh(f"{count} || :").stdout)


def starts(lab: Lab) -> int:
    """Return how often the reader was started in this boot."""
    log = lab.exec("journalctl", "-b", "-o", "json", "--no-pager", "-t", "ess-starts").stdout
    return log.count("\n")


@pytest.fixture
def counted(trading: Lab) -> Iterator[Lab]:
    """The same; each start of the reader leaves a line that starts() counts."""
    conf = f"/etc/systemd/system/{READER}.d/count.conf"
    trading.write(conf, "[Service]\nExecStartPre=/usr/bin/logger -t ess-starts x\n")
    trading.systemctl("daemon-reload")
    yield trading
    trading.sh(f"rm -f {conf}; systemctl daemon-reload")


@pytest.mark.every_image
def test_thousands_at_once(counted: Lab) -> None:
    before, begun = lines(counted), starts(counted)
    many = (
        "for i in {1..5000}; do : >$i; done; mkdir d{1..500}; ln -s /etc/passwd l; mkfifo f{1..9}"
    )
    asking.script(counted, MEMBER, many)
    asking.taken(counted, 20)
    asking.assert_stopped(counted)
    assert counted.exists("/etc/passwd")
    assert starts(counted) - begun < 20
    assert lines(counted) - before < 100
    g.release(counted)
    asking.assert_stays_released(counted)


def test_who_asks_in_a_loop_wears_nobody_out(counted: Lab) -> None:
    before, begun = lines(counted), starts(counted)
    loop = f"timeout 3 sh -c 'cd {REQUESTS}; while :; do : >x; : >.y; done' || :"
    asking.run(counted, MEMBER, "sh", "-c", loop)
    asking.assert_stopped(counted)
    assert starts(counted) - begun < 10
    assert lines(counted) - before < 100
    assert counted.systemctl("show", "-P", "Version", timeout=2).stdout


def test_directory_that_cannot_be_emptied(counted: Lab) -> None:
    begun = starts(counted)
    counted.systemctl("stop", *WATCHES, f"{SENTRY}.timer")
    bound = f"mount --bind {REQUESTS} {REQUESTS}; mount -o remount,bind,ro {REQUESTS}"
    counted.sh(f"{ASK}; {bound}; systemctl start {' '.join(WATCHES)} {SENTRY}.timer")
    g.dead(counted, *TRADING_UNITS)
    counted.wait_until(lambda: "cannot be removed" in counted.journal(), what="it says so")
    before = lines(counted)
    counted.exec("sleep", "4")
    assert lines(counted) - before <= 2
    assert starts(counted) - begun <= 2
    assert g.latched(counted)
    # So does Python: test_release_is_refused_while_the_reader_hangs.
    done = counted.exec(g.CONTROLLER, "deactivate", check=False, timeout=30)
    assert done.returncode == 6
    assert "a request to stop waits" in done.stderr
    counted.exec("umount", REQUESTS)
    asking.assert_stopped(counted)
    g.release(counted)
    asking.assert_stays_released(counted)


def test_what_somebody_mounted_there_goes(trading: Lab) -> None:
    trading.systemctl("stop", *WATCHES, f"{SENTRY}.timer")
    trading.sh(
        f"mkdir '{REQUESTS}/a b'; mount -t tmpfs none '{REQUESTS}/a b'; touch '{REQUESTS}/a b/c'"
    )
    trading.systemctl("start", *WATCHES, f"{SENTRY}.timer")
    asking.assert_stopped(trading)


def test_what_never_answers_holds_up_nothing(trading: Lab) -> None:
    trading.systemctl("stop", *WATCHES, f"{SENTRY}.timer")
    try:
        g.hang(trading, f"{REQUESTS}/x")
        trading.systemctl("start", *WATCHES, f"{SENTRY}.timer")
        trading.wait_until(lambda: g.latched(trading), 2, "the latch")
        asking.assert_stopped(trading)
    finally:
        trading.sh("systemctl kill -s KILL never; systemctl reset-failed never", check=False)


def test_symlink_in_place_of_the_directory(trading: Lab) -> None:
    trading.sh(
        f"mkdir /root/precious; touch /root/precious/file; rmdir {REQUESTS};"
        f" ln -s /root/precious {REQUESTS}; systemctl start {SENTRY}.service"
    )
    g.dead(trading, *TRADING_UNITS)
    directory = f"[ -d {REQUESTS} ] && [ ! -L {REQUESTS} ]"
    trading.wait_until(lambda: trading.sh(directory, check=False).returncode == 0, what="mended")
    assert trading.exists("/root/precious/file")
    asking.assert_stopped(trading)
    g.release(trading)
    asking.script(trading, MEMBER, "touch x")
    asking.assert_stopped(trading)
    trading.sh("rm -r /root/precious")


@pytest.mark.parametrize("part", ["request.sh", "asked.sh", "spool.sh", "enforce.sh"])
def test_a_broken_part_trips_all_the_same(counted: Lab, part: str) -> None:
    file = f"{LIB}/ops/lib/{part}"
    counted.sh(f"cp -a {file} /root/; echo 'if' >>{file}")
    begun = starts(counted)
    try:
        counted.sh(ASK)
        g.dead(counted, *TRADING_UNITS)
        counted.exec("sleep", "3")
        assert g.latched(counted)
        assert starts(counted) - begun < 40
    finally:
        counted.sh(f"cp -a /root/{part} {file}")
    asking.assert_stopped(counted)


@pytest.mark.parametrize("how", ["stop", "mask"])
def test_without_the_watch_the_sentry_takes_it(trading: Lab, how: str) -> None:
    units = "/etc/systemd/system"
    names = " ".join(WATCHES)
    trading.sh(f"systemctl stop {names} {SENTRY}.timer {READER}")
    if how == "mask":
        trading.sh(
            f"for u in {names} {READER}; do mv {units}/$u /root/; done;"
            f" systemctl mask {names} {READER}"
        )
    trading.sh(f"{ASK}; systemctl start {SENTRY}.service || :", timeout=30)
    g.dead(trading, *TRADING_UNITS)
    g.assert_contained(trading, *TRADING_UNITS)
    if how == "mask":
        trading.sh(f"systemctl unmask {names} {READER}; mv /root/quantum-ess-request* {units}/")
        trading.systemctl("daemon-reload")
    trading.systemctl("start", *WATCHES, f"{SENTRY}.timer")
    asking.assert_stopped(trading)


def test_full_run(trading: Lab) -> None:
    room = trading.sh("findmnt -no SIZE --bytes /run").stdout.strip()
    trading.sh("mount -o remount,size=16M /run; head -c 16M /dev/zero >/run/ballast || :")
    assert trading.sh("df --output=avail /run | tail -1").stdout.strip() == "0"
    try:
        done = asking.run(trading, MEMBER, g.ESS, "activate", "--reason", "full")
        assert done.returncode == 0
        g.dead(trading, *TRADING_UNITS)
        g.assert_contained(trading, *TRADING_UNITS)
    finally:
        trading.sh(f"rm /run/ballast; mount -o remount,size={room} /run")
    asking.assert_stopped(trading)


@pytest.mark.both_systemds
def test_daemon_of_ours_trips_from_its_sandbox(trading: Lab) -> None:
    trading.exec(*DAEMON, *PYTHON, DROP, timeout=20)
    asking.assert_stopped(trading)
    said = asking.flag(trading)
    assert said["operator"] == "quantum-ess"
    assert said["reason"] == "equity 9.1 % below its peak, limit 8 %"
    for path in (*g.FLAGS, "/run/quantum-ess/x"):
        refused = trading.exec(*DAEMON, "/bin/rm", "-f", path, check=False)
        written = trading.exec(*DAEMON, "/usr/bin/touch", path, check=False)
        assert (refused.returncode != 0) or not path.endswith("ESS_ON"), path
        assert written.returncode != 0, path
    g.assert_contained(trading, *TRADING_UNITS)


def test_uninstalled_nobody_can_ask_in_vain(trading: Lab) -> None:
    trading.exec(f"{LIB}/ops/install.sh", "--uninstall", timeout=60)
    done = asking.run(trading, MEMBER, "touch", f"{REQUESTS}/x", check=False)
    assert done.returncode != 0
