"""What a release starts and when, and how the start of a unit is judged."""

from __future__ import annotations

from pathlib import Path

import pytest

from ess import plan
from ess.errors import ReleaseError
from ess.paths import Paths
from ess.restart import Phase, judge

ENTRIES = ["governor.service", "bot@*.service", "execution.service"]


def test_order_follows_the_entries_and_keeps_triggers_at_their_unit() -> None:
    triggers = {
        "execution.service": "",
        "execution.timer": "execution.service",
        "feed.socket": "bot@2.service",
        "bot@2.service": "",
        "bot@1.service": "",
        "governor.path": "governor.service",
        "governor.service": "",
        "stranger.service": "",
    }
    assert plan.order(list(triggers), ENTRIES, triggers) == [
        "governor.service",
        "governor.path",
        "feed.socket",
        "bot@2.service",
        "bot@1.service",
        "execution.service",
        "execution.timer",
        "stranger.service",
    ]


def test_a_trigger_comes_even_if_its_unit_does_not() -> None:
    triggers = {"execution.timer": "execution.service", "governor.service": ""}
    assert plan.order(list(triggers), ENTRIES, triggers) == ["governor.service", "execution.timer"]


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    monkeypatch.setattr(plan, "_LIST_PATIENCE", 0.1)
    known = Paths(root=str(tmp_path))
    Path(known.state_dir).mkdir(parents=True)
    return known


@pytest.mark.parametrize("content", [None, "unknown\n", "a.service\nunknown\n"])
def test_not_knowing_what_ran_refuses(paths: Paths, content: str | None) -> None:
    if content is not None:
        Path(paths.running).write_text(content)
    with pytest.raises(ReleaseError, match="--all starts every trading unit, --no-start"):
        plan.were_running(paths)


def test_what_ran_is_read_and_nothing_but_units(paths: Paths) -> None:
    Path(paths.running).write_text("a.service\nb@1.timer\n--now\n../x.service\nc.target\n\xff")
    assert plan.were_running(paths) == ["a.service", "b@1.timer"]


def test_nothing_ran(paths: Paths) -> None:
    Path(paths.running).write_text("")
    assert plan.were_running(paths) == []


def facts(active: str, **more: str) -> dict[str, str]:
    return {
        "ActiveState": active,
        "Result": "success",
        "Type": "simple",
        "InvocationID": "b",
    } | more


@pytest.mark.parametrize(
    ("known", "phase"),
    [
        (facts("active"), Phase.UP),
        (facts("reloading"), Phase.UP),
        (facts("activating"), Phase.COMING),
        (facts("activating", Job="7"), Phase.COMING),
        (facts("deactivating"), Phase.COMING),
        (facts("inactive", InvocationID="a", Job="7"), Phase.COMING),
        (facts("failed", InvocationID="a", Job="7"), Phase.COMING),
        (facts("inactive", Type="oneshot"), Phase.DONE),
        (facts("inactive"), Phase.DOWN),
        (facts("failed", Result="exit-code"), Phase.DOWN),
        (facts("failed", Result="exit-code", Type="oneshot"), Phase.DOWN),
        # An assert stopped it: it was not let run, so nothing is done.
        (facts("inactive", Type="oneshot", InvocationID="a"), Phase.DOWN),
        (facts("inactive", Type="oneshot", InvocationID=""), Phase.DOWN),
        ({}, Phase.DOWN),
    ],
)
def test_how_far_a_start_has_come(known: dict[str, str], phase: Phase) -> None:
    assert judge(known, invocation_before="a") is phase
