"""A second run of install.sh leaves alone what is as it should be, and puts right what is not."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.checks.installed import Root
from tests.checks.tracked import CHECKOUT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LIB = "usr/local/lib/quantum-ess"
MANIFEST = f"{LIB}/manifest.sha256"
UNITS = "etc/systemd/system"
TRIGGER = f"{UNITS}/quantum-ess-trigger.service"
# One of each kind: copied, made for the canary, made from the configuration, copied beside it.
WRITTEN_BY_ALL = (
    TRIGGER,
    f"{UNITS}/quantum-ess-canary-trigger.service",
    f"{UNITS}/quantum-execution.service.d/zz-quantum-ess.conf",
    f"{UNITS}/quantum-ess-halt.target.d/units.conf",
    f"{LIB}/installed.env",
    MANIFEST,
    "etc/tmpfiles.d/quantum-ess.conf",
)
WRITTEN_BY_INSTALL = (
    f"{LIB}/ops/ess_controller.sh",
    f"{LIB}/ops/lib/enforce.sh",
    f"{LIB}/version",
    "usr/local/bin/ess",
)
ACTIONS = ("--configure", "--no-python")


def identities(root: Root) -> dict[str, tuple[int, ...]]:
    """Return by name what changes when a file is written, or replaced by one that is the same."""
    found = {str(path): path.lstat() for path in root.path.rglob("*") if path.is_file()}
    return {name: (seen.st_ino, seen.st_mtime_ns, seen.st_ctime_ns) for name, seen in found.items()}


@pytest.mark.parametrize("action", ACTIONS)
def test_what_is_as_it_should_be_is_not_written_again(installed: Root, action: str) -> None:
    before = identities(installed)
    assert installed.install(action).returncode == 0
    assert identities(installed) == before


def edited(file: Path) -> None:
    file.write_bytes(file.read_bytes().replace(b"e", b"E", 1))


def cut(file: Path) -> None:
    """Take the end of the last line away, which a comparison in a shell loses easily."""
    file.write_bytes(file.read_bytes().removesuffix(b"\n"))


def lengthened(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b"\n")


def with_nul(file: Path) -> None:
    file.write_bytes(file.read_bytes() + b"\0")


def emptied(file: Path) -> None:
    file.write_bytes(b"")


def writable(file: Path) -> None:
    file.chmod(file.stat().st_mode | 0o022)


def not_executable(file: Path) -> None:
    file.chmod(0o600)


def setuid(file: Path) -> None:
    file.chmod(file.stat().st_mode | 0o4000)


def given_away(file: Path) -> None:
    os.chown(file, 65534, -1)


def of_another_group(file: Path) -> None:
    os.chown(file, -1, 65534)


def theirs(file: Path) -> Path:
    return file.with_name(f"{file.name}.theirs")


def symlink(file: Path) -> None:
    """Lead to a file with the right words and the right mode, which is somebody else's."""
    file.rename(theirs(file))
    file.symlink_to(theirs(file).name)


def second_name(file: Path) -> None:
    """Give it a name that whoever has it can use to write to it."""
    theirs(file).hardlink_to(file)


def fifo(file: Path) -> None:
    file.unlink()
    os.mkfifo(file, 0o644)


def removed(file: Path) -> None:
    file.unlink()


OF_THE_TEXT = (edited, cut, lengthened, with_nul, emptied, fifo, removed)
OF_THE_FILE = (writable, not_executable, setuid, given_away, of_another_group, symlink, second_name)


def look(root: Root) -> dict[str, tuple[int, ...]]:
    """Return by name what matters of a file but its content."""
    found = {str(path): path.lstat() for path in root.path.rglob("*") if path.suffix != ".theirs"}
    return {
        name: (seen.st_mode, seen.st_uid, seen.st_gid)
        + (() if path_is_directory(seen.st_mode) else (seen.st_nlink,))
        for name, seen in found.items()
    }


def path_is_directory(mode: int) -> bool:
    return mode & 0o170000 == 0o040000


@pytest.mark.parametrize("fault", OF_THE_TEXT + OF_THE_FILE)
@pytest.mark.parametrize("action", ACTIONS)
def test_what_is_not_is_put_right(
    installed: Root, action: str, fault: Callable[[Path], None]
) -> None:
    text, state = installed.files(), look(installed)
    names = WRITTEN_BY_ALL + (WRITTEN_BY_INSTALL if action != "--configure" else ())
    for name in names:
        # What it says of the other files nobody else knows.
        if not (name == MANIFEST and action == "--configure" and fault in OF_THE_TEXT):
            fault(installed.path / name)
    done = installed.install(action)
    assert (done.returncode, done.stderr) == (0, "")
    for left in installed.path.rglob("*.theirs"):
        left.unlink()
    assert installed.files() == text
    assert look(installed) == state


@pytest.mark.parametrize("action", ACTIONS)
def test_a_directory_in_the_place_of_a_file_is_told_of(installed: Root, action: str) -> None:
    place = installed.path / TRIGGER
    place.unlink()
    place.mkdir()
    done = installed.install(action)
    assert done.returncode == 5
    assert "quantum-ess-trigger.service" in done.stderr
    assert "ess: could not write the files" in done.stderr


def test_nothing_is_written_through_what_lies_in_the_place_of_the_draft(installed: Root) -> None:
    place = installed.path / TRIGGER
    other = installed.path / "other"
    other.write_text("mine\n")
    place.with_name(f"{place.name}.new").symlink_to(other)
    edited(place)
    assert installed.install("--configure").returncode == 0
    assert other.read_text() == "mine\n"
    assert place.is_file()
    assert not place.is_symlink()


def test_the_gate_that_is_copied_stays_in_the_manifest(installed: Root) -> None:
    """It has the name of the gates of the units, which are all written anew."""
    before = installed.read(MANIFEST)
    assert f"/{LIB}/deploy/systemd/zz-quantum-ess.conf\n" in before
    assert installed.install("--configure").returncode == 0
    assert installed.read(MANIFEST) == before


def test_a_file_that_is_no_text_is_copied_byte_for_byte(tmp_path: Path) -> None:
    source, root = tmp_path / "source", Root(tmp_path / "root")
    for part in ("ops", "deploy"):
        shutil.copytree(CHECKOUT / part, source / part)
    everything = bytes(range(256)) * 40
    no_nul = bytes(range(1, 256)) * 40
    for name, content in {"everything": everything, "no-nul": no_nul, "empty": b""}.items():
        (source / "ops" / name).write_bytes(content)
    for _ in range(2):
        done = subprocess.run(
            ("bash", source / "ops/install.sh", "--no-python"),
            env={"PATH": os.environ["PATH"], "DESTDIR": str(root.path)},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
        kept = {name: root.path / LIB / "ops" / name for name in ("everything", "no-nul", "empty")}
        assert [file.read_bytes() for file in kept.values()] == [everything, no_nul, b""]
