"""The program on a host whose internet is tests/alerts/inside/world.py."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import trustme

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

INSIDE = Path(__file__).parent / "inside" / "world.py"
NAMES = ("hooks.slack.com", "api.twilio.com", "mail.example", "mail.example.com")
FOREIGN = "127.0.0.3"  # where a server has a certificate of an authority nobody trusts
CONFIGURATION = Path("/etc/quantum-ess/aftermath.env")

SLACK_TOKEN = "Xq7SlackTokenXq7xxxxxxxx"
TWILIO_SID = "AC" + "0123456789abcdef" * 2
TWILIO_TOKEN = "fedcba9876543210" * 2
PASSWORD = "pa ss/w%rd+&:@'\"\\#x=~"
SECRETS = (SLACK_TOKEN, TWILIO_TOKEN, PASSWORD)

SLACK = {"QT_ESS_SLACK_WEBHOOK_URL": f"https://hooks.slack.com/services/T000/B000/{SLACK_TOKEN}"}
SMS = {
    "QT_ESS_TWILIO_ACCOUNT_SID": TWILIO_SID,
    "QT_ESS_TWILIO_AUTH_TOKEN": TWILIO_TOKEN,
    "QT_ESS_TWILIO_FROM_NUMBER": "+15550000001",
    "QT_ESS_TWILIO_TO_NUMBERS": "+15551234567, +4915112345678",
}
EMAIL = {
    "QT_ESS_SMTP_HOST": "mail.example",
    "QT_ESS_SMTP_USERNAME": "ess@mail.example",
    "QT_ESS_SMTP_PASSWORD": PASSWORD,
    "QT_ESS_EMAIL_FROM": "Trading Stop <ess@mail.example>",
    "QT_ESS_EMAIL_TO": "oncall@mail.example refused@mail.example",
}


class World:
    """`directory` is where the servers find what to answer and leave what they got."""

    def __init__(self, directory: Path, pid: int) -> None:
        self.network = Path(f"/proc/{pid}/ns/net").readlink()
        self._directory = directory
        self._pid = pid

    def configure(self, *groups: Mapping[str, str], **behaviour: str) -> None:
        """Write aftermath.env, and what the servers are to answer by their names."""
        lines = "".join(f"{key}={value}\n" for group in groups for key, value in group.items())
        script = 'mkdir -p "${1%/*}" && umask 077 && printf %s "$2" >"$1"'
        self._inside("sh", "-c", script, "sh", str(CONFIGURATION), lines)
        names = {key.replace("_", "."): value for key, value in behaviour.items()}
        (self._directory / "behave.json").write_text(json.dumps(names))
        (self._directory / "got.jsonl").write_text("")
        (self._directory / "journal.log").write_text("")
        self.resolve(dict.fromkeys(NAMES, "127.0.0.1"))

    def resolve(self, hosts: Mapping[str, str], nameserver: str = "127.0.0.2") -> None:
        """Say where names lead; the nameserver is at 127.0.0.2, that is nowhere, or deaf (.1)."""
        lines = "".join(f"{address} {name}\n" for name, address in hosts.items())
        script = 'printf %s "$1" >/etc/hosts; echo "nameserver $2" >/etc/resolv.conf'
        self._inside("sh", "-c", script, "sh", lines, nameserver)

    def ess(self, *arguments: str, seconds: float = 30) -> subprocess.CompletedProcess[str]:
        """Run the program. Raises TimeoutExpired after `seconds`, when it is gone."""
        return self._inside(sys.executable, "-I", "-m", "ess", *arguments, seconds=seconds)

    def python(self, script: str, *, seconds: float = 30) -> subprocess.CompletedProcess[str]:
        """Run a piece of Python that has the program to import."""
        return self._inside(sys.executable, "-I", "-c", script, seconds=seconds)

    def starting(self, *arguments: str) -> subprocess.Popen[str]:
        """Start the program; the caller ends it."""
        return subprocess.Popen(
            self._argv(sys.executable, "-I", "-m", "ess", *arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=ENVIRONMENT,
            text=True,
        )

    def got(self, to: str) -> list[dict[str, Any]]:
        """Return what a server got, oldest first."""
        lines = (self._directory / "got.jsonl").read_text().splitlines()
        return [found for found in map(json.loads, lines) if found["to"] == to]

    def journal(self) -> str:
        return (self._directory / "journal.log").read_text()

    def spool(self) -> list[dict[str, str]]:
        """Return the events in the spool, and take them out."""
        script = "cd /var/lib/quantum-ess/spool/new && for f in *; do cat $f; echo; rm $f; done"
        texts = self._inside("sh", "-c", script).stdout.split("\n\n")
        return [
            dict(line.split("=", 1) for line in text.splitlines()) for text in texts if text.strip()
        ]

    def _argv(self, *argv: str) -> list[str]:
        return ["nsenter", "-t", str(self._pid), "-m", "-n", *argv]

    def _inside(self, *argv: str, seconds: float = 30) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self._argv(*argv),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=ENVIRONMENT,
            text=True,
            timeout=seconds,
            check=False,
        )


ENVIRONMENT = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8"}


def certify(directory: Path) -> None:
    """Write the certificates of an authority everybody trusts, and of one nobody does."""
    trusted, foreign = trustme.CA(), trustme.CA()
    trusted.cert_pem.write_to_path(directory / "ca.pem")
    for name, authority in (("good", trusted), ("foreign", foreign)):
        certificate = authority.issue_cert(*NAMES)
        certificate.private_key_and_cert_chain_pem.write_to_path(directory / f"{name}.pem")


@contextlib.contextmanager
def started(directory: Path) -> Iterator[World]:
    """Run the servers for as long as the context lasts."""
    certify(directory)
    (directory / "behave.json").write_text("{}")
    with subprocess.Popen(
        ("unshare", "-m", "-n", sys.executable, str(INSIDE), str(directory)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as servers:
        try:
            assert servers.stdout
            assert servers.stdout.readline() == "ready\n", "the servers did not start"
            yield World(directory, servers.pid)
        finally:
            servers.kill()
