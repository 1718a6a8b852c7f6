"""The monitor's screen: what a frightened person reads, at 80 columns and without colour."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from typing import Any

import pytest

from ess.audit.history import Activation
from ess.exits import ExitCode
from ess.findings import Finding
from ess.latch import State
from ess.monitor import document, layout, screen
from ess.monitor.layout import Line
from ess.monitor.picture import Past, Picture, Role, Unit
from ess.report import Alive, View
from ess.text import clean
from ess.watch.look import NOT_YOURS, Watch
from ess.watch.standing import Standing
from ess.watch.verdict import Mood, Verdict
from tests.unit.facts import NOW

UNIT = "quantum-execution.service"
QUIET = Verdict("daily-loss", Mood.QUIET, "daily loss 1.3 %, limit 5 %", 1.3, 5.0, 0.26)
CLOSE = Verdict("drawdown", Mood.QUIET, "8.8 %, limit 10 %", 8.8, 10.0, 0.88)
LEARNING = Verdict("equity", Mood.LEARNING, "no equity was heard yet")
BLIND = Verdict("feeds", Mood.BLIND, "no news for 412 s, limit 300 s", 412.0, 300.0, 1.0)
BREACH = Verdict("health", Mood.BREACH, "system health is CRITICAL", None, None, 1.0)
ALL = (QUIET, CLOSE, LEARNING, BLIND, BREACH)
FEEDS = {"BTC": 2.0, "ETH": 130.0}
STANDING = Standing(1.0, 900.0, False, ALL, FEEDS, 2.0)  # noqa: FBT003
WATCH = Watch(True, "active (running)", STANDING, NOW - 2.0)  # noqa: FBT003
UNITS = (
    Unit(UNIT, Role.TRADING, True, "active (running)"),  # noqa: FBT003
    Unit("grafana-server.service", Role.MONITOR, False, "failed (failed)"),  # noqa: FBT003
)
PAST = Past((Activation("1", "2027-01-15T07:47:00Z", "alice", "cli", "margin call", 412),))
FINE = Picture(View(State.CLEAR, (), NOW), ExitCode.DONE, UNITS, WATCH, PAST)
NOTE = {"at": "2027-01-15T07:47:00Z", "operator": "alice", "source": "cli", "reason": "margin call"}
LATCHED = View(State.LATCHED, (), NOW, note=NOTE)
LONG = "x" * 255 + ".service"


def watch(*verdicts: Verdict, **changed: Any) -> Watch:
    return WATCH._replace(standing=replace(STANDING, verdicts=verdicts or ALL, **changed))


def stale(*verdicts: Verdict) -> Watch:
    return watch(*verdicts, age=720.0)._replace(written=NOW - 720.0)


def shown(picture: Picture, width: int = 80) -> list[str]:
    return [line.text for line in screen.lines(picture, width)]


def line_of(picture: Picture, word: str) -> Line:
    return next(line for line in screen.lines(picture) if word in line.text)


def test_the_first_line_answers_and_the_next_say_what_to_do() -> None:
    assert shown(FINE)[:3] == [
        "ESS STATUS: INACTIVE",
        "ARMED: trading may run, and the stop is ready.",
        "To stop trading now: sudo ess activate",
    ]
    latched = shown(replace(FINE, view=LATCHED))
    assert latched[0] == "ESS STATUS: ACTIVE"
    assert latched[1] == "CONTAINED: no trading process is alive."
    assert latched[2].startswith("Next: ")
    told = "\n".join(latched)
    assert all(word in told for word in ("2027-01-15T07:47:00Z (13 min ago)", "alice", "margin"))
    alive = LATCHED._replace(alive=(Alive(UNIT, (5,)),))
    assert shown(replace(FINE, view=alive))[1].startswith("NOT CONTAINED")


def test_only_the_first_reasons_to_be_disarmed() -> None:
    found = tuple(Finding("config-missing", f"/file{n}", "is missing", "mend") for n in range(9))
    told = shown(replace(FINE, view=View(State.CLEAR, found, NOW)))
    assert told[1] == "DISARMED: 9 reasons; a stop may not work."
    assert "7 more reasons: ess doctor" in told
    assert sum("config-missing" in line for line in told) == 2


@pytest.mark.parametrize(
    ("verdict", "begins", "tone"),
    [
        (QUIET, "  ok       [##--------]  26 %  daily-loss: daily loss 1.3 %, limit 5 %", ""),
        (CLOSE, "  CLOSE    [########--]  88 %  drawdown: 8.8 %, limit 10 %", "warn"),
        (LEARNING, "  LEARNING [..........]   - %  equity: no equity was heard yet", "warn"),
        (BLIND, "  BLIND    [##########] 100 %  feeds: no news for 412 s, limit 300 s", "bad"),
        (BREACH, "  BREACH   [##########] 100 %  health: system health is CRITICAL", "bad"),
    ],
)
def test_every_mood_has_a_word(verdict: Verdict, begins: str, tone: str) -> None:
    assert line_of(FINE, f"{verdict.evaluator}: ") == Line(begins, tone)


@pytest.mark.parametrize("mood", [Mood.LEARNING, Mood.BLIND, Mood.BREACH])
def test_a_mood_is_explained_where_it_is_seen(mood: Mood) -> None:
    meaning = f"  {mood.name}: "
    assert any(line.startswith(meaning) for line in shown(FINE))
    assert not any(line.startswith(meaning) for line in shown(replace(FINE, watch=watch(QUIET))))


def test_the_worst_is_first() -> None:
    told = [line.split()[0] for line in shown(FINE) if "[" in line]
    assert told == ["BREACH", "BLIND", "LEARNING", "CLOSE", "ok"]
    assert line_of(FINE, "WATCHER") == Line(
        "WATCHER: watching 3 of 5; BROKEN: health; BLIND: feeds; no figures yet: equity;", "bad"
    )
    assert line_of(replace(FINE, watch=watch(QUIET)), "WATCHER").tone == "good"


def test_full_means_at_the_limit() -> None:
    almost = replace(CLOSE, nearness=0.999)
    assert "[#########-]  99 %" in line_of(replace(FINE, watch=watch(almost)), "drawdown").text


def test_a_dry_run_is_told() -> None:
    dry = line_of(replace(FINE, watch=watch(QUIET, dry_run=True)), "WATCHER")
    begins = "WATCHER: DRY RUN - it decides, and does not stop trading; watching 1 of 1;"
    assert dry == Line(begins, "warn")


SILENT, DOWN = "WATCHER: SILENT for ", "WATCHER: DOWN "
STALE = {
    "old": (stale(QUIET), f"{SILENT}12 min - automatic"),
    "whatever interval it claims": (
        stale(QUIET)._replace(
            standing=replace(STANDING, interval=1e300, verdicts=(QUIET,), age=31.0)
        ),
        SILENT,
    ),
    "its service has failed": (
        watch(QUIET)._replace(state="failed (failed)"),
        f"{DOWN}(failed) - automatic triggers do not work; see: ess doctor.",
    ),
    "its service was stopped": (
        watch(QUIET)._replace(state="inactive (dead)"),
        f"{DOWN}(stopped) - automatic triggers do not work; see: ess doctor.",
    ),
}


@pytest.mark.parametrize(("silent", "said"), STALE.values(), ids=STALE.keys())
def test_what_is_old_is_never_fine(silent: Watch, said: str) -> None:
    picture = replace(FINE, watch=silent)
    told = line_of(picture, "WATCHER")
    assert told.tone == "bad"
    assert told.text.startswith(said)
    one = line_of(picture, "daily-loss")
    assert one.text.startswith("  UNKNOWN  [??????????]   ? %  daily-loss: was ok: ")
    assert line_of(picture, "FEEDS").text == "FEEDS: UNKNOWN; 2 were known"
    assert "Next: sudo ess doctor" in "\n".join(shown(picture))
    assert not any(line.startswith("  ok") for line in shown(picture))


def test_since_when_it_is_silent() -> None:
    told = " ".join(line.strip() for line in shown(replace(FINE, watch=stale())))
    assert "It last said how it stands at 2027-01-15 07:48:00 UTC (12 min ago)." in told


@pytest.mark.parametrize(
    ("silent", "said"),
    [
        (Watch(True), "SILENT, it has said nothing since this host was started"),  # noqa: FBT003
        (Watch(None, trouble=NOT_YOURS), f"UNKNOWN - {NOT_YOURS}"),
        (Watch(False), "switched off: nothing but people watches the limits."),  # noqa: FBT003
        (stale()._replace(wanted=False), "switched off: nothing but people watches the limits."),
    ],
)
def test_nothing_known_of_the_watcher(silent: Watch, said: str) -> None:
    told = shown(replace(FINE, watch=silent))
    assert any(line.startswith(f"WATCHER: {said}"[:60]) for line in told)
    assert not any("[" in line for line in told)
    assert ("Next: sudo ess monitor" in "\n".join(told)) is (silent.wanted is None)


def test_units() -> None:
    told = shown(FINE)
    at = told.index("UNITS")
    assert told[at + 1 : at + 3] == [
        f"  trading  alive    {UNIT}",
        "  monitor  down     grafana-server.service  failed (failed)",
    ]
    assert line_of(FINE, "grafana").tone == "warn"
    latched = replace(FINE, view=LATCHED)
    assert line_of(latched, f"alive    {UNIT}").tone == "bad"
    unknown = replace(latched, units=(Unit(UNIT, Role.TRADING, None),))
    assert line_of(unknown, f"UNKNOWN  {UNIT}").tone == "bad"


def test_of_many_units_the_odd_ones_first() -> None:
    many = tuple(Unit(f"bot@{n}.service", Role.TRADING, n != 40) for n in range(50))
    told = shown(replace(FINE, units=many))
    at = told.index("UNITS")
    assert told[at + 1] == "  trading  down     bot@40.service"
    assert "  trading  ... and 38 more, 38 of them alive" in told


def test_of_many_feeds_the_oldest() -> None:
    feeds = {f"F{n}": float(n) for n in range(1000)}
    told = " ".join(shown(replace(FINE, watch=watch(feeds=feeds))))
    assert "FEEDS: 1000, the longest without news: F999 16 min, F998 16 min, F997" in told
    assert "F994 " not in told


def test_the_last_stops() -> None:
    assert "2027-01-15T07:47:00     412 ms  is active  alice        margin call" in shown(FINE)
    assert "No activation is recorded." in shown(replace(FINE, past=Past()))
    why = Past((), "only root may read the audit log; run: sudo ess monitor")
    assert f"LAST STOPS: not known: {why.trouble}"[:70] in "\n".join(shown(replace(FINE, past=why)))
    assert "LAST STOPS" not in shown(replace(FINE, past=None))


NASTY = clean("\x1b[2J\x1b]0;title\x07\u202e\n" + "不" * 600)
ODD = [Verdict(LONG, mood, NASTY, 1e300, -1.0, 1.0) for mood in Mood]
VIEWS = [
    View(State.CLEAR, (Finding("config-missing", "/" + "y" * 300, NASTY, "z" * 400),), NOW),
    View(State.LATCHED, (), NOW, note=dict.fromkeys(NOTE, "w" * 500)),
    View(State.UNKNOWN, (), NOW, alive=(Alive(LONG, (1,)),), unknown=NASTY, queued=(LONG,)),
]
WATCHES = [
    watch(*ODD, feeds={LONG: 1e300, NASTY: -5.0}),
    stale(*ODD),
    stale(*ODD)._replace(written=-1e300),
    Watch(None, LONG, None, NOW, NASTY),
]


@pytest.mark.parametrize("width", [40, 80])
def test_no_line_is_longer_and_none_moves_a_cursor(width: int) -> None:
    units = (Unit(LONG, Role.TRADING, None, NASTY), Unit(NASTY, Role.MONITOR, True, LONG))  # noqa: FBT003
    past = Past((Activation("1", "?", "\u4e0d" * 12, "", NASTY),))
    for view, seen in itertools.product(VIEWS, WATCHES):
        picture = Picture(view, ExitCode.NOT_CONTAINED, units, seen, past)
        for line in shown(picture, width):
            assert layout.columns(line) <= width
            assert line.isprintable()


def test_a_crowd_of_evaluators_hides_no_breach() -> None:
    crowd = (*(replace(QUIET, evaluator=f"mine{n}") for n in range(3000)), BREACH)
    told = shown(replace(FINE, watch=watch(*crowd)))
    assert "  ... and 2961 more, none of them worse" in told
    assert any(line.startswith("  BREACH   [") for line in told)


@pytest.mark.parametrize("height", [5, 20, 500])
def test_a_low_terminal_keeps_the_top_and_the_time(height: int) -> None:
    everything = screen.lines(FINE)
    told = layout.crop(everything, height)
    assert len(told) == min(height, len(everything))
    assert (told[0], told[-1]) == (everything[0], everything[-1])
    assert told[-1].text == "As of 2027-01-15 08:00:00 UTC"


def test_json_is_that_of_status_and_more() -> None:
    found = json.loads(document.text(FINE))
    assert (found["ess"], found["armed"], found["exit_code"]) == ("INACTIVE", True, 0)
    assert found["units"][0] == {
        "unit": UNIT,
        "role": "trading",
        "alive": True,
        "state": "active (running)",
    }
    assert found["watcher"] == {
        "how": "watching",
        "says": "watching 3 of 5; BROKEN: health; BLIND: feeds; no figures yet: equity",
        "enabled": True,
        "unit": "active (running)",
        "dry_run": False,
        "outdated": None,
        "interval": 1.0,
        "age": 2.0,
        "evaluators": 5,
        "watching": 3,
        "learning": ["equity"],
        "blind": ["feeds"],
        "broken": ["health"],
        "sources": None,
    }
    assert [one["mood"] for one in found["evaluators"]] == [
        "breach",
        "blind",
        "learning",
        "quiet",
        "quiet",
    ]
    assert found["evaluators"][1]["nearness"] == 1.0
    assert found["feeds"] == FEEDS
    assert found["activations"][0]["reason"] == "margin call"
    assert found["activations_unknown"] == ""


def test_json_never_says_that_what_is_old_is_fine() -> None:
    why = Past((), "only root may read the audit log")
    found = json.loads(document.text(replace(FINE, watch=stale(QUIET), past=why)))
    assert (found["watcher"]["how"], found["feeds"]) == ("silent", None)
    assert found["watcher"]["watching"] is None
    assert found["watcher"]["says"].startswith("SILENT for 12 min")
    [one] = found["evaluators"]
    assert (one["mood"], one["last_mood"], one["nearness"]) == ("unknown", "quiet", None)
    assert (found["activations"], found["activations_unknown"]) == (None, why.trouble)
    off = json.loads(document.text(replace(FINE, watch=Watch(wanted=False), past=None)))
    assert (off["watcher"]["how"], off["evaluators"], off["activations"]) == ("off", [], None)
