"""The internet as one host sees it: hooks.slack.com, api.twilio.com, mail servers, DNS, a journal.

Run in a mount and a network namespace of its own (unshare -m -n): names, certificates and addresses
are the real ones, so the shipped program runs unmodified. What the servers answer is read from
DIR/behave.json at every request; what they got is appended to DIR/got.jsonl.
"""

from __future__ import annotations

import asyncio
import ctypes
import fcntl
import json
import os
import select
import signal
import socket
import socketserver
import ssl
import struct
import subprocess
import sys
import threading
import time
import warnings
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import certifi
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

LIFETIME = 400  # s, whoever forgot it
DIR = Path(sys.argv[1])
LOCK = threading.Lock()


def behaviour(key: str) -> str:
    return str(json.loads((DIR / "behave.json").read_text()).get(key, "ok"))


def got(**what: object) -> None:
    with LOCK, (DIR / "got.jsonl").open("a") as file:
        file.write(json.dumps(what) + "\n")


class Web(BaseHTTPRequestHandler):
    """Slack's webhooks, Twilio's messages, and a service nobody has heard of."""

    def do_POST(self) -> None:
        host = self.headers["Host"]
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        got(to=host, path=self.path, headers=dict(self.headers), body=body)
        fine = (201, b'{"sid":"SM1","status":"queued"}') if "twilio" in host else (200, b"ok")
        self.answer(behaviour(host), *fine)

    def answer(self, how: str, code: int, content: bytes) -> None:
        if how == "echo":  # a server that quotes what it was sent
            said = f"no: {self.path} {self.headers['Authorization']}"
            code, content = 401, json.dumps({"code": 20003, "message": said}).encode()
        elif how == "garbage":
            content = b"\x00\xff<html>\x1b[31m</html>"
        elif how == "moved":
            code = 307
        elif how.isdecimal():
            code, content = int(how), b"server_error"
        elif how == "drip":
            content = b"." * 600
        self.send_response(code)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Retry-After", "30")
        self.send_header("Location", "https://mail.example/")
        self.end_headers()
        for byte in content:
            self.wfile.write(bytes([byte]))
            if how == "drip":
                self.wfile.flush()
                time.sleep(1)

    def log_message(self, *_: Any) -> None:
        pass


class Tunnel(socketserver.StreamRequestHandler):
    """A proxy's one connection; it finds every name by itself."""

    def handle(self) -> None:
        method, target, _ = self.rfile.readline().decode().split()
        headers = dict(iter(self.header, ("", "")))
        login = headers.get("proxy-authorization", "")
        how = behaviour("proxy")
        got(to="proxy", method=method, target=target, login=login)
        if how == "refuse":  # and quotes what it was sent
            self.wfile.write(f"HTTP/1.1 407 no, {login}\r\n\r\n".encode())
            return
        address = "127.0.0.3" if how == "intercept" else "127.0.0.1"
        with socket.create_connection((address, int(target.rpartition(":")[2]))) as server:
            self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            self.pass_on(server)

    def header(self) -> tuple[str, str]:
        name, _, value = self.rfile.readline().decode().partition(":")
        return name.strip().lower(), value.strip()

    def pass_on(self, server: socket.socket) -> None:
        other = {self.connection: server, server: self.connection}
        while True:
            for one in select.select(list(other), [], [])[0]:
                if not (data := one.recv(65536)):
                    return
                other[one].sendall(data)


class Mail:
    """A mail server's hooks, as aiosmtpd calls them."""

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _: list[str]
    ) -> str:
        if address.startswith("refused"):
            return "550 5.1.1 no such user here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope
    ) -> str:
        content = envelope.content
        assert isinstance(content, bytes)
        got(to="mail", rcpt=envelope.rcpt_tos, sender=envelope.mail_from, body=content.decode())
        return "250 OK"


