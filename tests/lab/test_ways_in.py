"""Every way of tripping the stop works, ends in the same state, and says so by its exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lab import ground as g
from tests.lab.stack import TRADING_UNITS

if TYPE_CHECKING:
    from tests.lab.lab import Lab

# On bookworm each stop has the company of what follows it, which may not hold it up.
pytestmark = pytest.mark.latch_alone("trixie")

TOOLS = (g.ESS, g.CONTROLLER)
BEHIND = "quantum-governor.service"
WAYS = {
    "ess activate": f"{g.ESS} activate",
    "ess_controller.sh activate": f"{g.CONTROLLER} activate",
    "systemctl start quantum-ess": "systemctl start quantum-ess",
    "touch": f"touch {g.RUN_FLAG}",
    "touch of the flag on disk": f"touch {g.VAR_FLAG}",
    "mkdir and touch": f"rm -r /run/quantum; mkdir -p /run/quantum; touch {g.RUN_FLAG}",
    "mkdir and touch by the old name": "rm -r /run/quantum; mkdir -p /var/run/quantum;"
    " touch /var/run/quantum/ESS_ON",
    "directory": f"mkdir {g.RUN_FLAG}",
    "directory with something in it": f"mkdir -p {g.RUN_FLAG}/deep/er",
    "dangling symlink": f"ln -s /nowhere {g.RUN_FLAG}",
    "dangling symlink on disk": f"ln -s /nowhere {g.VAR_FLAG}",
    "symlink to itself": f"ln -s ESS_ON {g.RUN_FLAG}",
    "unreadable file": f"install -m 000 /dev/null {g.RUN_FLAG}",
    "garbage": f"head -c 100000 /dev/urandom >{g.RUN_FLAG}",
    "fifo": f"mkfifo {g.RUN_FLAG}",
    "renamed into place": "touch /run/quantum/new; mv /run/quantum/new /run/quantum/ESS_ON",
    "two at once": f"{g.ESS} activate & pid=$!; {g.CONTROLLER} activate; wait $pid",
    "during a daemon-reload": f"systemctl daemon-reload & touch {g.RUN_FLAG}; wait",
    "during a daemon-reexec": f"systemctl daemon-reexec & touch {g.RUN_FLAG}; wait",
    "three at once": f"{g.ESS} activate & pid=$!; touch {g.RUN_FLAG};"
    " systemctl start quantum-ess; wait $pid",
}


def furnish(lab: Lab) -> None:
    """The four units of the runbook, one of which has to be killed."""
    units = dict.fromkeys(TRADING_UNITS, g.service())
    units[BEHIND] = g.service(f"ExecStart={g.STUBBORN}\n{g.ALWAYS}")
    g.put_units(lab, units)
    g.configure(lab, TRADING_UNITS, STOP_GRACE="0.3")


def assert_tripped(lab: Lab) -> None:
    """What holds after a trip, whichever way it came."""
    lab.wait_until(lambda: not g.alive(lab, *TRADING_UNITS), 2, "all of them dead")
    lab.wait_until(lambda: lab.state(g.ENFORCER) == "active", what="the enforcer holds")
    # Something that PathExists= sees, too: no dangling symlink is left.
    lab.sh(f"for flag in {' '.join(g.FLAGS)}; do until [[ -e $flag ]]; do :; done; done")
    g.assert_contained(lab, *TRADING_UNITS, tool=g.ESS)
    refused = lab.systemctl("start", TRADING_UNITS[0], check=False)
    assert refused.returncode == 1
    assert "ssertion failed" in refused.stderr


# Both systemds: whoever trips, and what lies where a path unit looks, or comes while it does not.
CORE = (
    *("ess activate", "ess_controller.sh activate", "systemctl start quantum-ess", "touch"),
    *("mkdir and touch", "directory", "dangling symlink", "touch of the flag on disk"),
    *("during a daemon-reload", "during a daemon-reexec", "three at once"),
)
LESS = [way for way in WAYS if way not in CORE]


@pytest.mark.both_systemds
@pytest.mark.parametrize("way", CORE)
def test_way_in(trading: Lab, way: str) -> None:
    is_way_in(trading, way)


@pytest.mark.every_image
@pytest.mark.parametrize("way", LESS)
def test_another_way_in(trading: Lab, way: str) -> None:
    is_way_in(trading, way)


def is_way_in(trading: Lab, way: str) -> None:
    trading.sh(WAYS[way])
    assert_tripped(trading)
    assert "ACTIVATED - TRADING STOPPED" in trading.journal("-t", "quantum-ess", "-n", "20")


@pytest.mark.parametrize("tool", TOOLS)
def test_activate_says_who_is_down_and_that_all_are(trading: Lab, tool: str) -> None:
    done = trading.exec(tool, "activate", "--reason", "funding rate\x1b[31m gone mad")
    assert "ESS STATUS: ACTIVE" in done.stdout
    assert "CONTAINED" in done.stdout
    for unit in TRADING_UNITS:
        assert unit in done.stdout
    assert (done.returncode, done.stderr) == (0, "")
    flag = trading.read(g.RUN_FLAG)
    assert "reason=funding rate [31m gone mad\n" in flag
    assert "operator=root\n" in flag
    assert "funding rate" in g.status(trading, tool=tool).stdout


@pytest.mark.parametrize("tool", TOOLS)
def test_activate_while_active_keeps_the_latch_of_the_first(trading: Lab, tool: str) -> None:
    trading.exec(g.CONTROLLER, "activate", "--reason", "first")
    again = trading.exec(tool, "activate", "--reason", "second")
    assert "already" in again.stdout
    assert "reason=first\n" in trading.read(g.RUN_FLAG)
    assert_tripped(trading)


@pytest.mark.parametrize("command", [(g.ESS, "activate"), (g.CONTROLLER, "activate")])
def test_only_root_trips_and_is_told_how(trading: Lab, command: tuple[str, str]) -> None:
    done = trading.exec(
        "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *command, check=False
    )
    assert done.returncode == 3
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "sudo" in done.stderr
    assert not g.latched(trading)
    assert len(g.alive(trading, *TRADING_UNITS)) == len(TRADING_UNITS)


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize(
    "arguments", [("--category", "2"), ("--category",), ("--nonsense",), ("x",)]
)
def test_a_mistyped_activate_changes_nothing(
    trading: Lab, tool: str, arguments: tuple[str, ...]
) -> None:
    done = trading.exec(tool, "activate", *arguments, check=False)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert not g.latched(trading)
