"""Telling systemd how it stands (sd_notify). Does nothing where nobody listens."""

from __future__ import annotations

import array
import contextlib
import os
import select
import socket

from ess.text import clean

_PATIENCE = 5000  # ms for systemd to have read what was sent


class Notify:
    """The socket systemd listens at, from the environment."""

    def __init__(self) -> None:
        self._address = os.environ.get("NOTIFY_SOCKET", "")
        if self._address.startswith("@"):
            self._address = "\0" + self._address[1:]

    def ready(self, status: str) -> None:
        """The service is up."""
        self._send(f"READY=1\nSTATUS={clean(status)}")

    def alive(self, status: str) -> None:
        """Everything was judged once more; `status` is what `systemctl status` shows."""
        self._send(f"WATCHDOG=1\nSTATUS={clean(status)}")

    def status(self, status: str) -> None:
        """Show something without having done anything."""
        self._send(f"STATUS={clean(status)}")

    def leave(self) -> None:
        """The service ends by itself; return once systemd has read all that was sent before."""
        self._send("STOPPING=1")
        if not self._address:
            return
        mine, its = os.pipe()
        try:
            try:
                self._send("BARRIER=1", its)
            finally:
                os.close(its)
            select.select([mine], [], [], _PATIENCE / 1000)
        finally:
            os.close(mine)

    def _send(self, text: str, descriptor: int | None = None) -> None:
        """Send without waiting: a deaf systemd loses a message and holds up nothing."""
        if not self._address:
            return
        rights = []
        if descriptor is not None:
            passed = array.array("i", [descriptor])
            rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, passed.tobytes())]
        kind = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, kind) as sender:
            sender.connect(self._address)
            sender.sendmsg([text.encode()], rights)
