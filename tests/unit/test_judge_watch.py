"""What is said of a watcher that is switched on and does not watch, and when nothing is said."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from ess import armed, report
from ess.exits import ExitCode
from ess.findings import CATALOGUE, Severity
from ess.latch import State
from ess.report import View
from ess.status import exit_code
from ess.watch import how as how_it_is
from ess.watch.how import How
from ess.watch.look import NOT_YOURS, Watch
from ess.watch.standing import Standing, Trouble
from ess.watch.verdict import Mood, Verdict
from tests.unit.facts import NOW, PATHS, healthy

if TYPE_CHECKING:
    from ess.facts import Facts

NAMES = ("daily-loss", "drawdown", "flash-crash", "health", "feeds", "manual")
QUIET = tuple(Verdict(name, Mood.QUIET, f"{name} is fine") for name in NAMES)
REDIS = Verdict("redis", Mood.QUIET, "read up to 1-1")
FINE = Standing(5.0, 900.0, False, (*QUIET, REDIS), {}, 2.0, {"redis": Trouble()})  # noqa: FBT003
WATCH = Watch(True, "active (running)", FINE, NOW - 2.0, since=1000.0)  # noqa: FBT003
OFF = Watch(wanted=False, state="inactive (dead)")
UNIT = {
    "LoadState": "loaded",
    "ActiveState": "active",
    "SubState": "running",
    "UnitFileState": "enabled",
    "OnFailure": PATHS.watch_deadman_unit,
    "WatchdogUSec": "15s",
    "DropInPaths": "",
    "Result": "success",
}
DEADMAN = {
    "LoadState": "loaded",
    "ExecStart": "{ path=/bin/bash ; argv[]=/bin/bash /usr/lib/watch_deadman.sh died ; }",
    "DropInPaths": "",
}


def host(watch: Watch, deadman: dict[str, str] | None = None, **unit: str) -> Facts:
    """Return a healthy host with this watcher."""
    facts = healthy()
    units = {
        **facts.systemd.units,
        PATHS.watch_unit: UNIT | unit,
        PATHS.watch_deadman_unit: DEADMAN | (deadman or {}),
    }
    return facts._replace(watch=watch, systemd=facts.systemd._replace(units=units))


def standing(*verdicts: Verdict, **changed: Any) -> Watch:
    known = (*QUIET[len(verdicts) :], *verdicts, REDIS)
    return WATCH._replace(standing=replace(FINE, verdicts=known, **changed))


def named(mood: Mood, *names: str) -> list[Verdict]:
    return [Verdict(name, mood, "so it is") for name in names]


def down(state: str, sub: str = "dead", **unit: str) -> Facts:
    said = "masked" if unit.get("LoadState") == "masked" else sub
    watch = WATCH._replace(state=f"{state} ({said})", since=60.0)
    return host(watch, None, ActiveState=state, SubState=sub, **unit)


LEARNING = standing(*named(Mood.LEARNING, "health", "feeds"))
HARD_OF_HEARING = {"redis": Trouble("Connection refused", 61.0)}
# what is wrong: (the facts, the one code that is found)
CASES: dict[str, tuple[Facts, str]] = {
    "stopped": (down("inactive"), "watcher-down"),
    "failed": (down("failed", "failed", Result="watchdog"), "watcher-down"),
    "masked": (down("inactive", LoadState="masked"), "watcher-down"),
    "not installed": (down("inactive", LoadState="not-found"), "watcher-down"),
    "switched on, not applied": (down("inactive", UnitFileState="disabled"), "watcher-down"),
    "starts for long": (
        host(WATCH._replace(state="activating (start)", since=16.0, standing=None)),
        "watcher-down",
    ),
    "says nothing": (host(standing(age=31.0)), "watcher-silent"),
    "never said anything": (host(WATCH._replace(standing=None, written=None)), "watcher-silent"),
    "says what nobody understands": (
        host(WATCH._replace(standing=None, trouble="cannot be understood")),
        "watcher-silent",
    ),
    "has no figures": (host(LEARNING), "watcher-deaf"),
    "has no figures, nobody knows since when": (
        host(LEARNING._replace(since=None)),
        "watcher-deaf",
    ),
    "has no source": (host(standing(sources={})), "watcher-deaf"),
    "its source is gone": (host(standing(sources=HARD_OF_HEARING)), "watcher-deaf"),
    "is to judge nothing": (
        host(WATCH._replace(standing=replace(FINE, verdicts=(REDIS,)))),
        "watcher-deaf",
    ),
    "dry run": (host(standing(dry_run=True)), "watcher-dry-run"),
    "runs with what was changed since": (
        host(standing(edition="1-1")._replace(edition="2-1")),
        "watcher-outdated",
    ),
    "runs with what is gone": (
        host(standing(edition="1-1")._replace(edition="missing")),
        "watcher-outdated",
    ),
    "not for the next boot": (host(WATCH, UnitFileState="disabled"), "watcher-disabled"),
    "its settings are wrong": (
        host(WATCH._replace(problems=(f"{PATHS.watch_config}:3: unknown key X",))),
        "watch-misconfigured",
    ),
    "dead man masked": (host(WATCH, {"LoadState": "masked"}), "watcher-without-dead-man"),
    "dead man gone": (host(WATCH, {"LoadState": "not-found"}), "watcher-without-dead-man"),
    "dead man does something else": (
        host(WATCH, {"ExecStart": "{ path=/bin/true ; argv[]=/bin/true ; }"}),
        "watcher-without-dead-man",
    ),
    "nobody calls the dead man": (host(WATCH, OnFailure=""), "watcher-without-dead-man"),
    "nobody notices that it hangs": (host(WATCH, WatchdogUSec="0"), "watcher-without-dead-man"),
    "kept from who asks": (
        host(WATCH._replace(standing=None, trouble=NOT_YOURS, hidden=True)),
        "watch-unknown",
    ),
    "its settings are kept from who asks": (host(WATCH._replace(hidden=True)), "watch-unknown"),
    "not known whether it is on": (
        host(Watch(None, "inactive (masked)", hidden=True), LoadState="masked"),
        "watch-unknown",
    ),
}


@pytest.mark.parametrize(("facts", "code"), CASES.values(), ids=CASES.keys())
def test_each_is_found_alone_and_disarms_nothing(facts: Facts, code: str) -> None:
    found = armed.findings(facts, PATHS)
    assert [one.code for one in found] == [code]
    assert all((one.where, one.message, one.fix) for one in found)
    assert CATALOGUE[code][0] is Severity.WARNING
    assert armed.is_armed(found)
    assert exit_code(View(State.CLEAR, tuple(found), NOW, watch=facts.watch)) is ExitCode.DONE


@pytest.mark.parametrize(("facts", "code"), CASES.values(), ids=CASES.keys())
def test_it_all_fits_the_screen(facts: Facts, code: str) -> None:
    found = armed.findings(facts, PATHS)
    text = report.doctor_text(found, plain)
    text += "\n" + report.status_text(
        View(State.CLEAR, tuple(found), NOW, watch=facts.watch), plain
    )
    assert code in text
    assert max(map(len, text.splitlines())) <= report.WIDTH


@pytest.mark.parametrize(
    "watch",
    [
        OFF,
        OFF._replace(state="failed (failed)"),
        WATCH._replace(wanted=False, standing=None, state=""),
        None,
    ],
)
def test_where_it_is_off_nothing_is_said(watch: Watch | None) -> None:
    facts = host(OFF, {"LoadState": "masked"}, OnFailure="")._replace(watch=watch)
    assert armed.findings(facts, PATHS) == []
    view = View(State.CLEAR, (), NOW)
    assert report.status_text(view._replace(watch=watch), plain) == report.status_text(view, plain)


@pytest.mark.parametrize(
    "watch",
    [
        WATCH,
        standing(dry_run=False, sources=None),
        standing(sources={"redis": Trouble("Connection refused", 59.0)}),
        standing(*named(Mood.BREACH, "drawdown")),
        LEARNING._replace(since=119.0),
        WATCH._replace(state="activating (start)", since=14.0, standing=None),
        WATCH._replace(state=""),
        standing(edition="1-1")._replace(edition="1-1"),
        standing(edition="1-1")._replace(edition=""),
        standing(edition="")._replace(edition="1-1"),
    ],
)
def test_what_is_well_or_may_soon_be_is_no_finding(watch: Watch) -> None:
    assert armed.findings(host(watch), PATHS) == []


def test_a_silent_systemd_hides_no_silent_watcher() -> None:
    facts = host(standing(age=99.0)._replace(state=""))
    facts = facts._replace(systemd=facts.systemd._replace(error="silent", units={}))
    codes = [one.code for one in armed.findings(facts, PATHS)]
    assert codes == ["systemd-silent", "watcher-silent"]


def test_a_file_full_of_mistakes_is_not_a_screen_full() -> None:
    problems = tuple(f"{PATHS.watch_config}:{n}: not KEY=VALUE" for n in range(5000))
    found = armed.findings(host(WATCH._replace(problems=problems)), PATHS)
    assert len(found) == 11
    assert found[-1].message == "4990 more lines of it are wrong"


def test_the_names_of_who_hears_nothing() -> None:
    (found,) = armed.findings(host(LEARNING), PATHS)
    assert found.message == "no figures yet: health, feeds"
    crowd = standing(*named(Mood.LEARNING, *(f"expr:{n}" for n in range(30))))
    (found,) = armed.findings(host(crowd), PATHS)
    assert found.message.endswith("expr:8, expr:9 and 20 more")


def test_what_a_source_says_fills_no_screen() -> None:
    crowd = {f"prometheus, {n}": Trouble("no answer " * 50, 1.0) for n in range(50)}
    lines = screen(View(State.CLEAR, (), NOW, watch=standing(sources=crowd)))
    assert len(lines) < 12
    assert "and 47 more; watching 6 of 6" in " ".join(" ".join(lines).split())


AUTOMATIC = "automatic triggers do not work"
LINES: list[tuple[Watch, How, str, str]] = [
    (WATCH, How.WATCHING, "watching 6 of 6", "good"),
    (
        WATCH._replace(state="failed (failed)"),
        How.DOWN,
        f"DOWN (failed) - {AUTOMATIC}; see: ess doctor",
        "bad",
    ),
    (
        WATCH._replace(state="inactive (masked)"),
        How.DOWN,
        f"DOWN (masked) - {AUTOMATIC}; see: ess doctor",
        "bad",
    ),
    (
        WATCH._replace(state="activating (start)", since=1.0, standing=None),
        How.STARTING,
        f"starting - {AUTOMATIC} yet",
        "warn",
    ),
    (
        standing(age=45.0)._replace(written=NOW - 45.0),
        How.SILENT,
        "SILENT for 45 s - automatic triggers may not work; see: ess doctor",
        "bad",
    ),
    (
        WATCH._replace(standing=None, trouble=NOT_YOURS, hidden=True),
        How.UNKNOWN,
        f"UNKNOWN - {NOT_YOURS}",
        "warn",
    ),
    (
        standing(dry_run=True),
        How.DRY_RUN,
        "DRY RUN - it decides, and does not stop trading; watching 6 of 6",
        "warn",
    ),
    (
        standing(*named(Mood.BREACH, "feeds"), dry_run=True),
        How.DRY_RUN,
        "DRY RUN - it decides, and does not stop trading; watching 6 of 6; BROKEN: feeds",
        "bad",
    ),
    (
        standing(edition="1-1")._replace(edition="2-1"),
        How.WATCHING,
        "OUTDATED - watch.env was changed since: sudo systemctl restart quantum-ess-watch;"
        " watching 6 of 6",
        "warn",
    ),
    (
        standing(dry_run=True, edition="1-1")._replace(edition="2-1"),
        How.DRY_RUN,
        "DRY RUN - it decides, and does not stop trading; OUTDATED - watch.env was changed since:"
        " sudo systemctl restart quantum-ess-watch; watching 6 of 6",
        "warn",
    ),
    (LEARNING, How.WATCHING, "watching 4 of 6; no figures yet: health, feeds", "warn"),
    (
        standing(*named(Mood.BLIND, "feeds")),
        How.WATCHING,
        "watching 5 of 6; BLIND: feeds",
        "bad",
    ),
    (
        standing(*named(Mood.LEARNING, *NAMES)),
        How.DEAF,
        f"DEAF, no figures reach it - {AUTOMATIC}; see: ess doctor; watching 0 of 6;"
        f" no figures yet: {', '.join(NAMES)}",
        "bad",
    ),
    (
        standing(sources={}),
        How.DEAF,
        f"DEAF, no source is configured - {AUTOMATIC}; see: ess doctor; watching 6 of 6",
        "bad",
    ),
    (
        standing(sources=HARD_OF_HEARING),
        How.IMPAIRED,
        "IN TROUBLE - redis: Connection refused; watching 6 of 6",
        "bad",
    ),
    (
        WATCH._replace(standing=replace(FINE, verdicts=(REDIS,))),
        How.DEAF,
        f"DEAF, every evaluator is switched off - {AUTOMATIC}; see: ess doctor; watching 0 of 0",
        "bad",
    ),
    (OFF, How.OFF, "", ""),
]


@pytest.mark.parametrize(("watch", "how", "text", "tone"), LINES)
def test_one_line_says_it(watch: Watch, how: How, text: str, tone: str) -> None:
    assert how_it_is.how(watch) is how
    assert how_it_is.line(watch, NOW) == (text, tone)


def test_status_says_it_right_below_what_to_do() -> None:
    lines = screen(View(State.CLEAR, (), NOW, watch=LINES[1][0]))
    assert lines == [
        "ESS STATUS: INACTIVE",
        "ARMED: trading may run, and the stop is ready.",
        "To stop trading now: sudo ess activate",
        "Watcher: DOWN (failed) - automatic triggers do not work; see: ess doctor",
    ]
    (stopped,) = armed.findings(CASES["stopped"][0], PATHS)
    broken = stopped._replace(code="path-stopped", where="quantum-ess.path")
    assert screen(View(State.CLEAR, (broken,), NOW, watch=WATCH))[3] == "Watcher: watching 6 of 6"
    latched = screen(View(State.LATCHED, (), NOW, watch=WATCH))
    assert latched[-1] == "Watcher: watching 6 of 6"


def test_json_says_it() -> None:
    dry = standing(*named(Mood.BREACH, "feeds"), dry_run=True)
    view = View(State.CLEAR, (), NOW, watch=dry)
    told = json.loads(report.status_json(view, ExitCode.DONE))["watcher"]
    assert (told["how"], told["dry_run"], told["broken"]) == ("dry-run", True, ["feeds"])
    assert (told["evaluators"], told["watching"], told["sources"]) == (6, 6, {"redis": ""})
    old = View(State.CLEAR, (), NOW, watch=standing(age=99.0))
    told = json.loads(report.status_json(old, ExitCode.DONE))["watcher"]
    assert (told["how"], told["watching"], told["broken"]) == ("silent", None, None)


def screen(view: View) -> list[str]:
    return report.status_text(view, plain).split("\n")


def plain(text: str, _tone: str) -> str:
    return text
