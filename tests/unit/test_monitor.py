"""The monitor as it is run: on a host of its own, without rich, without root, until Ctrl-C."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ess.monitor import gather, limits
from ess.spool import boot
from ess.watch import look, places, standing
from ess.watch.look import NOT_YOURS
from ess.watch.standing import Standing
from ess.watch.verdict import Mood, Verdict
from ess.watch.watcher import moment
from tests.unit import watch_host

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ess.paths import Paths

REPOSITORY = Path(__file__).parents[2]
HARNESS = """
import sys
root, broken, *arguments = sys.argv[1:]
class Broken:
    def find_spec(self, name, path=None, target=None):
        if name == broken:
            raise ImportError(f"no {name} here")
sys.meta_path.insert(0, Broken())
from ess import __main__ as entry, paths
real = paths.Paths
entry.Paths = lambda: real(root)
entry.sys.argv = ["ess", *arguments]
sys.exit(entry.main())
"""
NOTHING_DONE = 2
NOT_ARMED = 5
CLEAR_SCREEN, OTHER_SCREEN, OWN_SCREEN = b"\x1b[2J", b"\x1b[?1049h", b"\x1b[?1049l"
SHOW_CURSOR = b"\x1b[?25h"
QUIET = Verdict("daily-loss", Mood.QUIET, "1.3 %, limit 5 %", 1.3, 5.0, 0.26)


@pytest.fixture
def host(tmp_path: Path) -> Paths:
    """A root directory whose watcher is switched on, and has just judged."""
    return made(str(tmp_path))


def made(root: str) -> Paths:
    paths = watch_host.made(root)
    judge(paths)
    return paths


def judge(paths: Paths, ago: float = 0.0) -> None:
    now = moment(boot())
    then = type(now)(now.wall - ago, now.boottime - ago, now.boot)
    told = Standing(10.0, 900.0, False, (QUIET,), {"BTC": 1.0})  # noqa: FBT003
    standing.write(places.state(paths), told, then)


def command(paths: Paths, *arguments: str, broken: str = "none") -> list[str]:
    return [sys.executable, "-c", HARNESS, paths.root, broken, "monitor", *arguments]


def environment(**more: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY), "TERM": "xterm"} | more


def run(paths: Paths, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: PLW1510 - the code is what is looked at
        command(paths, *arguments),
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )


def seen(paths: Paths) -> tuple[str, str]:
    found = look.look(paths, {})
    return found.trouble, "judges" if found.judges else "off" if found.is_off else "unknown"


def test_once_as_text(host: Paths) -> None:
    done = run(host)
    lines = done.stdout.split("\n")
    assert (done.returncode, done.stderr) == (NOT_ARMED, "")
    assert lines[0] == "ESS STATUS: INACTIVE"
    assert "\x1b" not in done.stdout
    assert max(map(len, lines)) <= 80
    assert "  ok       [##--------]  26 %  daily-loss: 1.3 %, limit 5 %" in lines


def test_once_as_json(host: Paths) -> None:
    done = run(host, "--json", "--history", "0")
    found = json.loads(done.stdout)
    assert done.returncode == found["exit_code"] == NOT_ARMED
    assert [one["mood"] for one in found["evaluators"]] == ["quiet"]
    assert found["activations"] is None


@pytest.mark.parametrize(
    "arguments",
    [
        ("--interval", "0"),
        ("--interval", "61", "--watch"),
        ("--interval", "nan"),
        ("--history", "-1"),
        ("--watch", "--json"),
        ("extra",),
    ],
)
def test_a_mistake_is_one_line(host: Paths, arguments: tuple[str, ...]) -> None:
    done = run(host, *arguments)
    assert (done.returncode, done.stdout) == (NOTHING_DONE, "")
    assert done.stderr.startswith("ess: ")
    assert done.stderr.count("\n") == 1


class Screen:
    """A terminal of 80 columns with the monitor on it."""

    def __init__(self, child: subprocess.Popen[bytes], terminal: int) -> None:
        self.child = child
        self._terminal = terminal
        self.text = b""

    def read_until(self, word: bytes, times: int = 1) -> None:
        deadline = time.monotonic() + 40
        while self.text.count(word) < times and time.monotonic() < deadline:
            self._read(1.0)
        assert self.text.count(word) >= times, self.text

    def end(self, number: int) -> int:
        self.child.send_signal(number)
        code = self.child.wait(20)
        while self._read(0.2):
            pass
        return code

    def _read(self, seconds: float) -> bool:
        if not select.select([self._terminal], [], [], seconds)[0]:
            return False
        data = b""
        # EIO: nobody has the other side open any more.
        with contextlib.suppress(OSError):
            data = os.read(self._terminal, 65536)
        self.text += data
        return bool(data)


@contextlib.contextmanager
def on_terminal(paths: Paths, broken: str = "none", **more: str) -> Iterator[Screen]:
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 60, 80, 0, 0))
    argv = command(paths, "--watch", "--interval", "1", broken=broken)
    child = subprocess.Popen(argv, env=environment(**more), stdin=its, stdout=its, stderr=its)
    os.close(its)
    try:
        yield Screen(child, ours)
    finally:
        child.kill()
        child.wait()
        os.close(ours)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_watches_until_it_is_ended(host: Paths, number: int) -> None:
    with on_terminal(host) as screen:
        screen.read_until(b"As of ", 2)
        assert screen.end(number) == 0
        assert screen.text.count(OTHER_SCREEN) == screen.text.count(OWN_SCREEN) == 1
        assert SHOW_CURSOR in screen.text
        assert b"Traceback" not in screen.text
        assert b"\x1b[1;33m" in screen.text or b"\x1b[1;31m" in screen.text


def test_it_watches_without_rich(host: Paths) -> None:
    with on_terminal(host, broken="rich.live") as screen:
        screen.read_until(b"As of ", 2)
        assert screen.end(signal.SIGINT) == 0
        assert screen.text.count(CLEAR_SCREEN) >= 2
        assert OTHER_SCREEN not in screen.text
        assert b"Traceback" not in screen.text


@pytest.mark.parametrize("broken", ["none", "rich.live"])
def test_no_colour_where_none_is_wanted(host: Paths, broken: str) -> None:
    with on_terminal(host, broken, NO_COLOR="1") as screen:
        screen.read_until(b"As of ")
        assert screen.end(signal.SIGINT) == 0
        assert b"\x1b[1" not in screen.text.replace(OTHER_SCREEN, b"")
        assert b"\x1b[3" not in screen.text


def test_it_ends_when_nobody_reads(host: Paths) -> None:
    argv = command(host, "--watch", "--interval", "60")
    with subprocess.Popen(argv, env=environment(), stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"ESS STATUS: INACTIVE\n"
        child.stdout.close()
        try:
            assert child.wait(20) == 0
        finally:
            child.kill()


def test_what_the_watcher_says(host: Paths) -> None:
    assert seen(host) == ("", "judges")
    judge(host, ago=29.0)
    assert seen(host) == ("", "judges")
    judge(host, ago=31.0)
    assert seen(host) == ("", "unknown")
    assert look.look(host, {}).written == pytest.approx(time.time() - 31.0, abs=1.0)


def test_a_service_that_is_down_does_not_judge(host: Paths) -> None:
    found = look.look(host, {"ActiveState": "failed", "SubState": "failed"})
    assert (found.judges, found.state) == (False, "failed (failed)")


@pytest.mark.parametrize(
    "garbage", ["", "[]", "[" * 90_000, "\x00\x1b[2J", '{"boot": 5}', '{"verdicts": [{}]}']
)
def test_garbage_is_unknown(host: Paths, garbage: str) -> None:
    path = Path(places.state(host), standing.NAME)
    path.write_text(garbage)
    trouble = "what it wrote is of another boot, or cannot be understood"
    assert seen(host) == (trouble, "unknown")
    told = limits.lines(look.look(host, {}), time.time(), 80)
    assert told[0].text.startswith("WATCHER: SILENT, what it wrote is of another boot")


def test_a_watcher_that_never_spoke_is_unknown(host: Paths) -> None:
    Path(places.state(host), standing.NAME).unlink()
    assert seen(host) == ("", "unknown")
    Path(host.watch_config).unlink()
    assert seen(host) == ("", "off")


@pytest.fixture
def not_root() -> Iterator[Paths]:
    """Such a host, with an audit log, for somebody who may read none of it."""
    # Nobody else gets through the directories of pytest.
    with tempfile.TemporaryDirectory() as root:
        Path(root).chmod(0o755)
        paths = made(root)
        audit = Path(paths.audit)
        audit.parent.mkdir(parents=True)
        audit.write_text("")
        for path in (audit, Path(paths.watch_config), Path(places.state(paths), standing.NAME)):
            path.chmod(0o600)
        os.seteuid(65534)
        yield paths
        os.seteuid(0)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become nobody")
def test_without_root_it_says_what_is_missing(not_root: Paths) -> None:
    assert gather.past(not_root, 3).trouble == (
        "only root may read the audit log; run: sudo ess monitor"
    )
    found = look.look(not_root, {})
    assert (found.wanted, found.judges, found.is_off) == (None, False, False)
    assert found.trouble == NOT_YOURS


def live(paths: Paths, unit: str, populated: int) -> None:
    group = Path(paths.cgroup_mount, "system.slice", unit)
    group.mkdir(parents=True)
    Path(paths.cgroup_mount, "cgroup.controllers").write_text("cpu\n")
    (group / "cgroup.events").write_text(f"populated {populated}\nfrozen 0\n")


def test_the_kernel_tells_which_units_live_when_systemd_does_not(host: Paths) -> None:
    unknown = {unit.alive for unit in gather.units(host, None)}
    assert unknown == {None}
    Path(host.config).write_text(
        "QT_ESS_TRADING_UNITS=bot@*.service quantum-a.service quantum-b.service\n"
        "QT_ESS_START_ORDER=\nQT_ESS_MONITOR_UNITS=redis.service\n"
    )
    live(host, "quantum-a.service", 1)
    live(host, "quantum-b.service", 0)
    live(host, "bot@7.service", 1)
    live(host, "redis-server.service", 1)
    own = Path(host.unit_dir)
    own.mkdir(parents=True)
    (own / "redis.service").symlink_to("/usr/lib/systemd/system/redis-server.service")
    found = {(unit.name, unit.role.value, unit.alive) for unit in gather.units(host, None)}
    assert found == {
        ("quantum-a.service", "trading", True),
        ("quantum-b.service", "trading", False),
        ("bot@7.service", "trading", True),
        ("redis-server.service", "monitor", True),
    }
