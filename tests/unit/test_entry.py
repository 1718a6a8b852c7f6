"""The program as it is started: the latch before everything that can fail, and no traceback."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may trip")
# Runs __main__ with another root directory; a name in BROKEN cannot be imported.
HARNESS = """
import sys
root, broken, *sys.argv[1:] = sys.argv[1:]
class Broken:
    def find_spec(self, name, path=None, target=None):
        if name == broken:
            raise ImportError(f"no {name} here")
sys.meta_path.insert(0, Broken())
from ess import __main__ as entry, paths
real = paths.Paths
entry.Paths = lambda: real(root)
entry.sys.argv = ["ess", *sys.argv[1:]]
if broken == "bug":
    import ess.cli, ess.direct
    def bug(*_): raise ValueError("a\\nbug")
    ess.cli.run = ess.direct.run = bug
if broken == "first try":
    whole = entry.latch.note
    def bug(*_):
        entry.latch.note = whole
        raise ValueError("a bug in the latch")
    entry.latch.note = bug
    import ess.direct, ess.trip
    ess.direct.run = lambda paths, _, receipt: ess.trip.set_latch(paths, ess.trip.Request()) and 0
if broken == "not-root":
    entry.os.geteuid = lambda: 65534
code = entry.main()
print(*sys.modules, file=open(root + "/modules", "w"))
sys.exit(code)
"""


def run(
    root: Path, *arguments: str, broken: str = "none", **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: PLW1510 - the code is what is looked at
        [sys.executable, "-c", HARNESS, str(root), broken, *arguments],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY)} | environment,
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )


def is_latched(root: Path) -> bool:
    return (root / "run/quantum/ESS_ON").exists() and (root / "var/lib/quantum-ess/ESS_ON").exists()


def test_no_traceback_and_one_line_for_a_mistake(tmp_path: Path) -> None:
    wrong: tuple[list[str], ...] = (
        ["activat"],
        ["activate", "--foo"],
        ["activate", "x"],
        [],
        ["status", "-x"],
        ["alert"],
    )
    for line in (*wrong, ["audit"], ["watch"], ["history", "--since", "yesterday"]):
        done = run(tmp_path, *line)
        assert done.returncode == 2
        assert done.stdout == ""
        assert done.stderr.startswith("ess: ")
        assert done.stderr.count("\n") == 1
    assert not is_latched(tmp_path)


@pytest.mark.parametrize("flag", ["--help", "-h", "--version"])
@pytest.mark.parametrize(
    "verb",
    [
        *([], ["activate"], ["deactivate"], ["status"], ["doctor"], ["drill"], ["completion"]),
        *(["history"], ["audit", "verify"], ["alert", "test"], ["ack"], ["monitor"]),
        *(["watch", "check"], ["watch", "rebase"]),
    ],
)
def test_help_and_version_everywhere(tmp_path: Path, verb: list[str], flag: str) -> None:
    done = run(tmp_path, *verb, flag)
    assert done.returncode == 0
    assert done.stderr == ""
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert not is_latched(tmp_path)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(tmp_path: Path, shell: str) -> None:
    done = run(tmp_path, "completion", shell)
    assert done.returncode == 0
    assert "_ESS_COMPLETE" in done.stdout


def test_completing_runs_nothing(tmp_path: Path) -> None:
    done = run(tmp_path, _ESS_COMPLETE="bash_complete", COMP_WORDS="ess act", COMP_CWORD="1")
    assert done.stdout.splitlines() == ["plain,activate"]


@needs_root
@pytest.mark.parametrize("broken", ["ess.direct", "ess.trip", "typing", "bug"])
def test_the_latch_is_set_whatever_is_broken(tmp_path: Path, broken: str) -> None:
    done = run(tmp_path, "activate", "--reason", "x", broken=broken)
    assert is_latched(tmp_path)
    assert done.stderr.startswith("ess: ")
    assert done.stderr.count("\n") == 1
    assert "the latch IS SET" in done.stderr
    assert done.returncode == (4 if broken == "bug" else 1)


@needs_root
def test_a_bug_in_the_first_try_leaves_a_second(tmp_path: Path) -> None:
    assert run(tmp_path, "activate", broken="first try").returncode == 0
    assert is_latched(tmp_path)


@needs_root
def test_a_bug_shows_its_details_on_request_only(tmp_path: Path) -> None:
    assert "Traceback" not in run(tmp_path, "activate", broken="bug").stderr
    assert "Traceback" in run(tmp_path, "activate", broken="bug", QT_ESS_DEBUG="1").stderr


def test_a_bug_in_status_is_no_all_clear(tmp_path: Path) -> None:
    done = run(tmp_path, "status", broken="bug")
    assert done.returncode == 4
    assert "run with QT_ESS_DEBUG=1 for details" in done.stderr
    assert "latch" not in done.stderr


@pytest.mark.parametrize(
    ("verb", "name"),
    [
        (["activate", "--reason", "it's bad"], "activate"),
        (["deactivate", "--yes"], "deactivate"),
        (["drill"], "drill"),
        (["alert", "test", "slack"], 'run "ess alert test"'),
        (["watch", "rebase", "drawdown"], 'run "ess watch rebase"'),
    ],
)
def test_without_root_nothing_happens(tmp_path: Path, verb: list[str], name: str) -> None:
    done = run(tmp_path, *verb, broken="not-root")
    assert done.returncode == 3
    command = shlex.join(["sudo", "ess", *verb])
    assert done.stderr == f"ess: only root may {name}; run: {command}\n"
    assert not is_latched(tmp_path)


@pytest.mark.parametrize(
    ("line", "instead"),
    [
        (["activate", "now"], "NOTHING WAS STOPPED; run: sudo ess activate; see: ess activate -"),
        (["activate", "--reason"], "NOTHING WAS STOPPED; run: sudo ess activate; see: ess activ"),
        (["activate", "--yes"], "NOTHING WAS STOPPED; run: sudo ess activate; see: ess activate -"),
        (["stop"], "to stop trading: sudo ess activate; see: ess --help"),
        ([], "to stop trading: sudo ess activate; see: ess --help"),
        (["status", "now"], "(now); see: ess status --help"),
        (["watch", "now"], "'now'; see: ess watch --help"),
    ],
)
def test_who_mistypes_is_told_what_to_type(tmp_path: Path, line: list[str], instead: str) -> None:
    done = run(tmp_path, *line)
    assert (done.returncode, done.stdout) == (2, "")
    assert instead in done.stderr
    assert not is_latched(tmp_path)


def modules(root: Path) -> set[str]:
    return set((root / "modules").read_text().split())


@needs_root
def test_nothing_heavy_comes_before_the_latch(tmp_path: Path) -> None:
    run(tmp_path, "activate", broken="ess.direct")
    heavy = {"click", "dataclasses", "inspect", "logging", "subprocess", "importlib.metadata"}
    assert heavy & modules(tmp_path) == set()


@needs_root
@pytest.mark.parametrize("line", ["activate --reason x", "deactivate --yes", "status"])
def test_no_command_of_an_emergency_needs_what_is_heavy(tmp_path: Path, line: str) -> None:
    done = run(tmp_path, *line.split(), broken="click", QT_ESS_MANAGER="systemctl")
    assert "broken" not in done.stderr
    assert done.returncode in (0, 4, 5, 6)
    heavy = {"click", "dataclasses", "inspect", "logging", "importlib.metadata", "pystemd"}
    assert heavy & modules(tmp_path) == set()


def test_a_watcher_is_not_kept_from_its_host_by_the_command_line(tmp_path: Path) -> None:
    done = run(tmp_path, "watch", "run", broken="click")
    assert (done.returncode, done.stderr) == (0, ""), "it is switched off"
    assert {"click", "ess.cli"} & modules(tmp_path) == set()
    config = tmp_path / "etc/quantum-ess/watch.env"
    config.parent.mkdir(parents=True)
    config.mkdir()
    done = run(tmp_path, "watch", "run", broken="click")
    assert done.returncode == 2
    assert done.stderr.startswith("ess: ")
    assert done.stderr.count("\n") == 1


def test_status_loads_what_it_says_and_no_more(tmp_path: Path) -> None:
    """Each costs some milliseconds, and scripts ask again and again."""
    run(tmp_path, "status", QT_ESS_MANAGER="systemctl")
    assert {"json", "ast", "ess.cli", "ess.dbus"} & modules(tmp_path) == set()


def test_nothing_of_the_other_channels_is_loaded_by_status(tmp_path: Path) -> None:
    run(tmp_path, "status")
    assert {"redis", "apprise", "rich", "ccxt", "requests"} & modules(tmp_path) == set()


@pytest.mark.parametrize("manager", ["dbus", "SYSTEMCTL"])
def test_an_unknown_manager_is_refused(tmp_path: Path, manager: str) -> None:
    done = run(tmp_path, "status", QT_ESS_MANAGER=manager)
    assert done.returncode == 2
    assert f"QT_ESS_MANAGER={manager}: no such manager" in done.stderr


def test_a_reader_that_goes_away_changes_no_exit_code(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(  # noqa: PLW1510 - the code is what is looked at
        [sys.executable, "-c", HARNESS, str(tmp_path), "none", "doctor"],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY)},
        stdout=write,
        stderr=subprocess.PIPE,
        timeout=60,
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (5, b"")


def test_the_drill_that_is_not_installed(tmp_path: Path) -> None:
    done = run(tmp_path, "drill")
    assert done.returncode in (3, 5)
    assert done.stderr.count("\n") == 1
