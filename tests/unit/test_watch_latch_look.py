"""The latch as the watcher sees it with every figure: no child, and never a release too many."""

from __future__ import annotations

from pathlib import Path

import pytest

from ess import bounded
from ess.latch import State
from ess.paths import Paths
from ess.watch.latch_look import LatchLook


class Host:
    """Both flags, and how many children were made for looks at them."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        paths = Paths(str(root))
        self.run, self.var = Path(paths.run_flag), Path(paths.var_flag)
        for flag in (self.run, self.var):
            flag.parent.mkdir(parents=True)
        self.latch = LatchLook(paths)
        self.children = 0
        call = bounded.call

        def counted(work: bounded.Work, seconds: float) -> bytes | None:
            self.children += 1
            return call(work, seconds)

        monkeypatch.setattr(bounded, "call", counted)


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(tmp_path, monkeypatch)


def test_figures_cost_no_child_while_nothing_is_latched_or_all_is(host: Host) -> None:
    assert host.latch.look() is State.CLEAR
    seen = host.children
    assert [host.latch.at_once() for _ in range(3)] == [State.CLEAR] * 3
    host.run.touch()
    assert [host.latch.at_once() for _ in range(3)] == [State.LATCHED] * 3
    assert host.children == seen


def test_before_the_first_round_it_looks_everywhere(host: Host) -> None:
    host.var.touch()
    assert host.latch.at_once() is State.LATCHED


@pytest.mark.parametrize("seen_by_a_round", [True, False])
def test_a_flag_that_goes_missing_in_run_is_no_release(
    host: Host, *, seen_by_a_round: bool
) -> None:
    host.run.touch()
    host.var.touch()
    if seen_by_a_round:
        host.latch.look()
    assert host.latch.at_once() is State.LATCHED
    host.run.unlink()
    assert host.latch.at_once() is State.LATCHED
    host.var.unlink()
    assert host.latch.at_once() is State.CLEAR


def test_a_flag_on_disk_alone_is_seen_with_the_next_round(host: Host) -> None:
    host.latch.look()
    host.var.touch()
    assert host.latch.look() is State.LATCHED
    assert host.latch.at_once() is State.LATCHED


def test_a_place_that_cannot_be_looked_at_is_not_taken_for_clear(host: Host) -> None:
    host.latch.look()
    host.run.parent.rmdir()
    host.run.parent.symlink_to(host.run.parent.name)
    assert host.latch.at_once() is State.UNKNOWN
