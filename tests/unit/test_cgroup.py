"""Cgroups on a tree of plain files: what is found, and what is never written to."""

from __future__ import annotations

from pathlib import Path

import pytest

from ess import cgroup, containment, ladder
from ess.cgroup import Cgroup
from ess.errors import CgroupError
from ess.paths import Paths

BOT = "system.slice/bot.service"


def make(top: Path, name: str, events: str = "populated 1\nfrozen 0\n", procs: str = "") -> Path:
    directory = top / name
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "cgroup.events").write_text(events)
    (directory / "cgroup.procs").write_text(procs)
    (directory / "cgroup.kill").touch()
    return directory


@pytest.fixture
def top(tmp_path: Path) -> Path:
    mount = Path(Paths(root=str(tmp_path)).cgroup_mount)
    mount.mkdir(parents=True)
    (mount / "cgroup.controllers").touch()
    (mount / "cgroup.kill").touch()
    return mount


def found(top: Path, *patterns: str) -> set[str]:
    return {group.unit for group in cgroup.find(str(top), patterns)}


def test_only_slices_are_entered(top: Path) -> None:
    make(top, "bot.service")
    make(top, BOT)
    make(top, "quantum.slice/quantum-hft.slice/bot@1.service")
    make(top, "system.slice/docker.service/bot@2.service")
    make(top, "user.slice/user-0.slice/user@0.service/app.slice/bot@3.service")
    make(top, "container/system.slice/bot@4.service")
    make(top, "system.slice/_cpu.service")
    make(top, "system.slice/other.service")
    assert found(top, "bot.service", "bot@*.service") == {"bot.service", "bot@1.service"}
    assert found(top, "cpu.service") == {"cpu.service"}


def test_where_the_tree_begins(top: Path, tmp_path: Path) -> None:
    assert cgroup.root(str(top)) == str(top)
    hybrid = tmp_path / "hybrid"
    (hybrid / "unified").mkdir(parents=True)
    (hybrid / "unified/cgroup.controllers").touch()
    assert cgroup.root(str(hybrid)) == f"{hybrid}/unified"
    with pytest.raises(CgroupError, match="no cgroup v2 tree"):
        cgroup.root(str(tmp_path / "none"))


def test_looking(top: Path, tmp_path: Path) -> None:
    paths = Paths(root=str(tmp_path))
    make(top, BOT, procs="7\n0\n")
    make(top, f"{BOT}/inner", procs="8\n7\n")
    make(top, "system.slice/idle.service", "populated 0\n")
    seen = containment.look(paths, ["bot.service", "idle.service", "gone.service"])
    assert [group.unit for group in seen.alive] == ["bot.service"]
    assert not seen.empty
    assert cgroup.pids(seen.alive[0]) == [7, 8]
    assert containment.look(paths, ["idle.service"]).empty


def test_what_cannot_be_read_is_not_empty(top: Path, tmp_path: Path) -> None:
    paths = Paths(root=str(tmp_path))
    directory = make(top, BOT)
    (directory / "cgroup.events").unlink()
    (directory / "cgroup.events").mkdir()
    seen = containment.look(paths, ["bot.service"])
    assert not seen.empty
    assert "Is a directory" in seen.error
    (top / "cgroup.controllers").unlink()
    assert "no cgroup v2 tree" in containment.look(paths, ["bot.service"]).error


def test_a_cgroup_that_vanishes_is_empty(top: Path) -> None:
    gone = Cgroup("bot.service", str(top / BOT))
    assert not cgroup.populated(gone)
    assert cgroup.pids(gone) == []
    cgroup.kill(str(top), gone)


def test_killing_writes_to_the_unit(top: Path) -> None:
    directory = make(top, BOT)
    cgroup.kill(str(top), Cgroup("bot.service", str(directory)))
    assert (directory / "cgroup.kill").read_text() == "1"


def test_killing_without_cgroup_kill_freezes_first(top: Path) -> None:
    directory = make(top, BOT)
    (directory / "cgroup.kill").unlink()
    (directory / "cgroup.freeze").touch()
    cgroup.kill(str(top), Cgroup("bot.service", str(directory)))
    assert (directory / "cgroup.freeze").read_text() == "0"


@pytest.mark.parametrize(
    "path",
    ["", "/", ".", "system.slice", "system.slice/", "system.slice/.service", "x/../system.slice"],
)
def test_nothing_but_a_unit_is_ever_killed(top: Path, path: str) -> None:
    make(top, "system.slice")
    make(top, "system.slice/.service")
    make(top, "x")
    for target in (path, f"{top}/{path}", f"{top}{path}"):
        with pytest.raises(CgroupError, match="refusing to kill"):
            cgroup.kill(str(top), Cgroup("bot.service", target))
    written = [file for file in top.rglob("cgroup.kill") if file.read_text()]
    assert written == []


def test_a_unit_outside_the_tree_is_never_killed(top: Path, tmp_path: Path) -> None:
    outside = make(tmp_path / "elsewhere", "bot.service")
    for target in (str(outside), f"{top}/../../../elsewhere/bot.service"):
        with pytest.raises(CgroupError, match="refusing to kill"):
            cgroup.kill(str(top), Cgroup("bot.service", target))


def test_frozen_slices_are_thawed_before_their_units(top: Path) -> None:
    directory = make(top, "q.slice/q-a.slice/bot.service", "populated 1\nfrozen 1\n")
    free = make(top, BOT)
    groups = [Cgroup("bot.service", str(directory)), Cgroup("free.service", str(free))]
    assert ladder._frozen(groups, str(top)) == ["q.slice", "q-a.slice", "bot.service"]


def test_cgroup_kill_of_the_kernel(top: Path) -> None:
    assert not cgroup.can_kill(str(top))
    make(top, "system.slice")
    assert cgroup.can_kill(str(top))
