"""The parts of the benchmark that a run of minutes would find wrong too late."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.checks.tracked import CHECKOUT

if TYPE_CHECKING:
    from pathlib import Path

BENCH = CHECKOUT / "scripts" / "bench"
ROW = {"p50": 1234.5, "p99": 123456.7, "max": 123456.7, "runs": 100}
RESULT: dict[str, Any] = {
    "stop_ms": {"50 well-behaved": {"quantum-ess (touch)": {**ROW, "stays_dead": True}}},
    "command_ms": {"ess_controller.sh activate, to the flag": ROW},
    "is_active_ns": {"os.path.exists() of one flag": ROW},
    "idle": {"seconds": 60, "processes": 0, "cpu_s": 0.1, "rounds": 6},
    "after_contained_ms": {
        "audit line, on disk": ROW,
        "Redis marker": ROW,
        "first alert handed over (SMTP)": ROW,
    },
    "spool": {"events": 2000, "ms": {"spool: taken into the audit log": {**ROW, "p50": 4000.0}}},
    "memory_mb": {"delivery, all its processes at once (PSS)": ROW},
    "stop_beside_aftermath": {
        "waiting": 4999,
        "ms": {"aftermath healthy": ROW, "aftermath broken": {**ROW, "p50": 2469.0}},
    },
    "watch": {
        "to_flag": {"watcher: XADD to the stream": ROW, "script": {**ROW, "p50": 2469.0}},
        "to_dead": {"watcher: XADD to the stream": ROW, "touch": {**ROW, "p50": 0.0}},
        "stages": {"PID 1 starts the reader": ROW},
        "load": {
            "1,000 feeds/s, hash, notified": {
                "cpu_percent": 12.345,
                "rss_mb": 100.1,
                "pss_mb": 90.9,
                "seconds": 30.0,
            }
        },
        "per_second": {"a feed, read from Redis": {**ROW, "p50": 1234567.8}},
    },
}


def python(*argv: str, path: str = "") -> str:
    done = subprocess.run(
        (sys.executable, "-B", *argv),
        cwd=BENCH,
        env={"PATH": f"{path}:{os.environ['PATH']}", "LANG": "C.UTF-8"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def report(result: dict[str, object], directory: Path) -> str:
    file = directory / "result.json"
    file.write_text(json.dumps(result))
    return python("report.py", str(file))


def line(text: str, name: str) -> list[str]:
    [found] = [one for one in text.splitlines() if one.startswith(f"  {name} ")]
    return found.removeprefix(f"  {name} ").split()


def test_the_report_has_every_row_and_fits_a_terminal(tmp_path: Path) -> None:
    text = report(RESULT, tmp_path)
    assert max(map(len, text.splitlines())) <= 80
    for rows in ("command_ms", "after_contained_ms", "memory_mb"):
        for name in RESULT[rows]:
            assert line(text, name) == ["1234.5", "123456.7", "123456.7", "100"]
    assert line(text, "quantum-ess (touch)")[4:] == ["1.00", "yes"]
    assert line(text, "spool: taken into the audit log")[4:] == ["500"]
    assert line(text, "aftermath broken")[4:] == ["2.00"]
    assert "4,999 events" in text
    assert "0 processes of ours" in text
    assert line(text, "script")[4:] == ["0.50"]
    assert line(text, "touch")[4:] == ["-"]
    assert line(text, "1,000 feeds/s, hash, notified") == ["12.35", "100.1", "90.9", "30"]
    assert line(text, "a feed, read from Redis") == ["1,234,568", "123,457", "100"]


def test_the_report_of_one_section_has_no_other(tmp_path: Path) -> None:
    text = report({"memory_mb": RESULT["memory_mb"]}, tmp_path)
    assert len(text.strip().splitlines()) == 3


def test_a_run_that_is_interrupted_has_lost_nothing_of_what_it_measured(tmp_path: Path) -> None:
    file = tmp_path / "result.json"
    follower = subprocess.Popen(
        (sys.executable, "-B", "report.py", "--follow", str(file)),
        cwd=BENCH,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert follower.stdin
    assert follower.stdout
    try:
        kept: dict[str, Any] = {}
        for name in ("memory_mb", "is_active_ns"):
            kept[name] = RESULT[name]
            print(json.dumps({name: RESULT[name]}), file=follower.stdin, flush=True)
            # The blank line above a table: it comes after the file.
            while follower.stdout.readline() != "\n":
                pass
            assert json.loads(file.read_text()) == kept
        follower.send_signal(signal.SIGINT)
        follower.stdin.write('{"orders": cut off')
        follower.stdin.close()
        assert "cut off" not in follower.stdout.read()
        assert follower.wait(10) == 0
        assert json.loads(file.read_text()) == kept
        assert list(tmp_path.iterdir()) == [file]
    finally:
        follower.kill()
        follower.wait(10)
        follower.stdout.close()


def test_what_is_no_file_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        script = f"import report; report.follow(['{{}}\\n'], {str(pipe)!r})"
        python("-c", script)
        assert os.read(reader, 100) == b"{}\n"
        assert list(tmp_path.iterdir()) == [pipe]
    finally:
        os.close(reader)


def test_the_flag_and_the_last_death_are_timed_as_they_come(tmp_path: Path) -> None:
    script = f"""
