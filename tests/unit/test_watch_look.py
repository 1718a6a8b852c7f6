"""Looking at the watcher: what of it can be known, by whom, and what that costs."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from ess import regular
from ess.measure import measure
from ess.paths import Paths
from ess.spool import boot
from ess.watch import look, places, standing, switch
from ess.watch.look import NOT_YOURS, Watch
from ess.watch.settings import load
from ess.watch.standing import Standing, Trouble
from ess.watch.watcher import moment
from tests.checks.test_watch_switch import TEXTS
from tests.checks.tracked import CHECKOUT
from tests.unit import watch_host

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ess.manager import Assertion, Manager

RUNS = {
    "LoadState": "loaded",
    "ActiveState": "active",
    "SubState": "running",
    "UnitFileState": "enabled",
}
STOPPED = RUNS | {"ActiveState": "inactive", "SubState": "dead"}
OFF = STOPPED | {"UnitFileState": "disabled"}
MASKED = OFF | {"LoadState": "masked", "UnitFileState": "masked"}


@pytest.fixture
def host(tmp_path: Path) -> Paths:
    return watch_host.made(str(tmp_path))


@pytest.fixture
def kept() -> Iterator[Paths]:
    """A host that has judged, for somebody who may read none of it."""
    # Nobody else gets through the directories of pytest.
    with tempfile.TemporaryDirectory() as root:
        Path(root).chmod(0o755)
        paths = watch_host.made(root)
        judge(paths)
        for path in (Path(paths.watch_config), Path(places.state(paths), standing.NAME)):
            path.chmod(0o600)
        os.seteuid(65534)
        yield paths
        os.seteuid(0)


def judge(paths: Paths) -> None:
    told = Standing(5.0, 900.0, False, (), {}, sources={"redis": Trouble("no", 2.5)})  # noqa: FBT003
    standing.write(places.state(paths), told, moment(boot()))


def settings(paths: Paths, text: str) -> None:
    Path(paths.watch_config).write_text(text)


def test_one_that_runs(host: Paths) -> None:
    judge(host)
    stamp = str(int((time.monotonic() - 60) * 1e6))
    found = look.look(host, RUNS | {"ActiveEnterTimestampMonotonic": stamp})
    assert (found.wanted, found.state, found.judges) == (True, "active (running)", True)
    assert found.since == pytest.approx(60, abs=2)
    assert found.standing is not None
    assert found.standing.sources == {"redis": Trouble("no", 2.5)}


@pytest.mark.parametrize(("text", "said"), TEXTS.values(), ids=TEXTS.keys())
def test_the_switch_is_read_as_the_watcher_reads_it(text: str, said: str) -> None:
    assert switch.is_on(text.encode()) is said.startswith("on")


@pytest.mark.parametrize(
    ("text", "unit", "wanted"),
    [
        ("QT_ESS_ENABLED=true\n", RUNS, True),
        ("QT_ESS_ENABLED=true\n", OFF, True),
        ("QT_ESS_ENABLED=true\n", {}, True),
        ("QT_ESS_ENABLED=false\n", STOPPED, True),
        ("QT_ESS_ENABLED=false\n", OFF, False),
        ("", OFF, False),
        ("QT_ESS_ENABLED=false\n", {}, False),
        ("x" * 70_000, OFF, None),
    ],
)
def test_it_is_wanted_when_either_says_so(
    host: Paths,
    text: str,
    unit: dict[str, str],
    wanted: bool | None,  # noqa: FBT001 - of the table
) -> None:
    settings(host, text)
    assert look.look(host, unit).wanted is wanted


def test_settings_that_are_gone_do_not_make_it_unwanted(host: Paths) -> None:
    Path(host.watch_config).unlink()
    assert look.look(host, STOPPED).wanted is True
    assert look.look(host, OFF) == Watch(wanted=False, state="inactive (dead)")


def test_settings_that_are_no_file_are_a_problem(host: Paths) -> None:
    Path(host.watch_config).unlink()
    Path(host.watch_config).mkdir()
    found = look.look(host, OFF)
    assert found.wanted is None
    assert found.problems == (f"{host.watch_config}: is not a regular file",)


def test_mistakes_are_told_with_their_line(host: Paths) -> None:
    settings(host, "QT_ESS_ENABLED=true\nQT_ESS_MAX_EQUITY_DD=fifteen\n")
    (problem,) = look.look(host, RUNS).problems
    assert problem.startswith(f"{host.watch_config}:2: QT_ESS_MAX_EQUITY_DD must be")


def test_of_one_that_is_off_mistakes_are_of_no_consequence(host: Paths) -> None:
    settings(host, "QT_ESS_ENABLED=false\nQT_ESS_MAX_EQUITY_DD=fifteen\n")
    assert look.look(host, OFF).problems == ()


def loaded(host: Paths) -> None:
    """A watcher has started with the settings that are there now."""
    now = Standing(5.0, 900.0, False, (), {}, edition=load(host).edition)  # noqa: FBT003
    standing.write(places.state(host), now, moment(boot()))


CHANGES: dict[str, Callable[[Path], object]] = {
    "more lines": lambda file: file.write_text(file.read_text() + "QT_ESS_DRY_RUN=true\n"),
    "another text of its length": lambda file: file.write_text("QT_ESS_ENABLED=yes!\n"),
    "an older one put back": lambda file: os.utime(file, (1, 1)),
    "removed": lambda file: file.unlink(),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_settings_that_were_changed_since_they_were_loaded(
    host: Paths, change: Callable[[Path], object]
) -> None:
    file = Path(host.watch_config)
    os.utime(file, (2, 2))
    loaded(host)
    assert not look.look(host, RUNS).outdated
    change(file)
    assert look.look(host, RUNS).outdated
    # It is not said of one that does not run.
    assert not look.look(host, STOPPED).outdated
    loaded(host)
    assert not look.look(host, RUNS).outdated


def test_settings_that_are_changed_while_they_are_read_were_changed_since(
    host: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = regular.read

    def slowly(*arguments: Any, **more: Any) -> bytes:
        data = read(*arguments, **more)
        settings(host, "QT_ESS_ENABLED=true\nQT_ESS_DRY_RUN=true\n")
        return data

    with monkeypatch.context() as patched:
        patched.setattr(regular, "read", slowly)
        loaded(host)
    assert look.look(host, RUNS).outdated


def test_an_older_watcher_that_does_not_tell_its_settings_is_not_called_outdated(
    host: Paths,
) -> None:
    judge(host)
    assert not look.look(host, RUNS).outdated


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become nobody")
@pytest.mark.parametrize(
    ("unit", "wanted"), [(RUNS, True), (STOPPED, True), (OFF, False), (MASKED, None), ({}, None)]
)
def test_for_others_it_is_what_systemd_says(
    kept: Paths,
    unit: dict[str, str],
    wanted: bool | None,  # noqa: FBT001 - of the table
) -> None:
    found = look.look(kept, unit)
    assert found.wanted is wanted
    assert found.problems == ()
    assert found.hidden is (wanted is not False)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become nobody")
def test_for_others_how_it_stands_is_unknown(kept: Paths) -> None:
    found = look.look(kept, RUNS)
    assert (found.standing, found.trouble, found.judges) == (None, NOT_YOURS, False)
    assert found.written == pytest.approx(time.time(), abs=60)


@pytest.mark.parametrize("end", ["/dev/watchdog", "/dev/zero", "/etc/hostname", "gone"])
def test_no_link_is_followed_and_no_device_opened(host: Paths, end: str) -> None:
    """Whoever has the watcher has its directory: root would open for him what he links to."""
    os.symlink(end, f"{places.state(host)}/{standing.NAME}")
    found = look.look(host, RUNS)
    assert (found.standing, found.judges) == (None, False)
    assert found.trouble
    assert standing.read(places.state(host), moment(boot())) is None


def test_a_fifo_holds_up_nobody(host: Paths) -> None:
    os.mkfifo(f"{places.state(host)}/{standing.NAME}")
    begun = time.monotonic()
    assert look.look(host, RUNS).trouble
    assert time.monotonic() - begun < 5


def test_what_systemd_says_moves_no_cursor(host: Paths) -> None:
    found = look.look(host, RUNS | {"SubState": "\x1b[2J" * 50})
    assert found.state.isprintable()
    assert len(found.state) <= 60


class Counting:
    """A systemd that knows every unit and counts what it is asked."""

    name = "counting"

    def __init__(self) -> None:
        self.asked: list[str] = []

    def show(self, units: Sequence[str], properties: Sequence[str]) -> dict[str, dict[str, str]]:
        self.asked.append("show")
        known = {"OnFailure": "x"} if "OnFailure" in properties else {}
        return dict.fromkeys(units, RUNS | known)

    def assertions(self, units: Sequence[str]) -> dict[str, tuple[Assertion, ...]]:
        self.asked.append("assertions")
        return dict.fromkeys(units, ())

    def runtime_directories(self, units: Sequence[str]) -> dict[str, list[str]]:
        return {unit: [] for unit in units}

    def matching(self, patterns: Sequence[str]) -> list[str]:
        self.asked.append(f"matching {patterns[0]}")
        return []


def test_status_asks_systemd_once_about_all_units(host: Paths) -> None:
    judge(host)
    manager = Counting()
    facts = measure(host, cast("Manager", manager))
    assert manager.asked.count("show") == 1
    assert facts.watch is not None
    assert facts.watch.judges
    assert facts.systemd.units[host.watch_unit]["OnFailure"] == "x"
    assert measure(Paths(host.root, "canary"), cast("Manager", manager)).watch is None


SCRIPT = """
import sys
from ess.paths import Paths
from ess.watch import look
look.look(Paths(sys.argv[1]), {})
print(*sys.modules)
"""


def test_where_it_is_off_nothing_of_it_is_loaded(host: Paths) -> None:
    def loaded() -> set[str]:
        argv = [sys.executable, "-c", SCRIPT, host.root]
        done = subprocess.run(
            argv, cwd=CHECKOUT, capture_output=True, text=True, timeout=60, check=True
        )
        return set(done.stdout.split())

    heavy = {"asyncio", "redis", "rich", "importlib.metadata", "subprocess"}
    assert not heavy & loaded()
    settings(host, "QT_ESS_ENABLED=false\n")
    assert not (heavy | {"zoneinfo", "ess.watch.settings", "ess.watch.standing"}) & loaded()
