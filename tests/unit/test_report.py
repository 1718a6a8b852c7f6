"""The screens, letter by letter: what a person reads at 3 a.m."""

from __future__ import annotations

import json

import pytest

from ess import armed, report
from ess.exits import ExitCode
from ess.findings import Finding
from ess.latch import State
from ess.report import Alive, View
from ess.status import exit_code
from tests.unit.facts import NOW, PATHS
from tests.unit.test_armed import CASES

NOTE = {
    "id": "6a9d6f5e-0000-4000-8000-000000000000",
    "at": "2027-01-15T07:47:00Z",
    "operator": "alice",
    "source": "cli",
    "reason": "margin call",
    "category": "1",
}
ACTIVE = View(State.LATCHED, (), NOW, note=NOTE)
STOPPED = Finding(
    "path-stopped",
    "quantum-ess.path",
    "is inactive (dead)",
    "sudo systemctl reset-failed quantum-ess.path; sudo systemctl start quantum-ess.path",
)


def plain(text: str, _tone: str) -> str:
    return text


def screen(view: View) -> str:
    return report.status_text(view, plain)


def test_contained() -> None:
    assert (
        screen(ACTIVE)
        == """\
ESS STATUS: ACTIVE
CONTAINED: no trading process is alive.
Next: find out what happened. To resume trading: sudo ess deactivate

  since    2027-01-15T07:47:00Z (13 min ago)
  by       alice
  source   cli
  why      margin call"""
    )
    assert exit_code(ACTIVE) is ExitCode.DONE


def test_a_trading_program_outside_its_unit_is_alive_and_yours_to_end() -> None:
    view = ACTIVE._replace(alive=(Alive("quantum-execution.service", (4711,), outside=True),))
    assert (
        screen(view)
        == """\
ESS STATUS: ACTIVE
NOT CONTAINED: trading is not (known to be) down.
  ALIVE    quantum-execution.service  pids 4711  outside it
Next: end what runs outside its unit; nothing else does that:
  sudo kill -KILL 4711
If that does not end them: cut this host off the network or power it off.

  since    2027-01-15T07:47:00Z (13 min ago)
  by       alice
  source   cli
  why      margin call"""
    )
    assert exit_code(view) is ExitCode.NOT_CONTAINED


def test_not_contained() -> None:
    view = ACTIVE._replace(
        alive=(Alive("quantum-execution.service", tuple(range(4000, 4020))),),
        queued=("quantum-governor.service (start)",),
        findings=(STOPPED,),
    )
    assert (
        screen(view)
        == """\
ESS STATUS: ACTIVE
NOT CONTAINED: trading is not (known to be) down.
  ALIVE    quantum-execution.service  pids 4000 4001 4002 4003 4004 4005 4006
           4007 4008 4009 ...
  QUEUED   quantum-governor.service (start)
Next: sudo ess activate
If that does not end them: cut this host off the network or power it off.

  since    2027-01-15T07:47:00Z (13 min ago)
  by       alice
  source   cli
  why      margin call
  also     1 finding about the stop itself: ess doctor"""
    )
    assert exit_code(view) is ExitCode.NOT_CONTAINED


def test_unknown_is_active_and_not_contained() -> None:
    view = View(State.UNKNOWN, (), NOW, unknown="/sys/fs/cgroup: no cgroup v2 tree")
    assert (
        screen(view)
        == """\
ESS STATUS: ACTIVE
The state of the latch could not be read; it is treated as active.
NOT CONTAINED: trading is not (known to be) down.
  UNKNOWN  /sys/fs/cgroup: no cgroup v2 tree
Next: sudo ess activate
If that does not end them: cut this host off the network or power it off.

  since    unknown
  by       unknown
  source   a flag set by hand
  why      no reason written"""
    )
    assert exit_code(view) is ExitCode.NOT_CONTAINED


def test_a_silent_systemd_is_said() -> None:
    assert "systemd does not answer; this was read from the kernel." in screen(
        ACTIVE._replace(systemd_silent=True)
    )


def test_armed() -> None:
    view = View(State.CLEAR, (), NOW)
    assert (
        screen(view)
        == """\
ESS STATUS: INACTIVE
ARMED: trading may run, and the stop is ready.
To stop trading now: sudo ess activate"""
    )
    assert exit_code(view) is ExitCode.DONE


def test_disarmed() -> None:
    view = View(State.CLEAR, (STOPPED,), NOW)
    assert (
        screen(view)
        == """\
ESS STATUS: INACTIVE
DISARMED: 1 reason; a stop may not work.
Next: mend what is listed here. To stop trading now: sudo ess activate

  path-stopped: quantum-ess.path
      is inactive (dead)
      mend: sudo systemctl reset-failed quantum-ess.path
            sudo systemctl start quantum-ess.path"""
    )
    assert exit_code(view) is ExitCode.NOT_ARMED


