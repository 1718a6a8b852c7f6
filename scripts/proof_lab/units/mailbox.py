"""A mail server as small as can be: appends every mail to FILE. Run by proof_ess.sh --lab.

usage: mailbox.py FILE
"""

import socketserver
import sys

WORDS = {"DATA": b"354 go on", "QUIT": b"221 bye"}


class Session(socketserver.StreamRequestHandler):
    """One client."""

    timeout = 20

    def handle(self) -> None:
        """Take what it sends."""
        self.say(b"220 mailbox")
        while line := self.rfile.readline(1000):
            word = line.strip().decode("ascii", "replace").upper()
            self.say(WORDS.get(word, b"250 yes"))
            if word == "QUIT":
                return
            if word == "DATA":
                self.keep()

    def keep(self) -> None:
        """Keep one mail."""
        with open(sys.argv[1], "ab") as file:
            while (line := self.rfile.readline(1 << 16)) not in (b".\r\n", b""):
                file.write(line)
        self.say(b"250 kept")

    def say(self, line: bytes) -> None:
        """Answer."""
        self.wfile.write(line + b"\r\n")


socketserver.ThreadingTCPServer.allow_reuse_address = True
with socketserver.ThreadingTCPServer(("127.0.0.1", 2525), Session) as server:
    server.serve_forever()
