"""Who is not root may trip, by a file in a directory, and do nothing else with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lab import asking
from tests.lab import ground as g
from tests.lab.asking import MEMBER, NOBODY, OTHER, REQUESTS
from tests.lab.stack import TRADING_UNITS
from tests.thorough import chosen

if TYPE_CHECKING:
    from tests.lab.lab import Lab

pytestmark = pytest.mark.nobody_told

furnish = asking.furnish
SECRET = "/run/secret"
# Not a request: what a member writes into files must not come out where it could do something.
EVIL = r"x\033[31m\007 \r\n\0 \302\233 \342\200\256 \377 $(touch /pwned) `touch /pwned`"

# What a member (bash, in the directory) or root can put there.
KINDS = {
    "empty file": "touch x",
    "words": "echo 'flash crash' >x",
    "two dots": "touch ..x",
    "name with a newline": r"touch $'a\nb=c\nend=trip'",
    "name with control characters": r"touch $'\e[31m\a\r'",
    "name that is no text": r"touch $'\xff\xfe'",
    "hidden name that is no text": r"touch $'.\xff\xfe'",
    "name that is a command": r"touch -- '$(touch ..)' '`id`' 'a[$(id)]' ']' '*' '-rf' '--help'",
    "longest name": "touch $(printf 'x%.0s' {1..255})",
    "unreadable": "install -m 000 /dev/null x",
    "fifo": "mkfifo x",
    "fifo with a writer": "mkfifo x; timeout 1 bash -c 'echo hello >x' & sleep 0.1",
    "symlink": "ln -s /etc/shadow x",
    "dangling symlink": "ln -s /nowhere x",
    "symlink to itself": "ln -s x x",
    "symlink to a directory": "ln -s /etc x",
    "empty directory": "mkdir x",
    "directory": "mkdir -p x/y/z; touch x/y/file; ln -s /etc x/y/etc; chmod 000 x/y",
    "socket": "python3 -c \"import socket; socket.socket(socket.AF_UNIX).bind('x')\"",
    "huge": "truncate -s 3G x",
    "long line": "head -c 5M /dev/zero | tr '\\0' x >x",
    "binary": "head -c 100k /dev/urandom >x",
    "control characters": f"printf '{EVIL}' >x",
    "control characters in the reason": f"printf 'reason={EVIL}' >x",
    "a release": "printf 'event=release-finished\\nrelease=yes\\n' >ESS_OFF",
}


@pytest.mark.both_systemds
@pytest.mark.parametrize("tool", [g.ESS, g.CONTROLLER])
def test_member_stops_trading_and_sees_it_done(trading: Lab, tool: str) -> None:
    done = asking.run(trading, MEMBER, tool, "activate", "--reason", "flash crash \x1b[31mü")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("ESS STATUS: ACTIVE\nThe latch is set. Stopping trading:\n")
    assert "CONTAINED: no trading process is alive" in done.stdout
    asking.assert_stopped(trading)
    said = asking.flag(trading)
    assert (said["operator"], said["source"]) == (MEMBER, "request")
    assert said["reason"] == "flash crash  [31mü"
    for status in (g.status(trading, tool=g.ESS), g.status(trading)):
        assert MEMBER in status.stdout
        assert "flash crash" in status.stdout
    seen = trading.wait_until(lambda: asking.events(trading, "trip"), what="the trip is recorded")
    assert (seen[-1]["operator"], seen[-1]["source"]) == (MEMBER, "request")
    assert asking.events(trading)[-1]["first"] == "yes"
    asking.assert_clean(trading)


# What another of them proves, too.
ALIKE = (
    *("empty file", "words", "two dots", "hidden name that is no text", "fifo"),
    *("symlink to a directory", "empty directory", "control characters"),
)


@pytest.mark.parametrize("kind", chosen(KINDS, [kind for kind in KINDS if kind not in ALIKE]))
def test_whatever_a_member_puts_there_trips(trading: Lab, kind: str) -> None:
    shadow = trading.sh("sha256sum /etc/shadow; ls -la /etc | wc -l").stdout
    asking.script(trading, MEMBER, KINDS[kind])
    asking.assert_stopped(trading)
    assert trading.sh("sha256sum /etc/shadow; ls -la /etc | wc -l").stdout == shadow
    assert not trading.exists("/pwned")
    assert asking.flag(trading)["operator"] == MEMBER
    asking.assert_clean(trading)
    assert "root:" not in g.status(trading, tool=g.ESS).stdout


def test_device_that_root_left_there_trips_and_is_not_opened(trading: Lab) -> None:
    trading.exec("mknod", f"{REQUESTS}/x", "c", "1", "5")
    asking.assert_stopped(trading)
    assert trading.exists("/dev/zero")


def test_what_belongs_to_another_is_neither_read_nor_removed(trading: Lab) -> None:
    trading.write(SECRET, "reason=the secret\n", 0o600)
    trading.exec("ln", SECRET, f"{REQUESTS}/x")
    asking.assert_stopped(trading)
    assert "the secret" not in trading.journal("-t", "quantum-ess") + trading.read(g.VAR_FLAG)
    assert asking.flag(trading)["operator"] == "unknown"
    assert "the secret" in trading.read(SECRET)


def test_owner_counts_not_what_the_file_says(trading: Lab) -> None:
    claim = "operator=root\nsource=watcher\nid=mine\nat=never\nreason=loss\ncategory=1\n"
    asking.script(trading, OTHER, 'printf "$1" >x', claim)
    asking.assert_stopped(trading)
    said = asking.flag(trading)
    assert (said["operator"], said["source"], said["reason"]) == (OTHER, "request", "loss")
    assert (said["category"], said["id"] == "mine", said["at"] == "never") == ("", False, False)
    events = trading.wait_until(lambda: asking.events(trading), what="recorded")
    assert events[-1]["through"] == "watcher"


def test_request_may_ask_for_haste(trading: Lab) -> None:
    done = asking.run(trading, MEMBER, g.ESS, "activate", "--category", "0")
    assert done.returncode == 0
    assert asking.flag(trading)["category"] == "0"


def test_while_latched_it_is_only_recorded(trading: Lab) -> None:
    # Of 20 a minute it is recorded what they say, and other tests asked here before.
    asking.forget(trading)
    trading.exec(g.ESS, "activate", "--reason", "first")
    before = [trading.read(flag) for flag in g.FLAGS]
    again = asking.run(trading, MEMBER, g.ESS, "activate", "--reason", "second")
    assert "already" in again.stdout
    assert again.returncode == 0
    asking.taken(trading)
    assert [trading.read(flag) for flag in g.FLAGS] == before
    trading.wait_until(
        lambda: any(one.get("reason") == "second" for one in asking.events(trading)),
        what="recorded",
    )
    assert f"by {MEMBER}, while it is on" in trading.journal("-t", "quantum-ess")
    g.release(trading)
    asking.assert_stays_released(trading)


@pytest.mark.both_systemds
@pytest.mark.parametrize("name", ["x", ".x"])
def test_any_name_trips_at_once_and_never_again(trading: Lab, name: str) -> None:
    trips_once(trading, name)


@pytest.mark.every_image
@pytest.mark.parametrize("name", ["x~", "x.bak"])
def test_the_name_of_a_backup_does_so_too(trading: Lab, name: str) -> None:
    trips_once(trading, name)


def trips_once(trading: Lab, name: str) -> None:
    trading.systemctl("stop", "quantum-ess-sentry.timer")
    asking.script(trading, MEMBER, 'touch -- "$1"', name)
    asking.assert_stopped(trading)
    trading.systemctl("start", "quantum-ess-sentry.timer")
    g.release(trading)
    asking.assert_stays_released(trading)


@pytest.mark.both_systemds
def test_others_can_do_nothing_there(trading: Lab) -> None:
    for attempt in ("touch", "mkdir", "ls", "mkfifo"):
        name = REQUESTS if attempt == "ls" else f"{REQUESTS}/x"
        assert asking.run(trading, NOBODY, attempt, name, check=False).returncode != 0
    for tool in (g.ESS, g.CONTROLLER):
        done = asking.run(trading, NOBODY, tool, "activate", check=False)
        assert (done.returncode, done.stdout, "sudo" in done.stderr) == (3, "", True)
    assert done.stderr.count("\n") == 1
    assert not g.latched(trading)


@pytest.mark.both_systemds
def test_member_can_trip_and_nothing_else(trading: Lab) -> None:
    trading.systemctl("stop", *asking.WATCHES, "quantum-ess-sentry.timer")
    asking.script(trading, OTHER, "umask 077; echo private >of-bob; mkdir dir-of-bob")
    denied = (
        f"ls {REQUESTS}",
        f"cat {REQUESTS}/of-bob",
        f"rm {REQUESTS}/of-bob",
        f"mv {REQUESTS}/of-bob {REQUESTS}/y",
        f"rmdir {REQUESTS}/dir-of-bob",
        f"rmdir {REQUESTS}",
        f"mv {REQUESTS} /run/quantum-ess/other",
        f"chmod 777 {REQUESTS}",
        "touch /run/quantum-ess/request.busy",
        "touch /run/quantum/x",
        f"{g.ESS} deactivate",
        f"{g.CONTROLLER} deactivate",
        f"{g.CONTROLLER} request",
    )
    for command in denied:
        assert asking.run(trading, MEMBER, "sh", "-c", command, check=False).returncode, command
    trading.systemctl("start", *asking.WATCHES, "quantum-ess-sentry.timer")
    asking.assert_stopped(trading)
    for flag in g.FLAGS:
        assert asking.run(trading, MEMBER, "rm", "-f", flag, check=False).returncode
    g.assert_contained(trading, *TRADING_UNITS)
