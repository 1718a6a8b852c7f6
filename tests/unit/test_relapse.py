"""What a person is told before a release: what would stop trading again."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import click
import pytest

from ess import relapse, spool
from ess.errors import WatchError
from ess.paths import Paths
from ess.watch import anew, places, rebase, standing
from ess.watch.sample import Now
from ess.watch.standing import Standing
from ess.watch.verdict import Mood, Verdict

if TYPE_CHECKING:
    from pathlib import Path

BROKEN = Verdict("drawdown", Mood.BREACH, "18 %, limit 15 %", 18.0, 15.0, 1.0, (), 1.2)
FINE = Verdict("health", Mood.QUIET, "system health is OK", 2.0, 300.0, 0.01)


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    found = Paths(str(tmp_path))
    os.makedirs(places.state(found))
    (tmp_path / "etc/quantum-ess").mkdir(parents=True)
    return found


def stands(paths: Paths, *verdicts: Verdict, dry_run: bool = False) -> None:
    now = Now(time.time(), time.clock_gettime(time.CLOCK_BOOTTIME), spool.boot())
    standing.write(places.state(paths), Standing(5.0, 900.0, dry_run, verdicts, {}), now)


def test_what_is_broken_is_foreseen(paths: Paths) -> None:
    stands(paths, BROKEN, FINE)
    (line,) = relapse.foreseen(paths)
    assert line.startswith("drawdown: 18 %, limit 15 %")


def test_nothing_is_said_of_what_does_not_trip(paths: Paths) -> None:
    assert relapse.foreseen(paths) == []
    stands(paths, FINE)
    assert relapse.foreseen(paths) == []
    stands(paths, BROKEN, dry_run=True)
    assert relapse.foreseen(paths) == []


def test_a_watcher_that_says_nothing_is_not_taken_for_content(paths: Paths, tmp_path: Path) -> None:
    config = tmp_path / "etc/quantum-ess/watch.env"
    config.write_text("QT_ESS_ENABLED=true\n")
    assert "has not said how it stands" in relapse.foreseen(paths)[0]
    config.write_text("QT_ESS_ENABLED=false\n")
    assert relapse.foreseen(paths) == []


def test_a_question_that_fails_or_hangs_is_no_answer(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relapse, "_PATIENCE", 0.2)
    for work in (lambda _: time.sleep(60), lambda _: 1 / 0):
        monkeypatch.setattr(relapse, "_would_trip", work)
        assert "not known" in relapse.foreseen(paths)[0]


def test_a_person_has_it_measure_anew(paths: Paths, capfd: pytest.CaptureFixture[str]) -> None:
    stands(paths, BROKEN, FINE)
    anew.ask(paths, ["drawdown"])
    assert "measures anew within 5 s" in capfd.readouterr().out
    assert rebase.taken(places.state(paths)) == ["drawdown"]


def test_nobody_is_asked_who_is_not_there(paths: Paths) -> None:
    with pytest.raises(WatchError, match="does not run; see: systemctl"):
        anew.ask(paths, ["drawdown"])
    stands(paths, BROKEN, FINE)
    with pytest.raises(click.UsageError, match="there are: drawdown, health"):
        anew.ask(paths, ["drawdwon"])
    assert rebase.taken(places.state(paths)) == []
