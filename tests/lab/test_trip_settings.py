"""What a trip makes of its settings: the category, and a configuration nobody can read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lab import ground as g

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.lab import Lab

pytestmark = pytest.mark.latch_alone

SAVER = "quantum-saver.service"
OTHER = "quantum-execution.service"
# Takes its time over SIGTERM, less than the grace, and leaves a mark when it was given it.
SAVES = "/usr/bin/python3 -I /inside/saver.py /run/saved"
CONF = "/etc/quantum-ess/ess.env"
INSTALLED = "/usr/local/lib/quantum-ess/installed.env"


def furnish(lab: Lab) -> None:
    g.guard(lab, {SAVER: g.service(f"ExecStart={SAVES}\n{g.ALWAYS}"), OTHER: g.service()})
    lab.exec("cp", CONF, "/root/good.env")


@pytest.fixture
def trading(ground: g.Ground, lab_image: str) -> Iterator[Lab]:
    """A lab in which both units trade, with a good configuration."""
    lab = ground.lab(lab_image)
    lab.sh(
        f"rm -rf {CONF} /run/saved /run/ready; mkdir -p /etc/quantum-ess; cp /root/good.env {CONF}"
    )
    lab.sh(f"cp /root/good.env {INSTALLED}")
    g.start(lab, SAVER, OTHER)
    lab.wait_until(lambda: lab.exists("/run/ready"), what="it handles SIGTERM")
    yield lab
    lab.sh(f"rm -rf {CONF}; mkdir -p /etc/quantum-ess; cp /root/good.env {CONF}")
    ground.clean(SAVER, OTHER)


def set_key(lab: Lab, line: str) -> None:
    lab.sh(f"cp /root/good.env {CONF}; echo {line} >>{CONF}")


CATEGORIES = {
    "touch": (f"touch {g.RUN_FLAG}", True),
    "bash, 1": (f"{g.CONTROLLER} activate --category 1", True),
    "bash, 0": (f"{g.CONTROLLER} activate --category 0", False),
    "python, 0": (f"{g.ESS} activate --category 0", False),
    "content says 0": (f"printf 'category=0\\n' >/run/new && mv /run/new {g.RUN_FLAG}", False),
    "content is nonsense": (f"printf 'category=7\\n' >/run/new && mv /run/new {g.RUN_FLAG}", True),
    "configuration says 0": (
        f"echo QT_ESS_STOP_CATEGORY=0 >>{CONF}; touch {g.RUN_FLAG}",
        False,
    ),
    "configuration says 0, bash 1": (
        f"echo QT_ESS_STOP_CATEGORY=0 >>{CONF}; {g.CONTROLLER} activate --category 1",
        True,
    ),
    "no grace": (f"echo QT_ESS_STOP_GRACE=0 >>{CONF}; touch {g.RUN_FLAG}", False),
}


@pytest.mark.parametrize(("way", "saves"), CATEGORIES.values(), ids=CATEGORIES)
def test_category_0_grants_no_grace_and_1_does(trading: Lab, way: str, saves: bool) -> None:  # noqa: FBT001
    trading.sh(way)
    trading.wait_until(lambda: not g.alive(trading, SAVER, OTHER), 2, "both dead")
    assert trading.exists("/run/saved") is saves
    g.assert_contained(trading, SAVER, OTHER)


SPOILED = {
    "deleted": f"rm {CONF}",
    "directory deleted": "rm -r /etc/quantum-ess",
    "empty": f": >{CONF}",
    "garbage": f"head -c 5000 /dev/urandom >{CONF}",
    "a directory": f"rm {CONF}; mkdir {CONF}",
    "dangling symlink": f"ln -sf /nowhere {CONF}",
    "half a line": f"printf 'QT_ESS_TRADING_UNI' >{CONF}",
    "no trading units": f"printf 'QT_ESS_TRADING_UNITS=\\n' >{CONF}",
    "other trading units": f"printf 'QT_ESS_TRADING_UNITS=quantum-new.service\\n' >{CONF}",
    "trading units are monitors": f"printf 'QT_ESS_MONITOR_UNITS={SAVER}\\n' >{CONF}",
    "a shell command": f"printf 'QT_ESS_TRADING_UNITS=$(reboot)\\n' >{CONF}",
    "a huge file": f"(yes QT_ESS_SETTLE=1 || :) | head -c 1000000 >{CONF}",
    "a huge hole": f"truncate -s 2G {CONF}",
    "the installed copy, too": f"rm {CONF} {INSTALLED}",
    "both garbage": f"head -c 500 /dev/urandom | tee {CONF} >{INSTALLED}",
}


WAYS = (g.ESS, g.CONTROLLER, "touch")
# Each of them with one way in, and what a person may well do with all three.
ALIKE = ("a directory", "dangling symlink", "half a line", "a shell command")
SPOILED_AND_TRIPPED = [
    pytest.param(
        spoil,
        way,
        id=f"{name}, {way.rsplit('/', 1)[-1]}",
        # That one is stopped in test_broken_host, where the enforcer and both tools read the same.
        marks=pytest.mark.thorough if name in ALIKE else (),
    )
    for number, (name, spoil) in enumerate(SPOILED.items())
    for way in (WAYS if name in ("deleted", "garbage") else [WAYS[number % 3]])
]


@pytest.mark.parametrize(("spoil", "tool"), SPOILED_AND_TRIPPED)
def test_a_spoiled_configuration_stops_no_stop(trading: Lab, spoil: str, tool: str) -> None:
    trading.sh(spoil)
    if tool == "touch":
        assert g.touch_and_time(trading, SAVER, OTHER) < g.PROMISE
    else:
        done = trading.exec(tool, "activate", "--category", "0")
        assert "CONTAINED" in done.stdout
        assert "Traceback" not in done.stderr
    assert g.alive(trading, SAVER, OTHER) == []
    assert trading.systemctl("start", SAVER, OTHER, check=False).returncode != 0
    assert g.status(trading).returncode == 0
    assert g.alive(trading, SAVER, OTHER) == []
