"""Trading programs outside their units."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from ess import strays
from ess.manager import Command, commands
from ess.strays import Process

CHECKOUT = Path(__file__).parents[2]
BINARY = Command("/opt/bot/bin/bot", "/opt/bot/bin/bot --live")
SCRIPT = Command("/usr/bin/python3", "/usr/bin/python3 -u /opt/bot/main.py --live")
MODULE = Command("/opt/venv/bin/python", "/opt/venv/bin/python -m bot.live x")
TOOL = Command("/usr/bin/sleep", "/usr/bin/sleep 1234")
ENTRY = Command("/usr/local/bin/bot", "/usr/local/bin/bot")
INLINE = Command("/bin/sh", "/bin/sh -c exec feed --fast")
VARIABLE = Command("/usr/bin/socat", "/usr/bin/socat $FROM $TO")


LINES = [
    (BINARY, ["/opt/bot/bin/bot", "--test"], True),
    (BINARY, ["/usr/bin/python3", "/opt/bot/bin/bot"], True),
    (BINARY, ["/usr/bin/python3", "-I", "/opt/bot/bin/bot"], True),
    (BINARY, ["vim", "x", "y", "/opt/bot/bin/bot"], False),
    (BINARY, ["bot"], False),
    (SCRIPT, ["python3", "/opt/bot/main.py"], True),
    (SCRIPT, ["/usr/bin/python3.11", "-u", "/opt/bot/main.py", "--paper"], True),
    (SCRIPT, ["/usr/bin/python3", "/opt/other.py"], False),
    (SCRIPT, ["/usr/bin/python3"], False),
    (SCRIPT, ["less", "/opt/bot/main.py"], False),
    (MODULE, ["python3", "-m", "bot.live"], True),
    (MODULE, ["python3", "-m", "http.server"], False),
    (TOOL, ["/usr/bin/sleep", "1234"], True),
    (TOOL, ["sleep", "1234"], False),
    (TOOL, ["/usr/bin/sleep", "99"], False),
    (ENTRY, ["/opt/venv/bin/python3", "/usr/local/bin/bot"], True),
    (INLINE, ["/bin/sh", "-c", "exec feed --fast"], True),
    (INLINE, ["/bin/sh", "-c", "exec feed"], False),
    (VARIABLE, ["/usr/bin/socat", "a", "b"], False),
    (BINARY, ["", "/opt/bot/bin/bot", "", ""], True),
    (TOOL, ["/usr/bin/sleep", "", "1234"], True),
    (TOOL, ["@", "*"], False),
    (INLINE, ["$(touch /tmp/x)", "]", "a[$(touch /tmp/x)]"], False),
]
# The same for bash: of the words on its standard input, each ended by a NUL.
BASH = """
for part in names strays; do . "$1/ops/lib/$part.sh"; done
declare -A UNIT_PROP=([bot.service.ExecStart]="{ path=$2 ; argv[]=$3 ; ignore_errors=no ; pid=0 }")
UNITS_SEEN=(bot.service)
strays_programs
mapfile -t -d '' words
strays_runs
"""


@pytest.mark.parametrize(("command", "line", "runs"), LINES)
def test_what_counts_as_the_same_program(command: Command, line: list[str], runs: bool) -> None:  # noqa: FBT001
    words = tuple(word for word in line if word)
    assert strays.runs(command, Process(7, words, "/")) is runs


RELATIVE = Command("/usr/bin/python3", "/usr/bin/python3 main.py", "/opt/bot")


@pytest.mark.parametrize(
    ("command", "process", "runs"),
    [
        # By hand, in its directory.
        (SCRIPT, Process(7, ("python3", "main.py"), "/", 1, "/usr/bin/python3", "/opt/bot"), True),
        (SCRIPT, Process(7, ("python3", "../bot/main.py"), "/", 1, "", "/opt/other"), True),
        (SCRIPT, Process(7, ("python3", "main.py"), "/", 1, "/usr/bin/python3", "/opt/x"), False),
        (SCRIPT, Process(7, ("python3", "main.py"), "/"), False),
        (SCRIPT, Process(7, ("bot", "/opt/bot/main.py"), "/", 1, "/usr/bin/python3.11"), True),
        (RELATIVE, Process(7, ("python3", "/opt/bot/main.py"), "/"), True),
        (RELATIVE, Process(7, ("python3", "main.py"), "/", 1, "", "/opt/bot"), True),
        (RELATIVE, Process(7, ("python3", "main.py"), "/", 1, "", "/root"), False),
        # Under another name, or renamed while it ran.
        (BINARY, Process(7, ("./bot",), "/", 1, "/opt/bot/bin/bot"), True),
        (BINARY, Process(7, ("nothing to see",), "/", 1, "/opt/bot/bin/bot"), True),
        (
            BINARY,
            Process(7, ("python3", "./bot"), "/", 1, "/usr/bin/python3", "/opt/bot/bin"),
            True,
        ),
        (BINARY, Process(7, ("vim", "bot"), "/", 1, "/usr/bin/vim", "/opt/bot/bin"), False),
        (TOOL, Process(7, ("sleep", "99"), "/", 1, "/usr/bin/sleep"), False),
    ],
)
def test_who_runs_it_under_another_name(command: Command, process: Process, runs: bool) -> None:  # noqa: FBT001
    assert strays.runs(command, process) is runs


def test_a_unit_of_that_name_that_is_another_managers_is_none_of_ours() -> None:
    """A user's manager ran it; the stop does not look there, and said CONTAINED."""
    groups = [
        "/user.slice/user-7.slice/user@7.service/app.slice/bot.service",
        "/elsewhere/bot.service",
        "/system.slice/pod.service/bot.service",
    ]
    processes = [Process(9, ("/opt/bot/bin/bot",), group) for group in groups]
    found = strays.outside({"bot.service": [BINARY]}, {}, ["bot.service"], [], processes)
    assert [stray.cgroup for stray in found] == groups


