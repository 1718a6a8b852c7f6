"""What a trip was decided by: from the verdicts through the request to the history."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ess import request
from ess.audit import history
from ess.paths import Paths
from ess.watch import detail
from ess.watch.sample import Sample
from ess.watch.verdict import Mood, Verdict
from tests.checks.tracked import CHECKOUT
from tests.unit.watching import Time

if TYPE_CHECKING:
    from typing import Any

READER = """
. "$1/ops/lib/asked.sh"
asked_look "$2"
printf '%s\\n%s\\n%s' "$ASKED_DETAIL" "$ASKED_WHY" "$ASKED_THROUGH"
"""
NOW = Time().now
MOST_OF_BASH = 480  # characters


def equity(value: float, heard: float, dated: float | None) -> Sample:
    at = None if dated is None else NOW.wall - dated
    return Sample("equity", value, at, NOW.boottime - heard, str(value))


BROKEN = Verdict(
    "drawdown", Mood.BREACH, "18 %, limit 15 %", 18.2, 15.0, 1.0, (equity(818, 0.12, 0.31),)
)


def read(path: Path | str) -> list[str]:
    """Return what the root side takes from a request: detail, reason, source."""
    done = subprocess.run(
        ("bash", "-uc", READER, "bash", str(CHECKOUT), str(path)),
        capture_output=True,
        timeout=20,
        check=True,
    )
    assert done.stderr == b""
    return done.stdout.decode().split("\n")


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    found = Paths(str(tmp_path))
    Path(found.requests).mkdir(parents=True)
    return found


def test_it_names_evaluator_value_limit_and_the_ages_of_the_inputs() -> None:
    told = detail.line([BROKEN], NOW)
    assert told == "drawdown: value 18.2, limit 15; equity: 818, heard 0.1 s ago, dated 0.3 s ago"


def test_what_is_not_known_is_said() -> None:
    manual = Verdict("manual", Mood.BREACH, "drunk", inputs=(equity(1, 2.0, None),))
    assert detail.line([manual], NOW) == (
        "manual: value none, limit none; equity: 1, heard 2.0 s ago"
    )


@pytest.mark.parametrize("name", ["expr:x", "\u4e0d" * 20, "a; b\n\x1b[2J"])
def test_it_is_bounded_and_one_line(name: str) -> None:
    crowd = [Verdict(name, Mood.BREACH, "", 1.0, 2.0, 1.0, (equity(1, 1, 1),)) for _ in range(99)]
    told = detail.line(crowd, NOW)
    assert len(told.encode()) <= detail.MOST
    assert told.isprintable()
    assert told.endswith(" more")
    assert told.count("limit 2") + int(told.split()[-2]) > 99


def test_the_reader_takes_all_of_it(paths: Paths) -> None:
    crowd = [Verdict(f"expr:{n}", Mood.BREACH, "", 1.0, 2.0) for n in range(99)]
    for told in (detail.line([BROKEN], NOW), detail.line(crowd, NOW)):
        path = request.drop(paths, "r" * 600, "watcher", detail=told)
        assert read(path) == [told, "r" * 200, "watcher"]


def test_without_it_a_request_is_as_it_was(paths: Paths) -> None:
    path = Path(request.drop(paths, "why", "cron"))
    assert path.read_text() == "reason=why\nsource=cron\ncategory=\n"
    assert read(path) == ["", "why", "cron"]


@pytest.mark.parametrize(
    "content",
    [
        b"detail=" + b"x" * 100_000,
        b"detail=\x1b[2J\x1b]0;t\x07\xe2\x80\xae\nreason=ok",
        b"detail=$(touch /tmp/pwned) `id` ${x} \\\n",
        b"detail=a[$(touch /tmp/pwned)]\n",
        b"detail=one\ndetail=two\n" * 80,
        b"detail=\xff\xfe\x00\x00end=request\n",
        b"detail=" + "\u4e0d".encode() * 600,
    ],
)
def test_a_hostile_one_is_one_bounded_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "request"
    path.write_bytes(content)
    told = read(path)
    assert len(told) == 3
    assert len(told[0]) <= MOST_OF_BASH
    assert told[0].isprintable()
    assert not Path("/tmp/pwned").exists()


def records(*kinds: str) -> list[dict[str, Any]]:
    known: dict[str, dict[str, Any]] = {
        "trip": {"event": "trip", "at": "2026-11-21T20:00:00Z", "reason": "drawdown"},
        "request": {"event": "request", "first": "yes", "detail": "drawdown: value 18.2\x1b"},
        "late": {"event": "request", "first": "no", "detail": "another"},
        "plain": {"event": "request", "first": "yes"},
    }
    return [{"activation": "1", **known[kind]} for kind in kinds]


@pytest.mark.parametrize("order", [("trip", "request", "late"), ("request", "trip", "late")])
def test_the_history_has_it_whichever_was_recorded_first(order: tuple[str, ...]) -> None:
    (found,) = history.activations(records(*order))
    assert (found.reason, found.detail) == ("drawdown", "drawdown: value 18.2")


def test_a_request_alone_is_no_activation() -> None:
    assert history.activations(records("request")) == []
    (found,) = history.activations(records("trip", "plain"))
    assert found.detail == ""