def authenticate(
    _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: Any
) -> AuthResult:
    assert isinstance(data, LoginPassword)
    password = data.password.decode()
    got(to="login", user=data.login.decode(), password=password)
    if behaviour("login") == "echo":
        return AuthResult(success=False, handled=False, message=f"535 5.7.8 wrong: {password}")
    return AuthResult(success=behaviour("login") == "ok", handled=False)


def tls(name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(DIR / f"{name}.pem")
    return context


def serve_web(address: str, certificate: str) -> None:
    server = ThreadingHTTPServer((address, 443), Web)
    server.daemon_threads = True
    server.socket = tls(certificate).wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    threading.Thread(target=server.serve_forever, daemon=True).start()


def serve_proxy() -> None:
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 3128), Tunnel)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    threading.Thread(target=server.serve_forever, daemon=True).start()


def serve_mail(port: int, **options: Any) -> None:
    Controller(Mail(), hostname="127.0.0.1", port=port, ident="test mail", **options).start()


def serve_silence() -> None:
    """Take connections at :2525 and datagrams at :53, and never answer."""
    silent = socket.create_server(("127.0.0.1", 2525))
    deaf = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    deaf.bind(("127.0.0.1", 53))
    KEPT.extend([silent, deaf])


def serve_journal() -> None:
    Path("/run/systemd/journal").mkdir(parents=True)
    journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    journal.bind("/run/systemd/journal/socket")

    def listen() -> None:
        while True:
            with (DIR / "journal.log").open("ab") as file:
                file.write(journal.recv(65536) + b"\n")

    threading.Thread(target=listen, daemon=True).start()


KEPT: list[socket.socket] = []


def mount(*arguments: str | Path) -> None:
    subprocess.run(("mount", *arguments), check=True, timeout=10)


def cover(directory: str) -> None:
    """Put a layer over a directory that takes what is written to it, and goes with us."""
    upper, work = (
        DIR / "layers" / f"{directory.strip('/').replace('/', '-')}.{kind}" for kind in "uw"
    )
    upper.mkdir()
    work.mkdir()
    options = f"lowerdir={directory},upperdir={upper},workdir={work}"
    mount("-t", "overlay", "overlay", "-o", options, directory)


def prepare() -> None:
    (DIR / "layers").mkdir()
    mount("-t", "tmpfs", "tmpfs", DIR / "layers")
    for directory in ("/etc", "/var/lib"):
        cover(directory)
    mount("-t", "tmpfs", "tmpfs", "/run")
    Path("/etc/nsswitch.conf").write_text("passwd: files\nhosts: files dns\n")
    trust = ssl.get_default_verify_paths().openssl_cafile
    (DIR / "trust").mkdir()
    (DIR / "trust" / Path(trust).name).write_bytes((DIR / "ca.pem").read_bytes())
    mount("--bind", DIR / "trust", Path(trust).parent)
    mount("--bind", DIR / "ca.pem", certifi.where())
    loopback_up()


def loopback_up() -> None:
    set_flags, up_and_running = 0x8914, 0x41
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, set_flags, struct.pack("16sh14x", b"lo", up_and_running))


def main() -> None:
    die_with_parent = 1
    warnings.simplefilter("ignore")
    ctypes.CDLL(None).prctl(die_with_parent, signal.SIGKILL)
    signal.alarm(LIFETIME)
    asyncio.set_event_loop(asyncio.new_event_loop())
    prepare()
    serve_web("127.0.0.1", "good")
    serve_web("127.0.0.3", "foreign")
    login: dict[str, Any] = {"authenticator": authenticate, "auth_required": True}
    serve_mail(587, tls_context=tls("good"), require_starttls=True, **login)
    serve_mail(588, tls_context=tls("foreign"), require_starttls=True, **login)
    serve_mail(465, ssl_context=tls("good"), auth_require_tls=False, **login)
    serve_mail(25)
    serve_proxy()
    serve_silence()
    serve_journal()
    os.write(1, b"ready\n")
    os.read(0, 1)


if __name__ == "__main__":
    main()