GROUPS = {
    "/system.slice/bot.service": True,
    "/bot.service": True,
    "/a.slice/a-b.slice/bot.service/inner": True,
    "/a.slice/_bot.service": True,
    "/a.slice": False,
    "/": False,
    "": False,
    "/system.slice/other.service": False,
    "/user.slice/user-7.slice/user@7.service/app.slice/bot.service": False,
    "/elsewhere/bot.service": False,
    "/system.slice/pod.service/bot.service": False,
}


@pytest.mark.parametrize(("group", "inside"), GROUPS.items())
def test_bash_and_python_know_the_groups_of_a_unit_alike(group: str, inside: bool) -> None:  # noqa: FBT001
    assert bool(strays.unit_of(group, ["bot.service"])) is inside
    script = (
        '. "$1/ops/lib/names.sh"; . "$1/ops/lib/strays.sh"; STRAYS_GROUP=$2; strays_in bot.service'
    )
    done = subprocess.run(["bash", "-c", script, "bash", CHECKOUT, group], timeout=10, check=False)
    assert (done.returncode == 0) is inside


@pytest.mark.parametrize(("command", "line", "runs"), LINES)
def test_bash_counts_the_same(command: Command, line: list[str], runs: bool) -> None:  # noqa: FBT001
    done = subprocess.run(
        ["bash", "-c", BASH, "bash", CHECKOUT, command.path, command.arguments],
        input="".join(f"{word}\0" for word in line),
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
    )
    assert (done.returncode == 0, done.stderr) == (runs, "")


def test_only_what_is_outside_every_trading_unit() -> None:
    processes = [
        Process(1, ("/opt/bot/bin/bot",), "/system.slice/bot.service"),
        Process(2, ("/opt/bot/bin/bot",), "/system.slice/bot@1.service/inner"),
        Process(3, ("/opt/bot/bin/bot",), "/user.slice/session-1.scope"),
        Process(4, ("/opt/bot/bin/bot",), "/system.slice/cron.service"),
        Process(5, ("/bin/other",), "/user.slice/session-1.scope"),
    ]
    found = strays.outside(
        {"bot.service": [BINARY]}, {}, ["bot.service", "bot@*.service"], [], processes
    )
    assert [(stray.unit, stray.pid) for stray in found] == [("bot.service", 3), ("bot.service", 4)]


