"""An upgrade: what the older version had and this one has not is stopped and removed."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from tests.lab import ground as g
from tests.lab.conftest import _layer
from tests.lab.host import CHECKOUT
from tests.lab.rig import BRISK, CONTROLLER, LIB, arm, ess

if TYPE_CHECKING:
    import subprocess

    from tests.lab.conftest import BootLab
    from tests.lab.lab import Lab

UNIT_DIR = "/etc/systemd/system"
MANIFEST = f"{LIB}/manifest.sha256"
# Names that the watcher had once, and a part that was one, with what starts it.
WATCHER = "quantum-ess-watcher.service"
PART = "quantum-ess-part.service"
TIMER = "quantum-ess-part.timer"
OLD_FILES = {
    f"{UNIT_DIR}/{WATCHER}": "[Service]\nExecStart=/usr/bin/sleep infinity\nRestart=always\n"
    "[Install]\nWantedBy=multi-user.target\n",
    f"{UNIT_DIR}/{PART}": "[Service]\nExecStart=/usr/bin/sleep infinity\n",
    f"{UNIT_DIR}/{TIMER}": "[Timer]\nOnActiveSec=0\nOnUnitInactiveSec=1\n"
    "[Install]\nWantedBy=timers.target\n",
    f"{LIB}/ops/lib/gone.sh": "# gone\n",
}


@pytest.fixture
def host(boot_lab: BootLab, lab_image: str) -> Lab:
    """An armed host on which an older version left its units, enabled and running."""
    lab = boot_lab(layer=_layer(lab_image), bind_ro={CHECKOUT: "/src"})
    for path, text in OLD_FILES.items():
        lab.write(path, text)
        digest = hashlib.sha256(text.encode()).hexdigest()
        lab.sh(f"echo '{digest}  {path}' >>{MANIFEST}")
    lab.systemctl("daemon-reload")
    lab.systemctl("--quiet", "enable", "--now", WATCHER, TIMER)
    arm(lab, settings=BRISK)
    lab.wait_until(lambda: lab.populated(WATCHER) and lab.populated(PART), what="they run")
    return lab


def upgrade(lab: Lab) -> subprocess.CompletedProcess[str]:
    return lab.exec("bash", "/src/ops/install.sh", "--no-python", "--no-drill", timeout=60)


def left(lab: Lab) -> list[str]:
    return [path for path in OLD_FILES if lab.exists(path)]


@pytest.mark.every_image
def test_old_units_are_stopped_and_gone_and_the_stop_works(host: Lab) -> None:
    said = upgrade(host).stdout
    assert f"Removed {WATCHER}: this version does not have it." in said
    assert left(host) == []
    assert not host.populated(WATCHER)
    assert not host.populated(PART)
    assert host.show(WATCHER, "LoadState")["LoadState"] == "not-found"
    assert not host.sh(f"find {UNIT_DIR} -lname '*{WATCHER}' -o -lname '*{TIMER}'").stdout
    assert "file-missing" not in host.exec("ess", "doctor", check=False, timeout=30).stdout
    units = [f"quantum-{name}.service" for name in ("execution", "governor")]
    assert g.alive(host, *units) == units, "trading was not touched"
    host.exec(CONTROLLER, "activate")
    g.assert_contained(host, *units)
    again = host.exec("bash", "/src/ops/install.sh", "--no-python", "--no-drill", timeout=60)
    assert "Removed" not in again.stdout


def test_while_latched_nothing_is_taken_away_and_after_the_release_it_is(host: Lab) -> None:
    host.exec(CONTROLLER, "activate")
    said = upgrade(host).stdout
    assert f"The latch is set: {len(OLD_FILES)} files of the version before stay." in said
    assert left(host) == list(OLD_FILES)
    assert host.populated(WATCHER)
    g.assert_contained(host, "quantum-execution.service")
    assert ess(host, "deactivate", "--yes", "--reason", "x", timeout=60).returncode == 0
    upgrade(host)
    assert left(host) == []
    assert not host.populated(WATCHER)


def test_an_old_unit_that_does_not_end_keeps_its_file_and_is_named(host: Lab) -> None:
    host.write(
        f"{UNIT_DIR}/{WATCHER}.d/stuck.conf",
        "[Service]\nExecStop=/usr/bin/sleep infinity\nTimeoutStopSec=infinity\n",
    )
    host.systemctl("daemon-reload")
    # It waits a minute, which would prove no more.
    host.sh("mkdir /root/src; cd /src; cp -a ops deploy scripts ess *.md /root/src/")
    patience = "timeout 60 systemctl stop --"
    assert patience in host.read("/root/src/ops/lib/stale.sh")
    host.sh(f"sed -i 's/{patience}/timeout 5 systemctl stop --/' /root/src/ops/lib/stale.sh")
    impatient = ("bash", "/root/src/ops/install.sh", "--no-python", "--no-drill")
    done = host.exec(*impatient, timeout=60)
    assert f"{WATCHER}, which this version does not have, does not end" in done.stderr
    assert left(host) == [f"{UNIT_DIR}/{WATCHER}"]
    host.exec("systemctl", "kill", "-s", "KILL", WATCHER)
    host.wait_until(lambda: not host.populated(WATCHER), 10, "it is killed")
    upgrade(host)
    assert left(host) == []


def test_removing_the_product_stops_what_an_older_version_left(host: Lab) -> None:
    done = host.exec(f"{LIB}/ops/install.sh", "--uninstall", timeout=60)
    assert done.stderr == ""
    assert left(host) == []
    for unit in (WATCHER, PART, TIMER, "quantum-ess.path", "quantum-ess-sentry.timer"):
        assert host.state(unit) == "inactive", unit


def test_the_first_stop_no_longer_watches_from_the_boot_on(host: Lab) -> None:
    """A second watch of the flag, which makes the stop slower; versions before this one had it."""
    link = f"{UNIT_DIR}/paths.target.wants/quantum-ess-halt.path"
    host.exec("ln", "-s", f"{UNIT_DIR}/quantum-ess-halt.path", link)
    upgrade(host)
    assert not host.exists(link)
    assert host.state("quantum-ess-halt.path") == "inactive"
    assert ess(host, "status").returncode == 0
