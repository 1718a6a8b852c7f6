"""What is configured for the watcher, and that a mistake in it is said and harmless."""

from __future__ import annotations

from datetime import time
from typing import TYPE_CHECKING

import pytest

from ess.paths import Paths
from ess.watch import settings
from ess.watch.evaluators import configured
from ess.watch.settings import DEFAULTS, Settings

if TYPE_CHECKING:
    from pathlib import Path


def load(root: Path, text: str | bytes, mode: int = 0o640) -> Settings:
    paths = Paths(str(root))
    file = root / "etc/quantum-ess/watch.env"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    file.chmod(mode)
    return settings.load(paths)


def test_without_a_file_everything_has_its_default(tmp_path: Path) -> None:
    assert settings.load(Paths(str(tmp_path))) == Settings()


def test_values_are_taken(tmp_path: Path) -> None:
    found = load(
        tmp_path,
        "QT_ESS_ENABLED=true\nQT_ESS_MAX_DAILY_LOSS='7.5'\nQT_ESS_DAY_START=17:00\n"
        "QT_ESS_DAY_ZONE=America/New_York\nQT_ESS_WATCH_FEEDS=BTC, ETH -OLD\n"
        'QT_ESS_HEALTH_SILENCE=0.5\nQT_ESS_EXPRESSION_MARGIN=max(m{a="x"}) > 0.8\n',
    )
    assert found.problems == ()
    assert found.on("QT_ESS_ENABLED")
    assert not found.on("QT_ESS_DRY_RUN")
    assert found.number("QT_ESS_MAX_DAILY_LOSS") == 7.5
    assert found.day_start() == time(17)
    assert str(found.day_zone()) == "America/New_York"
    assert found.words("QT_ESS_WATCH_FEEDS") == ["BTC", "ETH", "-OLD"]
    assert found.seconds("QT_ESS_HEALTH_SILENCE") == 30
    assert found.seconds("QT_ESS_EQUITY_SILENCE") == 300
    assert found.expressions()["margin"].query == 'max(m{a="x"})'


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("QT_ESS_MAX_DAILY_LOSS=5,0", "must be 0.01 to 100 %; the default 10.0 is used"),
        ("QT_ESS_MAX_DAILY_LOSS=", "must be 0.01 to 100 %"),
        ("QT_ESS_MAX_DAILY_LOSS=0", "must be"),
        ("QT_ESS_MAX_DAILY_LOSS=-5", "must be"),
        ("QT_ESS_MAX_DAILY_LOSS=nan", "must be"),
        ("QT_ESS_MAX_DAILY_LOSS=1e9", "must be"),
        ("QT_ESS_MAX_DAILY_LOSS=100.1", "must be"),
        ("QT_ESS_MAX_EQUITY_DD=15%", "must be"),
        ("QT_ESS_CHECK_INTERVAL=0.5", "must be 1 to 10 seconds"),
        ("QT_ESS_CHECK_INTERVAL=60", "must be 1 to 10 seconds"),
        ("QT_ESS_MAX_SL_HITS=2.5", "must be 0 to 10000 whole hits"),
        ("QT_ESS_MAX_DATA_STALENESS=0", "must be 0.1 to 1440 minutes"),
        ("QT_ESS_EQUITY_SILENCE=never", "must be"),
        ("QT_ESS_DAY_START=24:00", "must be a time of day"),
        ("QT_ESS_DAY_START=7:00", "must be a time of day"),
        ("QT_ESS_DAY_ZONE=Berlin", "is no time zone"),
        ("QT_ESS_DAY_ZONE=../../etc/passwd", "is no time zone"),
        ("QT_ESS_DAY_ZONE=Europe", "is no time zone"),
        ("QT_ESS_DAY_ZONE=", "is no time zone"),
        ("QT_ESS_WATCH_DEADMAN=maybe", "must be trip or alert"),
        ("QT_ESS_EXPRESSION_A=up", "must end in a comparison"),
        ("QT_ESS_EXPRESSION_=up > 1", "unknown key"),
        ("QT_ESS_MAX_LOSS=5", "unknown key QT_ESS_MAX_LOSS"),
        ("MAX_DAILY_LOSS: 5", "not KEY=VALUE"),
        ("QT_ESS_DAY_ZONE=U\x07TC", "control characters"),
        ("QT_ESS_DAY_ZONE=UTC\nQT_ESS_DAY_ZONE=UTC", "a second time"),
    ],
)
def test_a_mistake_is_said_and_costs_its_key(tmp_path: Path, line: str, said: str) -> None:
    found = load(tmp_path, f"{line}\nQT_ESS_MAX_ORDER_ERRORS=4\n")
    assert len(found.problems) == 1
    assert said in found.problems[0]
    assert found.values == DEFAULTS | {"QT_ESS_MAX_ORDER_ERRORS": "4"}
    assert configured(found), "nothing of it is in the way"


