"""What a stop leaves behind: events from bash and Python, each once in a whole audit log."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.lab import ground as g
from tests.lab.rig import BOT, CONTROLLER, LIB, arm, hunt
from tests.lab.stack import TRADING_UNITS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.lab import Lab

pytestmark = pytest.mark.nobody_told

AUDIT = "/var/log/quantum-ess/audit.jsonl"
SPOOL = "/var/lib/quantum-ess/spool"
STUBBORN = BOT
SERVICE = g.service(f"ExecStart={g.STUBBORN}\n{g.ALWAYS}")
PYTHON = "/opt/quantum-ess/venv/bin"
AFTERMATH = "quantum-ess-aftermath.service"


@pytest.fixture
def armed(stubborn: Lab) -> Lab:
    return arm(stubborn, STUBBORN, configured=True)


def records(lab: Lab) -> list[dict[str, Any]]:
    if not lab.exists(AUDIT):
        return []
    return [json.loads(line) for line in lab.read(AUDIT).splitlines()]


def of_kind(lab: Lab, kind: str) -> list[dict[str, Any]]:
    return [one for one in records(lab) if one["event"] == kind]


def await_kind(lab: Lab, kind: str, number: int = 1) -> dict[str, Any]:
    """Wait until the log has so many records of a kind; return the last."""
    lab.wait_until(lambda: len(of_kind(lab, kind)) >= number, 15, f"{number} x {kind}")
    return of_kind(lab, kind)[-1]


def assert_whole(lab: Lab) -> None:
    done = lab.exec("ess", "audit", "verify")
    assert "The audit log is whole" in done.stdout
    assert "no checkpoint" not in done.stdout


@pytest.mark.every_image
@pytest.mark.parametrize("tool", [CONTROLLER, "ess"])
def test_stop_and_release_are_recorded_with_a_certificate(armed: Lab, tool: str) -> None:
    processes = {unit: armed.pids(unit) for unit in (*TRADING_UNITS, STUBBORN)}
    armed.exec(tool, "activate", "--reason", "funding gone mad")
    contained = await_kind(armed, "contained")
    trip = of_kind(armed, "trip")[0]
    assert (trip["reason"], trip["operator"]) == ("funding gone mad", "root")
    assert trip["activation"] == contained["activation"]
    assert 0 < int(contained["took"]) < g.PROMISE
    units = {one["unit"]: one for one in contained["units"]}
    assert set(units) == set(processes)
    for unit, pids in processes.items():
        assert str(pids[0]) in units[unit]["pids"].split(","), unit
        assert 0 <= int(units[unit]["ms"]) < g.PROMISE
    assert "KILL" in units[STUBBORN]["signal"]
    assert {units[unit]["signal"] for unit in TRADING_UNITS} <= {"TERM", "exit-0", "KILL"}

    armed.exec(tool, "deactivate", "--reason", "calm again", timeout=30)
    finished = await_kind(armed, "release-finished")
    assert (finished["reason"], finished["activation"]) == ("calm again", trip["activation"])
    kinds = [one["event"] for one in records(armed) if one.get("activation")]
    assert kinds == ["trip", "contained", "release-begun", "release-finished"]
    assert_whole(armed)
    assert "funding gone mad" in armed.exec("ess", "history").stdout
    assert armed.sh(f"ls {SPOOL}/new {SPOOL}/tmp").stdout.split() == [
        f"{SPOOL}/new:",
        f"{SPOOL}/tmp:",
    ]


def test_a_stop_is_recorded_by_the_one_start_that_its_trip_made(armed: Lab) -> None:
    """Each start takes a processor from a host on which everything has just been stopped."""
    armed.exec("touch", g.RUN_FLAG)
    contained = await_kind(armed, "contained")
    assert int(contained["took"]) > 300, "it came well after the trip"
    recorded = armed.show(AFTERMATH, "InvocationID", "ActiveState")
    assert recorded["ActiveState"] == "activating", "it waits for more"
    armed.wait_until(lambda: armed.state(AFTERMATH) == "inactive", 10, "it ends all the same")
    assert armed.show(AFTERMATH, "InvocationID") == {"InvocationID": recorded["InvocationID"]}


def test_a_touch_is_told_of_once_however_often_the_enforcer_dies(armed: Lab) -> None:
    armed.exec("touch", g.RUN_FLAG)
    hunt(armed, g.ENFORCER, 2)
    await_kind(armed, "contained")
    armed.systemctl("start", AFTERMATH)
    assert (len(of_kind(armed, "trip")), len(of_kind(armed, "contained"))) == (1, 1)
    assert_whole(armed)


def test_release_that_fails_is_recorded(armed: Lab) -> None:
    armed.exec(CONTROLLER, "activate")
    armed.sh(
        f"mkdir -p /etc/systemd/system/{STUBBORN}.d;"
        f" printf '[Service]\\nExecStart=\\nExecStart=/bin/false\\n'"
        f" >/etc/systemd/system/{STUBBORN}.d/x.conf; systemctl daemon-reload"
    )
    assert armed.exec(CONTROLLER, "deactivate", check=False, timeout=30).returncode == 6
    assert STUBBORN in await_kind(armed, "release-failed")["why"]


def test_what_the_sentry_repairs_is_recorded(armed: Lab) -> None:
    """That a drill is recorded, proof/test_aftermath shows."""
    armed.systemctl("stop", "quantum-ess.path")
    armed.systemctl("start", "quantum-ess-sentry.service")
    assert "quantum-ess.path" in await_kind(armed, "sentry-repair")["what"]
    assert_whole(armed)


def test_without_python_events_wait_and_nothing_else_changes(armed: Lab) -> None:
    armed.exec("mv", PYTHON, "/opt/quantum-ess/away")
    armed.exec("touch", g.RUN_FLAG)
    g.dead(armed, *TRADING_UNITS, STUBBORN)
    waits = f"compgen -G '{SPOOL}/new/*' >/dev/null"
    armed.wait_until(lambda: armed.sh(waits, check=False).returncode == 0, what="events wait")
    armed.exec("mv", "/opt/quantum-ess/away", PYTHON)
    armed.systemctl("start", "quantum-ess-sentry.service")
    await_kind(armed, "contained")


# What the troubles below change, and where it is kept as it was.
PARTS = " ".join(f"{LIB}/ops/lib/{part}.sh" for part in ("spool", "certificate", "course"))
CHANGED = f"{SPOOL} {PARTS} {AUDIT.rpartition('/')[0]}"
KEEP = f"mkdir /root/sound; cp -a --parents {CHANGED} /root/sound/"
MEND = f"umount {SPOOL} || :; rm -rf {CHANGED}; cp -a /root/sound/. /"


def furnish(lab: Lab) -> None:
    g.put_units(lab, {STUBBORN: SERVICE})
    g.configure(lab, (*TRADING_UNITS, STUBBORN), STOP_GRACE="0.3", SETTLE="0.1")
    lab.sh(KEEP)


@pytest.fixture
def mended(ground: g.Ground, lab_image: str) -> Iterator[Lab]:
    """A host that trades, on which every trouble but the test's own is over."""
    lab = ground.lab(lab_image)
    g.start(lab, *TRADING_UNITS, STUBBORN)
    yield lab
    if ground.labs:
        # What it has released trades on.
        lab.sh(f"{MEND}; systemctl reset-failed", check=False)
        if g.latched(lab):
            ground.drop()