def test_what_left_its_unit_is_told_by_its_parents_and_by_systemd() -> None:
    processes = [
        Process(10, ("sh",), "/system.slice/bot.service", 1),
        Process(11, ("x",), "/system.slice/run-1.scope", 10),
        Process(12, ("y",), "/system.slice/run-1.scope", 11),
        Process(20, ("su",), "/user.slice/session-2.scope", 1),
        Process(21, ("bash",), "/user.slice/session-2.scope", 20),
        Process(30, ("other",), "/user.slice/session-3.scope", 1),
    ]
    found = strays.outside({}, {20: "feed.service"}, ["bot.service", "feed.service"], [], processes)
    assert {(stray.pid, stray.unit, stray.left) for stray in found} == {
        (11, "bot.service", True),
        (12, "bot.service", True),
        (20, "feed.service", True),
        (21, "feed.service", True),
    }


def test_this_very_process_is_seen() -> None:
    mine = [process for process in strays.read() if process.pid == os.getpid()]
    assert len(mine) == 1
    assert mine[0].cgroup.startswith("/")


def test_hidden_processes_are_not_taken_for_none(tmp_path: object) -> None:
    with pytest.raises(FileNotFoundError):
        strays.read(str(tmp_path))


def test_containers_are_another_host() -> None:
    assert strays._is_in_container("Name:\tx\nNSpid:\t4000\t7\n")
    assert not strays._is_in_container("Name:\tx\nNSpid:\t4000\n")


def test_a_program_whose_main_thread_has_ended_is_seen(tmp_path: Path) -> None:
    task = tmp_path / "1/task"
    for thread, line in (("1", ""), ("2", "/opt/bot\0-x\0")):
        (task / thread).mkdir(parents=True)
        (task / thread / "cmdline").write_text(line)
    (tmp_path / "1/status").write_text("PPid:\t3\n")
    (tmp_path / "1/cmdline").write_text("")
    (tmp_path / "1/cgroup").write_text("0::/x\n")
    assert strays.read(str(tmp_path)) == [Process(1, ("/opt/bot", "-x"), "/x", 3)]


def test_exec_start_is_read() -> None:
    text = (
        "{ path=/bin/a ; argv[]=/bin/a -x y ; ignore_errors=no ; start_time=[n/a] ; pid=0 } "
        "{ path=/bin/b ; argv[]=b ; ignore_errors=yes ; }"
    )
    assert commands(text) == (Command("/bin/a", "/bin/a -x y"), Command("/bin/b", "b"))
    assert commands("") == ()
    assert [one.directory for one in commands(text, "!/opt/bot")] == ["/opt/bot"] * 2
    assert commands(text, "~")[0].directory == ""


def test_a_monitor_that_is_the_same_program_is_no_trading() -> None:
    processes = [
        Process(1, ("python3", "/opt/bot/main.py", "--watch"), "/system.slice/rl-monitor.service"),
        Process(2, ("python3", "/opt/bot/main.py"), "/system.slice/cron.service"),
    ]
    found = strays.outside(
        {"bot.service": [SCRIPT]}, {}, ["bot.service"], ["rl-*.service"], processes
    )
    assert [stray.pid for stray in found] == [2]


def test_a_process_that_hangs_in_the_kernel_does_not_hang_who_looks(tmp_path: Path) -> None:
    for pid in ("1", "7"):
        (tmp_path / pid).mkdir()
        (tmp_path / pid / "status").write_text("PPid:\t0\n")
    os.mkfifo(tmp_path / "7" / "cmdline")
    with pytest.raises(TimeoutError, match="does not tell what it runs"):
        strays.read(str(tmp_path), 0.2)
