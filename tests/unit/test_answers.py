"""What bash asks other programs: it gets their answer, or knows in time that there is none."""

from __future__ import annotations

import os
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from tests.checks.tracked import CHECKOUT

if TYPE_CHECKING:
    from pathlib import Path

PARTS = """
parts=(paths names clock answer disk config latch systemd status)
for part in "${parts[@]}"; do . "$1/ops/lib/$part.sh"; done
"""
TELL = 'answer_within "${@:2}"; printf "%d:%s" "$?" "$ANSWERED"'


def bash(
    script: str, *arguments: object, user: int | None = None
) -> subprocess.CompletedProcess[str]:
    argv = ("bash", "-uc", f"shopt -s nullglob; {PARTS}{script}", "bash", CHECKOUT, *arguments)
    return subprocess.run(
        list(map(str, argv)),
        env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
        user=user,
        group=user,
    )


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        (("true",), "0:"),
        (("echo", "two words"), "0:two words\n"),
        (("sh", "-c", "echo said; echo complained >&2; exit 3"), "3:said\n"),
        (("sh", "-c", "kill -TERM $$"), "143:"),
        (("no-such-program",), "127:"),
        (("sh", "-c", "cat; echo $LC_ALL"), "0:C\n"),
        (("printf", "\u00e4\u00f6\n\n"), "0:\u00e4\u00f6\n\n"),
        (("sh", "-c", "exec >&-; sleep 0.2; exit 4"), "4:"),
    ],
)
def test_the_answer_and_the_exit_code(argv: tuple[str, ...], told: str) -> None:
    done = bash(TELL, 5, *argv)
    assert (done.stdout, done.stderr) == (told, "")


SLOW = """
pause 1
before=$(ls "/proc/$$/fd")
answer_within 0.3 sh -c 'trap "" TERM; echo "$$"; exec sleep 15'
code=$?
for ((i = 0; i < 100; i++)); do [[ -e /proc/${ANSWERED%?} ]] || break; pause 20; done
[[ $(ls "/proc/$$/fd") == "$before" ]] && printf '%d gone %d' "$code" "$((i < 100))"
"""


def test_what_takes_longer_is_killed_and_not_waited_for() -> None:
    began = time.monotonic()
    done = bash(SLOW)
    assert (done.stdout, done.stderr) == ("124 gone 1", "")
    assert time.monotonic() - began < 5


def test_complaints_where_they_are_wanted() -> None:
    script = 'ANSWER_ERRORS=/dev/stdout answer_within 5 ls /no/such; printf %s "$ANSWERED"'
    assert bash(script).stdout == "ls: cannot access '/no/such': No such file or directory\n"
    assert bash(f"LC_ALL=de_DE.UTF-8; export LC_ALL; {script}").stdout.startswith("ls: cannot acc")


LATCH = """
RUN_DIR=$2 STATE_DIR=$3 RUN_FLAG=$2/ESS_ON VAR_FLAG=$3/ESS_ON
@BEFORE@
latch_state
printf '%s' "$LATCH_STATE"
"""
FLAGS = {
    "nothing": ("", "", "", "clear"),
    "a file": ("touch", "", "", "latched"),
    "a file on disk": ("", "touch", "", "latched"),
    "a dangling link": ("", "ln -s nowhere", "", "latched"),
    "a directory": ("mkdir", "", "", "latched"),
    "no directory": ("", "rmdir ../var; :", "", "clear"),
    "a directory that is a file": ("", "rmdir ../var; touch ../var; :", "", "clear"),
    "nobody may look": ("", "chmod 0 .; :", "", "unknown"),
    "nobody may look, but one is there": ("touch", "chmod 0 .; :", "", "latched"),
    "no stat": ("", "", "PATH=/nowhere", "unknown"),
    "a disk that hangs": ("", "", "DISK_ASKER=1", "unknown"),
    "a stat that hangs": ("", "", "PATH=$2/hangs:$PATH", "unknown"),
}


@pytest.mark.parametrize(("run", "disk", "before", "state"), FLAGS.values(), ids=FLAGS.keys())
def test_the_latch_is_clear_only_when_that_is_known(
    tmp_path: Path, run: str, disk: str, before: str, state: str
) -> None:
    for place in (tmp_path, *tmp_path.parents):
        if place.stat().st_mode & 0o077 == 0:
            place.chmod(0o755)
    places = {tmp_path / "run": run, tmp_path / "var": disk}
    for directory, make in places.items():
        directory.mkdir()
        if make:
            subprocess.run(("sh", "-c", f"{make} ESS_ON"), cwd=directory, check=True)
    if "hangs" in before:
        # A program that does not end, as one that looks at a disk that is gone.
        program = tmp_path / "run/hangs/stat"
        program.parent.mkdir()
        program.write_text("#!/bin/sh\nexec sleep 15\n")
        program.chmod(0o755)
    script = LATCH.replace("@BEFORE@", before)
    done = bash(script, *places, user=65534)
    assert (done.stdout, done.stderr) == (state, "")


FILES = """
eval "$(declare -f answer_within | sed '1s/.*/patient ()/')"
answer_within() { patient 0.5 "${@:2}"; }
ESS_MANIFEST=$2 ESS_CONF=/nowhere FINDINGS=()
status_check_files
printf '%s\\n' "${FINDINGS[@]}"
"""


def test_an_edited_and_a_missing_file_are_named(tmp_path: Path) -> None:
    for name in ("whole", "edited", "gone"):
        (tmp_path / name).write_text(name)
    names = sorted(map(str, tmp_path.iterdir()))
    manifest = tmp_path / "manifest"
    manifest.write_text(subprocess.check_output(("sha256sum", *names), text=True))
    assert bash(FILES, manifest).stdout == "\n"
    (tmp_path / "edited").write_text("x")
    (tmp_path / "gone").unlink()
    wanted = [f"{tmp_path / name} is missing or was edited" for name in ("edited", "gone")]
    assert [line.split(";")[0] for line in bash(FILES, manifest).stdout.splitlines()] == wanted


def test_files_that_cannot_be_read_in_time_are_a_finding(tmp_path: Path) -> None:
    """It said nothing then, which meant armed."""
    manifest = tmp_path / "manifest"
    os.mkfifo(manifest)
    assert "could not be read in time" in bash(FILES, manifest).stdout
