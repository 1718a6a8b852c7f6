"""Servers on the loopback for what is told: one that notes when it came, one that never answers."""

import email
import email.policy
import select
import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

# More than there are clients at once.
KEPT = 64


class Mailbox(socketserver.ThreadingTCPServer):
    """A mail server; `mails` holds when each was handed over (ns since the epoch), and its text."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Session)
        self.port = self.server_address[1]
        self.mails: list[tuple[int, bytes]] = []

    def came_ns(self, words: str, since_ns: int) -> int | None:
        """When the first mail came after `since_ns` that has `words` in its subject."""
        for came, text in list(self.mails):
            if came > since_ns and words in subject(text):
                return came
        return None


class _Session(socketserver.StreamRequestHandler):
    """As much of SMTP as it takes to be given a mail."""

    server: Mailbox

    def handle(self) -> None:
        self.say("220 bench")
        for line in self.rfile:
            verb = line[:4].upper()
            if verb == b"DATA":
                self.say("354 go on")
                self.server.mails.append(self.mail())
                self.say("250 kept")
            elif verb == b"QUIT":
                self.say("221 bye")
                return
            else:
                self.say("250 fine")

    def mail(self) -> tuple[int, bytes]:
        text = b""
        while (line := self.rfile.readline()) not in (b".\r\n", b""):
            text += line
        return time.time_ns(), text

    def say(self, words: str) -> None:
        self.wfile.write(f"{words}\r\n".encode())


def subject(text: bytes) -> str:
    """The subject of a mail, decoded."""
    return str(email.message_from_bytes(text, policy=email.policy.default)["Subject"])


@contextmanager
def mailbox() -> Iterator[Mailbox]:
    """A mail server for as long as the context lasts."""
    with Mailbox() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


class Silent:
    """Accepts every connection and never says a word."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._held: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def keeps_waiting(self) -> bool:
        """Whether somebody is connected at this moment and waits for an answer."""
        poller = select.poll()
        held = list(self._held)
        for one in held:
            poller.register(one, select.POLLRDHUP)
        return len(poller.poll(0)) < len(held)

    def _accept(self) -> None:
        while True:
            self._held.append(self._listener.accept()[0])
            if len(self._held) > KEPT:
                self._held.pop(0).close()
