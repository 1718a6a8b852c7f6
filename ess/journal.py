"""One line in the journal for everything that happens, with fields to search by.

ESS_EVENT is the kind of event (see ess/event.py), ESS_ACTIVATION_ID the activation it belongs to,
ESS_UNIT each trading unit it is about.

Straight into journald's socket without waiting: a journal that is stuck or full loses the line and
nothing else. Falls back to the socket of a classic syslog.
"""

from __future__ import annotations

import os
import socket
import time
from typing import TYPE_CHECKING, NamedTuple

from ess.paths import MAIN
from ess.text import clean

if TYPE_CHECKING:
    from collections.abc import Sequence

IDENTIFIER = "quantum-ess"
# What finds the checkpoints of the audit log again: journalctl MESSAGE_ID=...
CHECKPOINT = "5e6f1c0b7a4d4f0f9a3b8d2c1e7f6a90"
_JOURNAL = "/run/systemd/journal/socket"
_SYSLOG = "/dev/log"
_NOTICE, _ERROR = 5, 3
_DAEMON_FACILITY = 3
# What is put behind every line.
_behind = ""


class About(NamedTuple):
    """What a line is about; what is empty is left out."""

    event: str = ""
    activation: str = ""
    units: tuple[str, ...] = ()

    def fields(self) -> list[tuple[str, object]]:
        """Return the fields, each value one line."""
        named = [("ESS_EVENT", self.event), ("ESS_ACTIVATION_ID", self.activation)]
        named += [("ESS_UNIT", unit) for unit in self.units]
        return [(key, clean(value)) for key, value in named if value]


def about_scope(scope: str) -> None:
    """Have every line say what it is about: nobody may take those of a drill for the real thing."""
    global _behind  # noqa: PLW0603 - a process is about one scope
    _behind = "" if scope == MAIN else f" (drill on the {scope}, trading is not touched)"


def notice(message: str, about: About | None = None) -> None:
    """Log what happened."""
    _log(message, _NOTICE, about.fields() if about else ())


def error(message: str, about: About | None = None) -> None:
    """Log what went wrong."""
    _log(message, _ERROR, about.fields() if about else ())


def checkpoint(seq: int, digest: str) -> None:
    """Note where the audit log ends, for whoever doubts it later."""
    more = [("MESSAGE_ID", CHECKPOINT), ("ESS_AUDIT_SEQ", seq), ("ESS_AUDIT_HASH", digest)]
    _log(f"audit log: record {seq}, {digest}", _NOTICE, more)


def _log(message: str, priority: int, more: Sequence[tuple[str, object]]) -> None:
    stamp = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
    line = f"[{stamp}] ESS: {clean(message)}{_behind}"
    fields = [
        ("MESSAGE", line),
        ("PRIORITY", priority),
        ("SYSLOG_IDENTIFIER", IDENTIFIER),
        ("SYSLOG_FACILITY", _DAEMON_FACILITY),
        ("SYSLOG_PID", os.getpid()),
        *more,
    ]
    native = "".join(f"{key}={value}\n" for key, value in fields)
    if not _send(_JOURNAL, native):
        _send(_SYSLOG, f"<{_DAEMON_FACILITY * 8 + priority}>{IDENTIFIER}[{os.getpid()}]: {line}")


def _send(address: str, text: str) -> bool:
    kind = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
    try:
        with socket.socket(socket.AF_UNIX, kind) as sender:
            sender.sendto(text.encode(), address)
    except OSError:
        return False
    return True
