"""The watcher finds no room for its request: what it cannot ask for, its death does."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from tests.lab.rig import VAR_FLAG, alive, ess, wait_contained
from tests.lab.test_watcher import dead_for_good, said, say, watched

if TYPE_CHECKING:
    from tests.lab.lab import Lab

__all__ = ["watched"]
# Takes every inode there is and gives none a name, so that it asks for nothing itself.
HOARD = """
import os, resource, time
most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
try:
    while True:
        os.open("/run/quantum-ess/requests", os.O_TMPFILE | os.O_WRONLY, 0o600)
except OSError as error:
    print(error.strerror, flush=True)
time.sleep(600)
"""


@pytest.mark.timeout(180)
def test_a_member_who_takes_all_of_run_does_not_keep_the_watcher_from_a_stop(watched: Lab) -> None:
    say(watched, "equity", 1000, 1000, 1000)
    watched.exec("useradd", "--groups", "quantum-ess", "mallory")
    watched.write("/root/hoard.py", HOARD)
    used = int(watched.sh("df --output=iused /run | tail -1").stdout)
    watched.sh(f"mount -o remount,nr_inodes={used + 300} /run")
    watched.sh(
        "nohup setpriv --reuid=mallory --regid=mallory --init-groups python3 -I - "
        "</root/hoard.py >/root/hoarded 2>&1 & echo $! >/root/hoarder"
    )
    watched.wait_until(lambda: "No space" in watched.read("/root/hoarded"), what="all is taken")
    assert not watched.exists(VAR_FLAG)
    begun = time.monotonic()
    say(watched, "equity", 900)
    watched.wait_until(lambda: watched.exists(VAR_FLAG), 60, "the stop")
    assert time.monotonic() - begun < 60
    watched.wait_until(lambda: not alive(watched), 5, "trading is dead")
    watched.sh("kill $(cat /root/hoarder); mount -o remount,nr_inodes=100k /run")
    wait_contained(watched)
    dead_for_good(watched)
    assert "the watcher died (" in ess(watched, "status").stdout
    assert said(watched, "the stop could not be asked for") >= 1