import pathlib, subprocess, sys, threading, time
import flag_watch
flag_watch.RUN_FLAG = pathlib.Path({str(tmp_path)!r}, "ESS_ON")
flag_watch.REQUESTS = pathlib.Path({str(tmp_path)!r}, "requests")
flag_watch.REQUESTS.mkdir()
children = [subprocess.Popen(["sleep", "60"]) for _ in range(2)]
def act():
    children[0].kill()
    (flag_watch.RUN_FLAG.parent / "draft").touch()
    threading.Timer(0.1, flag_watch.RUN_FLAG.touch).start()
    threading.Timer(0.2, (flag_watch.REQUESTS / "x").touch).start()
    threading.Timer(0.3, children[1].kill).start()
course = flag_watch.timed_stop([one.pid for one in children], act)
for one in children:
    one.wait()
asked, flag, dead = map(course.ms, (course.asked, course.flag, course.dead))
print(200 <= asked < dead, 100 <= flag < asked, 300 <= dead)
flag_watch.RUN_FLAG.unlink()
try:
    flag_watch.timed_stop([], lambda: None, limit_s=0.1)
except TimeoutError as error:
    print(error)
"""
    said = python("-c", script).splitlines()
    assert said == ["True True True", "no flag, or 0 processes alive after 0.1 s"]


def test_the_sections_are_those_the_help_names() -> None:
    done = subprocess.run(
        ("bash", BENCH.parent / "bench.sh", "--help"),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    named = done.stdout.partition("sections: ")[2].split()
    assert python("-c", "import measure; print(*measure.SECTIONS)").split() == named
    assert len(named) == len(RESULT)


def test_the_mailbox_notes_a_mail_and_when_it_came() -> None:
    script = """
import smtplib, time
from email.message import EmailMessage
from sinks import mailbox
with mailbox() as box:
    before = time.time_ns()
    mail = EmailMessage()
    mail["Subject"] = "ESS ACTIVE: trading is stopped on höst " + 60 * "x "
    mail.set_content("..\\n.\\n")
    with smtplib.SMTP("127.0.0.1", box.port, timeout=10) as client:
        client.send_message(mail, "a@desk.example", ["b@desk.example"])
    after = time.time_ns()
    print(before < (box.came_ns("trading is stopped", before) or 0) < after)
    print(box.came_ns("trading is stopped", after), box.came_ns("release", before))
"""
    assert python("-c", script).split() == ["True", "None", "None"]


def test_who_never_answers_knows_who_waits() -> None:
    script = """
import socket, time
from sinks import Silent
deaf = Silent()
def await_it(waits):
    deadline = time.monotonic() + 10
    while deaf.keeps_waiting() is not waits:
        assert time.monotonic() < deadline
        time.sleep(0.01)
await_it(False)
with socket.create_connection(("127.0.0.1", deaf.port), timeout=10) as client:
    client.sendall(b"HELLO 3")
    await_it(True)
await_it(False)
print("done")
"""
    assert python("-c", script) == "done\n"


def test_the_watch_of_the_marker_hears_of_it_once(tmp_path: Path) -> None:
    # Debian's redis-tools has the whole server under another name, and starts no service.
    server = tmp_path / "redis-server"
    server.write_text('#!/bin/bash\nexec -a redis-server redis-check-rdb "$@"\n')
    server.chmod(0o755)
    script = """
import time
from redis_server import KEY, MarkerWatch, connect, redis_server
with redis_server("--notify-keyspace-events", "K$") as port, connect(port) as client:
    watch = MarkerWatch(port)
    for words in (f"SET other 1", f"SET {KEY} 1", f"GET {KEY}", f"DEL {KEY}"):
        client.sendall(f"{words}\\r\\n".encode())
        client.recv(100)
    deadline = time.monotonic() + 10
    while not watch.set_ns and time.monotonic() < deadline:
        time.sleep(0.01)
    print(len(watch.set_ns))
"""
    assert python("-c", script, path=str(tmp_path)).split() == ["1"]


@pytest.mark.parametrize(
    ("script", "arguments", "said"),
    [
        ("bench.sh", ("--runs",), "bench.sh: --runs needs a value"),
        ("bench.sh", ("--frobnicate",), "bench.sh: unknown argument: --frobnicate"),
        ("lab.sh", ("up", "x", "--image"), "lab.sh: --image needs a value"),
        ("lab.sh", ("up", "x", "--layer"), "lab.sh: --layer needs a value"),
        ("lab/stack.sh", ("trading",), "usage: stack.sh "),
    ],
)
def test_mistakes_are_named_in_words_of_ours(
    script: str, arguments: tuple[str, ...], said: str
) -> None:
    """And not as bash's own, with the line of the script."""
    done = subprocess.run(
        ("bash", BENCH.parent / script, *arguments),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode in (1, 2)
    assert done.stdout == ""
    assert done.stderr.startswith(said)