@pytest.mark.parametrize(
    ("word", "enabled", "dry"),
    [("yes", True, True), ("0", False, False), ("ture", True, False), ("", True, False)],
)
def test_a_switch_that_says_neither_is_the_safe_one(
    word: str,
    enabled: bool,  # noqa: FBT001 - a table
    dry: bool,  # noqa: FBT001
    tmp_path: Path,
) -> None:
    """Found: a wrong word gave way to the default, which switches the watcher off."""
    found = load(tmp_path, f"QT_ESS_ENABLED={word}\nQT_ESS_DRY_RUN={word}\n")
    assert len(found.problems) == (0 if word in ("yes", "0") else 2)
    assert found.on("QT_ESS_ENABLED") is enabled
    assert found.on("QT_ESS_DRY_RUN") is dry


def test_no_secret_is_shown(tmp_path: Path) -> None:
    secret = "hunter2"
    found = load(
        tmp_path,
        f"QT_ESS_WATCH_REDIS_URL=redis://:{secret}\x07@h\nQT_ESS_WATCH_PROMETHEUS_URL={secret}\n"
        f"QT_ESS_WATCH_REDIS_URI={secret}\n",
    )
    assert len(found.problems) == 2
    assert secret not in repr(found)
    assert secret not in "".join(found.problems)


@pytest.mark.parametrize("mode", [0o644, 0o660, 0o666])
def test_a_file_that_others_read_or_change_is_said(tmp_path: Path, mode: int) -> None:
    assert "chmod 640" in load(tmp_path, "", mode).problems[0]
    assert not load(tmp_path, "", 0o600).problems


def test_a_file_that_cannot_be_read_is_not_taken_for_switched_off(tmp_path: Path) -> None:
    file = tmp_path / "etc/quantum-ess/watch.env"
    file.mkdir(parents=True)
    found = settings.load(Paths(str(tmp_path)))
    assert found.unread
    assert "not a regular file" in found.problems[0]


def test_a_huge_file_is_not_taken_for_switched_off(tmp_path: Path) -> None:
    assert load(tmp_path, "#" * 100_000).unread


EXPRESSION = "QT_ESS_EXPRESSION_MARGIN=x > 1\n"


@pytest.mark.parametrize(
    "off",
    ["", "drawdown", "drawdown, feeds health", "expr:margin", "custom:mine", ",manual,"],
)
def test_what_is_there_can_be_switched_off(tmp_path: Path, off: str) -> None:
    found = load(tmp_path, f"QT_ESS_WATCH_OFF={off}\n{EXPRESSION}")
    assert found.problems == ()
    assert found.words("QT_ESS_WATCH_OFF") == off.replace(",", " ").split()


@pytest.mark.parametrize(
    "off",
    [
        "drawdwon",
        "Drawdown",
        "drawdown feed",
        "expr:other",
        "expr:MARGIN",
        "expr:",
        "custom:",
        "all",
    ],
)
def test_a_misspelt_evaluator_is_said_and_switches_nothing_off(tmp_path: Path, off: str) -> None:
    found = load(tmp_path, f"QT_ESS_ENABLED=true\nQT_ESS_WATCH_OFF={off}\n{EXPRESSION}")
    (problem,) = found.problems
    wrong = off.rsplit(maxsplit=1)[-1]
    assert problem == (
        f"{tmp_path}/etc/quantum-ess/watch.env:2: QT_ESS_WATCH_OFF: there is no evaluator"
        f" {wrong}; none is switched off"
    )
    assert len(configured(found)) == 9


def test_the_names_that_can_be_switched_off_are_those_there_are() -> None:
    assert {one.name for one in configured(Settings())} == settings.EVALUATORS
