"""A host on which alice and bob may ask for a stop and eve may not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.lab import ground as g
from tests.lab.stack import TRADING_UNITS

if TYPE_CHECKING:
    import subprocess

    from tests.lab.lab import Lab

REQUESTS = "/run/quantum-ess/requests"
BUSY = "/run/quantum-ess/request.busy"
READER = "quantum-ess-request.service"
WATCHES = ("quantum-ess-request.path", "quantum-ess-request-names.path")
MEMBER, OTHER, NOBODY = "alice", "bob", "eve"


def furnish(lab: Lab, *, settle: str = "0.1") -> None:
    """The four units of the runbook, which end when asked to, and three people."""
    g.put_units(lab, dict.fromkeys(TRADING_UNITS, g.service()))
    g.configure(lab, TRADING_UNITS, STOP_GRACE="0.3", SETTLE=settle)
    for name in (MEMBER, OTHER):
        lab.exec("useradd", "--create-home", "--groups", "quantum-ess", name)
    lab.exec("useradd", "--create-home", NOBODY)


def by(user: str, *argv: str) -> tuple[str, ...]:
    """Return the command line that runs `argv` as this user, with the groups a login has."""
    return ("setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", *argv)


def run(
    lab: Lab, user: str, *argv: str, check: bool = True, timeout: float = 20
) -> subprocess.CompletedProcess[str]:
    return lab.exec(*by(user, *argv), check=check, timeout=timeout)


def script(lab: Lab, user: str, text: str, *arguments: str, check: bool = True) -> str:
    """Run a bash script as this user in the directory of requests; return what it prints."""
    head = f"cd {REQUESTS} && "
    return run(lab, user, "bash", "-euc", head + text, "bash", *arguments, check=check).stdout


def left(lab: Lab) -> str:
    """Return what lies in the directory of requests."""
    return lab.exec("ls", "-A", REQUESTS).stdout


def taken(lab: Lab, timeout: float = 8) -> None:
    """Wait until every request was taken and the reader is done with it."""
    lab.wait_until(lambda: not left(lab) and not lab.exists(BUSY), timeout, "requests taken")


def forget(lab: Lab) -> None:
    """Have it forgotten how many asked in this minute."""
    lab.wait_until(lambda: lab.state(READER) == "inactive", what="nobody reads requests")
    lab.exec("rm", "-f", "/run/quantum-ess/request.told")


def events(lab: Lab, kind: str = "request") -> list[dict[str, str]]:
    """Return the events of a kind that the audit log or the spool holds, the spool's raw."""
    found = []
    log = lab.sh("cat /var/log/quantum-ess/audit.jsonl 2>/dev/null || :").stdout
    for line in log.splitlines():
        record = json.loads(line)
        if record["event"] == kind:
            found.append(record)
    return found


def messages(lab: Lab, *arguments: str) -> list[object]:
    """Return the journal's messages as they are: a text, or bytes where they are no clean text."""
    lines = lab.exec("journalctl", "-b", "-o", "json", "--no-pager", *arguments).stdout
    return [json.loads(line)["MESSAGE"] for line in lines.splitlines()]


def assert_clean(lab: Lab) -> None:
    """No message of ours in the journal can move the cursor of who reads it."""
    for message in messages(lab, "-t", "quantum-ess"):
        assert isinstance(message, str), message
        assert message.isprintable(), message


def flag(lab: Lab, path: str = g.VAR_FLAG) -> dict[str, str]:
    """Return what a flag says."""
    lines = lab.read(path).splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line)


def assert_stopped(lab: Lab) -> None:
    """Trading is down, held, and what tripped it is gone."""
    g.dead(lab, *TRADING_UNITS)
    taken(lab)
    g.assert_contained(lab, *TRADING_UNITS, tool=g.ESS)


def assert_stays_released(lab: Lab, seconds: float = 1.5) -> None:
    """Nothing trips again by itself, also not after a look of the sentry."""
    lab.systemctl("start", "quantum-ess-sentry.service")
    lab.exec("sleep", str(seconds))
    assert not g.latched(lab), lab.journal_tail()