def test_a_warning_does_not_disarm() -> None:
    warning = Finding("cgroup-kill-missing", "kernel", "has no cgroup.kill", "update the kernel")
    view = View(State.CLEAR, (warning,), NOW)
    assert "ARMED: trading may run" in screen(view)
    assert screen(view).endswith("1 warning: ess doctor")
    assert exit_code(view) is ExitCode.DONE


def test_doctor() -> None:
    assert report.doctor_text([], plain) == "ARMED: nothing is wrong with the stop."
    assert (
        report.doctor_text([STOPPED], plain)
        == """\
DISARMED: 1 error.

  path-stopped: quantum-ess.path
      is inactive (dead)
      Nothing watches the flag until the sentry starts it again.
      mend: sudo systemctl reset-failed quantum-ess.path
            sudo systemctl start quantum-ess.path"""
    )


def test_doctor_says_who_would_be_told() -> None:
    healthy = "ARMED: nothing is wrong with the stop."
    nobody = (
        "No alert channel is configured: nobody is told of a stop.\n"
        "Next: name one in /etc/quantum-ess/aftermath.env; then: sudo ess alert test"
    )
    assert report.doctor_text([], plain, {}) == f"{healthy}\n{nobody}"
    acked = {"redis": True, "slack": False, "email-1": None}
    told = report.doctor_text([STOPPED], plain, acked)
    said = "Alert channels acked in the last drill: redis yes, slack NO, email-1 not tried."
    assert told.endswith(f"sudo systemctl start quantum-ess.path\n\n{said}")


def test_a_warning_about_many_channels_fits_the_screen() -> None:
    many = ", ".join(f"email-{number}" for number in range(1, 8))
    for where in (many, f"{many}, x", f"{many}, abcdef"):
        screen = report.doctor_text([Finding("alert-unacked", where, "x", "y")], plain)
        assert max(map(len, screen.splitlines())) <= 80
        assert screen.count("(warning)") == 1


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_every_finding_fits_the_screen(case: tuple[object, str]) -> None:
    facts, _ = case
    found = armed.findings(facts, PATHS)  # type: ignore[arg-type]
    text = report.doctor_text(found, plain) + "\n" + screen(View(State.CLEAR, tuple(found), NOW))
    assert max(map(len, text.splitlines())) <= report.WIDTH


@pytest.mark.parametrize(
    ("at", "age"),
    [
        ("2027-01-15T07:59:59Z", "(1 s ago)"),
        ("2027-01-15T05:00:00Z", "(3 h ago)"),
        ("2027-01-10T08:00:00Z", "(5 days ago)"),
        ("2028-01-01T00:00:00Z", "(in the future)"),
        ("yesterday", "yesterday"),
    ],
)
def test_age(at: str, age: str) -> None:
    view = ACTIVE._replace(note=NOTE | {"at": at})
    assert screen(view).split("since    ")[1].split("\n")[0].endswith(age)


def test_hostile_notes_stay_in_their_lines() -> None:
    view = ACTIVE._replace(note=NOTE | {"reason": "x " * 250, "operator": "y" * 500})
    lines = screen(view).splitlines()
    assert lines[0] == "ESS STATUS: ACTIVE"
    assert all(line.startswith("  ") for line in lines[4:])


def test_json() -> None:
    view = ACTIVE._replace(alive=(Alive("a.service", (1, 2)),), findings=(STOPPED,))
    known = json.loads(report.status_json(view, ExitCode.NOT_CONTAINED))
    assert known == {
        "ess": "ACTIVE",
        "latch": "latched",
        "contained": False,
        "armed": False,
        "since": NOTE["at"],
        "operator": "alice",
        "source": "cli",
        "reason": "margin call",
        "alive": [{"unit": "a.service", "pids": [1, 2], "outside": False}],
        "queued": [],
        "unknown": "",
        "findings": [
            {
                "code": "path-stopped",
                "where": "quantum-ess.path",
                "message": STOPPED.message,
                "fix": STOPPED.fix,
                "severity": "error",
                "meaning": STOPPED.meaning,
            }
        ],
        "watcher": None,
        "exit_code": 4,
    }
    clear = json.loads(report.status_json(View(State.CLEAR, (), NOW), ExitCode.DONE))
    assert (clear["ess"], clear["contained"], clear["armed"]) == ("INACTIVE", None, True)
    doctor = json.loads(report.doctor_json([], ExitCode.DONE))
    assert doctor == {"armed": True, "findings": [], "channels": None, "exit_code": 0}
    doctor = json.loads(report.doctor_json([], ExitCode.DONE, {"slack": True, "sms-1": None}))
    assert doctor["channels"] == {"slack": True, "sms-1": None}
