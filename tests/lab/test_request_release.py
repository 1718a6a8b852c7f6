"""A request and a release: none is lost, none trips a second time, whoever is killed when."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lab import asking
from tests.lab import ground as g
from tests.lab.asking import BUSY, MEMBER, READER, REQUESTS, WATCHES
from tests.lab.rig import NAP, hunt
from tests.lab.stack import TRADING_UNITS
from tests.thorough import in_turn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.lab import Lab

pytestmark = pytest.mark.latch_alone

SENTRY = "quantum-ess-sentry.timer"
FIRST = "quantum-governor.service"
ASK = f"{' '.join(asking.by(MEMBER))} touch {REQUESTS}/x"
# What can be seen of the reader from the outside, in the order in which it happens.
STEPS = {
    "begins": "true",
    "latched": f"[[ -e {g.RUN_FLAG} ]]",
    "at work on it": f"[[ -e {BUSY} ]]",
    "looked at it": "grep -qs alice /run/quantum-ess/request",
    "latched on disk": f"[[ -e {g.VAR_FLAG} ]]",
    "removed it": f"[[ ! -e {REQUESTS}/x ]]",
    "done with it": f"[[ ! -e {REQUESTS}/x && ! -e {BUSY} ]]",
}
# What can be seen of a release.
RELEASE = {
    "removes flags": "[[ -e /run/quantum-ess/releasing ]]",
    "removed both flags": f"[[ ! -e {g.RUN_FLAG} && ! -e {g.VAR_FLAG} ]]",
    "started one": f"{{ nap; systemctl -q is-active {FIRST}; }}",
}
# The reader is there for some 10 ms: who starts a process to look for it may miss it. Its first
# process is its main one.
LOOK = f"""
root=/sys/fs/cgroup; [[ -e $root/cgroup.controllers ]] || root=$root/unified
reader() {{ read -r p 2>/dev/null <$root/system.slice/{READER}/cgroup.procs; }}
"""


def furnish(lab: Lab) -> None:
    """Time enough to ask while a release is at work."""
    asking.furnish(lab, settle="3")


@pytest.fixture
def trading(trading: Lab) -> Iterator[Lab]:
    """The four units trade; whoever looks at requests does so again afterwards."""
    yield trading
    trading.systemctl("start", *WATCHES, SENTRY)


@pytest.fixture
def latched(trading: Lab) -> Lab:
    """The same, stopped by root; what ran is written down."""
    trading.exec(g.CONTROLLER, "activate")
    trading.wait_until(lambda: trading.exists("/var/lib/quantum-ess/running"), what="the list")
    return trading


def without_watch(lab: Lab) -> None:
    """Have nobody look at the requests."""
    lab.systemctl("stop", SENTRY, *WATCHES)


@pytest.mark.parametrize("step", STEPS)
def test_reader_killed_at_every_step(trading: Lab, step: str) -> None:
    kill = (
        f"{LOOK}{ASK} & until reader; do :; done\n"
        f"until {STEPS[step]}; do :; done; kill -KILL $p 2>/dev/null || :; wait"
    )
    trading.sh(kill)
    asking.assert_stopped(trading)
    g.release(trading)
    asking.assert_stays_released(trading)


def test_reader_killed_again_and_again(trading: Lab) -> None:
    trading.exec(
        *asking.by(MEMBER), "sh", "-c", f"cd {REQUESTS}; for i in $(seq 500); do >$i; done"
    )
    hunt(trading, READER, 2, until=lambda: g.latched(trading))
    asking.assert_stopped(trading)
    g.release(trading)
    asking.assert_stays_released(trading)


@pytest.mark.parametrize(("step", "tool"), in_turn(RELEASE, (g.ESS, g.CONTROLLER)))
def test_request_during_a_release_trips(latched: Lab, step: str, tool: str) -> None:
    script = (
        f"{NAP}{tool} deactivate & pid=$!\n"
        f"until {RELEASE[step]}; do kill -0 $pid || break; done; {ASK}; wait $pid"
    )
    done = latched.sh(script, check=False, timeout=40)
    assert done.returncode == 6, done.stdout + done.stderr
    asking.assert_stopped(latched)
    assert not g.alive(latched, *TRADING_UNITS)


@pytest.mark.parametrize("tool", [g.ESS, g.CONTROLLER])
def test_release_does_not_depend_on_the_watch_to_see_a_request(latched: Lab, tool: str) -> None:
    without_watch(latched)
    started = f"until {RELEASE['started one']}; do :; done"
    script = f"{NAP}{tool} deactivate & pid=$!; {started}; {ASK}; wait $pid"
    done = latched.sh(script, check=False, timeout=40)
    assert done.returncode == 6, done.stdout + done.stderr
    g.dead(latched, *TRADING_UNITS)
    latched.systemctl("start", *WATCHES)
    asking.assert_stopped(latched)


@pytest.mark.parametrize("tool", [g.ESS, g.CONTROLLER])
def test_request_that_nobody_took_is_taken_before_a_release(latched: Lab, tool: str) -> None:
    without_watch(latched)
    latched.sh(ASK)
    done = latched.exec(tool, "deactivate", "--no-start", check=False, timeout=30)
    assert done.returncode == 0, done.stdout + done.stderr
    asking.taken(latched)
    latched.systemctl("start", *WATCHES, SENTRY)
    asking.assert_stays_released(latched)


@pytest.mark.parametrize("tool", [g.ESS, g.CONTROLLER])
def test_release_is_refused_while_the_reader_hangs(latched: Lab, tool: str) -> None:
    hang = (
        f"{LOOK}{ASK} & until [[ -e {BUSY} ]] && reader; do :; done; kill -STOP $p; wait; echo $p"
    )
    pid = latched.sh(hang).stdout.strip()
    done = latched.exec(tool, "deactivate", check=False, timeout=30)
    assert done.returncode == 6
    assert "a request to stop waits" in done.stderr
    latched.exec("kill", "-CONT", pid)
    asking.assert_stopped(latched)
    latched.exec(tool, "deactivate", "--no-start", timeout=30)
    asking.assert_stays_released(latched)


def test_removed_by_hand_with_a_request_at_work_trips_again(latched: Lab) -> None:
    latched.sh(f"touch {BUSY}")
    latched.exec("rm", "-rf", *g.FLAGS)
    latched.systemctl("start", READER)
    asking.assert_stopped(latched)