@pytest.mark.parametrize(
    "trouble",
    [
        f"rm -rf {SPOOL}; mkdir -m 0 {SPOOL}",
        f"rm -rf {SPOOL}; echo >{SPOOL}",
        f"rm -rf {SPOOL}; ln -s /nowhere {SPOOL}",
        f"mount -t tmpfs -o size=4k,nr_inodes=2 none {SPOOL}",
        f"mount --bind {SPOOL} {SPOOL}; mount -o remount,ro,bind {SPOOL}",
        "rm -rf /usr/local/lib/quantum-ess/ops/lib/spool.sh",
        "echo 'if (' >/usr/local/lib/quantum-ess/ops/lib/spool.sh",
        "echo 'if (' >/usr/local/lib/quantum-ess/ops/lib/certificate.sh",
        "echo 'if (' >/usr/local/lib/quantum-ess/ops/lib/course.sh",
        "rm -rf /var/log/quantum-ess; echo >/var/log/quantum-ess",
    ],
)
def test_no_trouble_with_events_reaches_the_stop(mended: Lab, trouble: str) -> None:
    mended.sh(trouble)
    assert g.touch_and_time(mended, *TRADING_UNITS, STUBBORN) < g.PROMISE
    g.assert_contained(mended, *TRADING_UNITS, STUBBORN)
    assert mended.exec(CONTROLLER, "deactivate", "--all", timeout=30).returncode == 0


def test_events_outlive_a_power_cut(armed: Lab) -> None:
    armed.systemctl("stop", "quantum-ess-aftermath.path", "quantum-ess-sentry.timer")
    armed.exec("touch", g.RUN_FLAG)
    waits = f"ls {SPOOL}/new | wc -l"
    armed.wait_until(lambda: int(armed.sh(waits).stdout) >= 2, what="trip and contained")
    armed.power_cut()
    armed.boot()
    await_kind(armed, "contained")
    assert len(of_kind(armed, "trip")) == 1
    assert_whole(armed)


def test_who_edits_the_log_is_found(armed: Lab) -> None:
    armed.exec(CONTROLLER, "activate", "--reason", "my mistake")
    await_kind(armed, "contained")
    armed.sh(f"sed -i 's/my mistake/your fault/' {AUDIT}")
    done = armed.exec("ess", "audit", "verify", check=False)
    assert done.returncode == 5
    assert f"{AUDIT}:" in done.stdout
    assert "was edited" in done.stdout
