"""The latch: two flags, each enough by itself, the first writer's record kept."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ess import latch
from ess.latch import State
from ess.paths import Paths

if TYPE_CHECKING:
    from collections.abc import Iterator

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounts a file system")


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(root=str(tmp_path))


def set_latch(paths: Paths, reason: str = "test") -> latch.Receipt:
    return latch.set_latch(paths, latch.note("cli", reason, "1"))


def drafts(paths: Paths) -> list[Path]:
    return [*Path(paths.root).rglob(".ESS_ON*")]


def test_clear_without_any_directory(paths: Paths) -> None:
    assert latch.state(paths) is State.CLEAR


def test_set_makes_directories_and_both_flags(paths: Paths) -> None:
    receipt = set_latch(paths)
    assert receipt.latched
    assert not receipt.already
    assert latch.state(paths) is State.LATCHED
    for flag in (paths.run_flag, paths.var_flag):
        assert latch.probe(flag) is State.LATCHED
        assert Path(flag).stat().st_mode & 0o777 == 0o644
    assert drafts(paths) == []


def test_content_is_one_clean_line_for_each_field(paths: Paths) -> None:
    set_latch(paths, "one\ntwo\x1b[2J\u202e" + "x" * 1000)
    lines = Path(paths.run_flag).read_text().splitlines()
    assert [line.split("=")[0] for line in lines] == [
        "id",
        "at",
        "operator",
        "source",
        "reason",
        "category",
    ]
    assert lines[4].startswith("reason=one two [2J")
    assert len(lines[4].encode()) <= 500 + len("reason=")


def test_the_first_record_is_kept(paths: Paths) -> None:
    set_latch(paths, "first")
    receipt = set_latch(paths, "second")
    assert receipt.already
    assert latch.read(paths)["reason"] == "first"


@pytest.mark.parametrize("which", ["run_flag", "var_flag"])
@pytest.mark.parametrize("kind", ["empty", "directory", "dangling", "fifo"])
def test_whatever_has_the_name_is_a_latch(paths: Paths, which: str, kind: str) -> None:
    flag = Path(getattr(paths, which))
    flag.parent.mkdir(parents=True)
    match kind:
        case "empty":
            flag.touch()
        case "directory":
            (flag / "deep").mkdir(parents=True)
        case "dangling":
            flag.symlink_to("/nonexistent")
        case "fifo":
            os.mkfifo(flag)
    assert latch.state(paths) is State.LATCHED
    assert set_latch(paths).latched
    assert isinstance(latch.read(paths), dict)
    latch.clear(str(flag))
    assert latch.probe(str(flag)) is State.CLEAR


def test_clearing_a_symlink_spares_its_target(paths: Paths, tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.mkdir()
    Path(paths.run_dir).mkdir(parents=True)
    Path(paths.run_flag).symlink_to(target)
    latch.clear(paths.run_flag)
    assert target.is_dir()
    assert latch.state(paths) is State.CLEAR


def test_clearing_what_is_not_there_is_no_error(paths: Paths) -> None:
    latch.clear(paths.run_flag)


def test_a_touched_flag_tells_since_when(paths: Paths) -> None:
    Path(paths.run_dir).mkdir(parents=True)
    Path(paths.run_flag).touch()
    os.utime(paths.run_flag, (1_700_000_000, 1_700_000_000))
    assert latch.read(paths) == {"at": "2023-11-14T22:13:20Z"}


def test_hostile_content_is_cleaned_and_cut(paths: Paths) -> None:
    Path(paths.run_dir).mkdir(parents=True)
    content = b"reason=\x1b]0;owned\x07\n" + b"operator=" + b"\xff" * 10 + b"\nid=7\n"
    Path(paths.run_flag).write_bytes(content + b"at=" + b"9" * 9000)
    note = latch.read(paths)
    assert note["reason"] == "]0;owned"
    assert all(value.isprintable() and len(value) <= 500 for value in note.values())


def test_content_is_not_read_through_a_symlink(paths: Paths, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("reason=secret\n")
    Path(paths.run_dir).mkdir(parents=True)
    Path(paths.run_flag).symlink_to(tmp_path / "secret")
    assert "reason" not in latch.read(paths)


def test_a_place_that_cannot_be_looked_at_is_unknown(paths: Paths) -> None:
    Path(paths.run_dir).parent.mkdir(parents=True)
    Path(paths.run_dir).symlink_to(Path(paths.run_dir).name)  # ELOOP, for root as well
    assert latch.probe(paths.run_flag) is State.UNKNOWN
    assert latch.state(paths) is State.UNKNOWN


def test_one_latched_flag_outweighs_an_unknown_one(paths: Paths) -> None:
    Path(paths.run_dir).parent.mkdir(parents=True)
    Path(paths.run_dir).symlink_to(Path(paths.run_dir).name)
    receipt = set_latch(paths)
    assert receipt.latched
    assert receipt.places[0].error
    assert latch.state(paths) is State.LATCHED


def test_a_directory_that_is_a_file_latches_in_the_other_place(paths: Paths) -> None:
    Path(paths.run_dir).parent.mkdir(parents=True)
    Path(paths.run_dir).touch()
    receipt = set_latch(paths)
    assert receipt.latched
    assert [bool(place.error) for place in receipt.places] == [True, False]


def test_no_place_at_all_is_said(paths: Paths, tmp_path: Path) -> None:
    for directory in (paths.run_dir, paths.state_dir):
        Path(directory).parent.mkdir(parents=True)
        Path(directory).touch()
    receipt = set_latch(paths)
    assert not receipt.latched
    assert all(place.error for place in receipt.places)
    assert latch.state(paths) is State.CLEAR
    assert tmp_path.exists()


def test_many_threads_one_record(paths: Paths) -> None:
    receipts: list[latch.Placed] = []
    content = [latch.note("cli", f"number {number}", "1") for number in range(16)]
    gate = threading.Barrier(16)

    def place(number: int) -> None:
        gate.wait()
        receipts.append(latch._place(paths.run_flag, content[number], paths.runtime_dir))

    threads = [threading.Thread(target=place, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [bool(receipt.error) for receipt in receipts] == [False] * 16
    assert sum(receipt.new for receipt in receipts) == 1
    assert Path(paths.run_flag).read_bytes() in content
    assert drafts(paths) == []


def test_many_processes_one_record(paths: Paths, tmp_path: Path) -> None:
    code = (
        "import sys; from ess import latch; from ess.paths import Paths;"
        "r = latch.set_latch(Paths(sys.argv[1]), latch.note('cli', sys.argv[2], '1'));"
        "sys.exit(0 if r.latched else 1)"
    )
    children = [
        subprocess.Popen([sys.executable, "-c", code, str(tmp_path), f"process {number}"])
        for number in range(8)
    ]
    assert [child.wait(30) for child in children] == [0] * 8
    assert latch.read(paths)["reason"].startswith("process ")
    assert drafts(paths) == []


def test_a_dead_disk_holds_nobody_up(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = latch._place

    def hang(flag: str, content: bytes, drafts: str) -> latch.Placed:
        if flag == paths.var_flag:
            time.sleep(60)
        return whole(flag, content, drafts)

    monkeypatch.setattr(latch, "_place", hang)
    began = time.monotonic()
    receipt = set_latch(paths)
    assert time.monotonic() - began < 2 * latch.PERSISTENT_PATIENCE
    assert receipt.latched
    assert "did not answer" in receipt.places[1].error


def test_no_process_to_be_had_latches_all_the_same(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fork() -> int:
        raise BlockingIOError

    monkeypatch.setattr(os, "fork", fork)
    assert set_latch(paths).latched
    assert latch.probe(paths.var_flag) is State.LATCHED
    assert latch.state(paths) is State.LATCHED


def test_without_hard_links(paths: Paths, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(_source: str, _target: str) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", link)
    assert set_latch(paths, "vfat").latched
    assert latch.read(paths)["reason"] == "vfat"
    assert drafts(paths) == []


@pytest.fixture
def tiny(paths: Paths, request: pytest.FixtureRequest) -> Iterator[Path]:
    mount = Path(paths.run_dir)
    mount.mkdir(parents=True)
    options = ["-o", request.param]
    subprocess.run(["mount", "-t", "tmpfs", *options, "tmpfs", mount], check=True, timeout=10)
    try:
        yield mount
    finally:
        subprocess.run(["umount", mount], check=True, timeout=10)


@needs_root
@pytest.mark.parametrize("tiny", ["size=4k"], indirect=True)
def test_a_full_disk_still_takes_an_empty_flag(paths: Paths, tiny: Path) -> None:
    (tiny / "ballast").write_bytes(b"x" * 4096)
    receipt = set_latch(paths)
    assert not receipt.places[0].error
    assert latch.probe(paths.run_flag) is State.LATCHED


@needs_root
@pytest.mark.parametrize("tiny", ["nr_inodes=2", "ro"], indirect=True)
def test_a_disk_that_takes_nothing_is_told(paths: Paths, tiny: Path) -> None:
    if os.access(tiny, os.W_OK):
        (tiny / "ballast").touch()
    receipt = set_latch(paths)
    assert receipt.places[0].error
    assert receipt.latched
    assert latch.state(paths) is State.LATCHED
