"""People and Redis are told of a stop: the installed product, real systemd, mail server, Redis."""

from __future__ import annotations

import email
import json
import shlex
from email.policy import default
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiosmtpd
import pytest

from tests.lab import ground as g
from tests.lab.conftest import _layer
from tests.lab.rig import BRISK, CONTROLLER, arm, remove_by_hand, touch
from tests.lab.test_events import assert_whole, await_kind, of_kind

if TYPE_CHECKING:
    from email.message import EmailMessage

    from tests.lab.conftest import BootLab
    from tests.lab.lab import Lab

PACKAGES = Path(aiosmtpd.__file__).parents[1]
SETTINGS = "/etc/quantum-ess/aftermath.env"
MAIL = """QT_ESS_SMTP_HOST=127.0.0.1
QT_ESS_SMTP_PORT=2525
QT_ESS_SMTP_SECURITY=none
QT_ESS_EMAIL_FROM=ess@desk.example
QT_ESS_EMAIL_TO=alice@desk.example,bob@desk.example
QT_ESS_ALERT_REPEAT=15
QT_ESS_REDIS_URL=redis://127.0.0.1:6379/0
"""
MARKER = ("redis-cli", "GET", "quantum:ess:active")


@pytest.fixture
def desk(boot_lab: BootLab, lab_image: str) -> Lab:
    """A lab that trades, with a mailbox, a Redis, and both configured."""
    binds = {g.INSIDE: "/inside", PACKAGES: "/packages"}
    lab = boot_lab(layer=_layer(lab_image), bind_ro=binds)
    open_mailbox(lab)
    lab.systemctl("start", "redis-server.service")
    lab.write(SETTINGS, MAIL, mode=0o600)
    return arm(lab, settings=BRISK)


def open_mailbox(lab: Lab) -> None:
    command = ("python3", "/inside/mailbox.py", "/packages")
    lab.exec("systemd-run", "--quiet", "--collect", "--unit=mailbox", *command)
    lab.wait_until(lambda: "2525" in lab.exec("ss", "-ltn").stdout, what="a mail server")


def mails(lab: Lab) -> list[EmailMessage]:
    if not lab.exists("/root/mails"):
        return []
    parts = lab.read("/root/mails").split("\n=== end ===\n")[:-1]
    return [email.message_from_string(part.partition("\n")[2], policy=default) for part in parts]


def receivers(lab: Lab) -> list[str]:
    return [str(mail["To"]) for mail in mails(lab)]


def await_mails(lab: Lab, number: int, timeout: float = 20) -> list[EmailMessage]:
    lab.wait_until(lambda: len(mails(lab)) >= number, timeout, f"{number} mails")
    return mails(lab)


def state_document(lab: Lab) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(lab.exec("redis-cli", "GET", "quantum:policy").stdout)
    return found["emergency_stop"]  # type: ignore[no-any-return]


def events(lab: Lab) -> list[str]:
    lines = lab.exec("redis-cli", "XRANGE", "quantum:events", "-", "+").stdout.split()
    return [line for line in lines if line.startswith("emergency.")]


@pytest.mark.every_image
def test_everybody_is_told_of_the_stop_and_of_its_end_once(desk: Lab) -> None:
    desk.exec(CONTROLLER, "activate", "--reason", "funding gone mad")
    first = await_mails(desk, 2)
    assert sorted(str(mail["To"]) for mail in first) == ["alice@desk.example", "bob@desk.example"]
    text = first[0].get_content()
    assert "funding gone mad" in text
    assert "ess ack" in text
    desk.wait_until(lambda: desk.exec(*MARKER).stdout.strip() != "", what="the marker")
    assert state_document(desk)["active"] is True
    desk.exec("ess", "ack", "--reason", "on it")
    await_kind(desk, "ack")
    desk.exec("ess", "deactivate", "--yes", "--reason", "mended", timeout=60)
    await_mails(desk, 4)
    desk.wait_until(lambda: desk.exec(*MARKER).stdout.strip() == "", what="no marker")
    assert state_document(desk)["active"] is False
    assert events(desk) == ["emergency.stop", "emergency.reset"]
    await_kind(desk, "alert-sent", 6)
    told = [(one["channel"], one["told"]) for one in of_kind(desk, "alert-sent")]
    names = ("redis", "email-1", "email-2")
    assert sorted(told) == sorted((n, p) for n in names for p in ("contained", "released"))
    desk.wait_until(lambda: desk.sh("ls /var/lib/quantum-ess/cases").stdout == "", what="no case")
    assert len(mails(desk)) == 4
    assert_whole(desk)


def test_nobody_answers_so_the_next_one_is_reminded_until_somebody_does(desk: Lab) -> None:
    """So is a Redis that forgot, as long as the latch is on."""
    desk.write(SETTINGS, MAIL.replace("REPEAT=15", "REPEAT=5"), mode=0o600)
    touch(desk)
    await_mails(desk, 2)
    desk.wait_until(lambda: desk.exec(*MARKER).stdout.strip() != "", what="the marker")
    desk.exec("redis-cli", "FLUSHALL")
    subjects = await_mails(desk, 4, timeout=60)
    assert receivers(desk)[2:4] == ["alice@desk.example", "bob@desk.example"]
    assert "1" in str(subjects[2]["Subject"])
    desk.wait_until(lambda: desk.exec(*MARKER).stdout.strip() != "", 30, "the marker again")
    done = desk.exec("ess", "ack")
    assert done.stdout.startswith("Acknowledged by root")
    await_kind(desk, "ack")
    seen = len(mails(desk))
    again = desk.exec("ess", "ack")
    assert "Already acknowledged by root" in again.stdout
    # Two more would have been due by then.
    desk.sh("sleep 12", timeout=40)
    assert len(mails(desk)) == seen


def test_a_mail_server_that_is_away_gets_it_later_and_redis_at_once(desk: Lab) -> None:
    desk.systemctl("stop", "mailbox.service")
    desk.exec(CONTROLLER, "activate")
    desk.wait_until(lambda: desk.exec(*MARKER).stdout.strip() != "", what="the marker")
    await_kind(desk, "alert-failed", 2)
    open_mailbox(desk)
    assert "trading is stopped" in str(await_mails(desk, 2, timeout=40)[0]["Subject"])


def test_a_secret_may_be_a_credential(desk: Lab) -> None:
    desk.exec("sed", "-i", "/QT_ESS_EMAIL_TO/d", SETTINGS)
    desk.write("/root/to", "carol@desk.example\n", mode=0o600)
    desk.put_unit(
        "quantum-ess-deliver.service.d/secret.conf",
        "[Service]\nLoadCredential=QT_ESS_EMAIL_TO:/root/to\n",
    )
    desk.exec(CONTROLLER, "activate")
    await_mails(desk, 1)
    assert receivers(desk) == ["carol@desk.example"]


def test_a_release_by_hand_is_told_of(desk: Lab) -> None:
    desk.exec(CONTROLLER, "activate")
    await_mails(desk, 2)
    remove_by_hand(desk)
    text = await_mails(desk, 4, timeout=30)[-1].get_content()
    assert "by hand" in text
    assert of_kind(desk, "release-finished")


def test_what_talks_to_the_network_cannot_release_the_latch(desk: Lab) -> None:
    """It runs code that is not ours; as root, but without the means."""
    desk.exec(CONTROLLER, "activate")
    await_mails(desk, 2)
    attacks = (
        "rm -f /run/quantum/ESS_ON",
        "rm -f /var/lib/quantum-ess/ESS_ON",
        "mv /var/lib/quantum-ess/ESS_ON /var/lib/quantum-ess/cases/",
        "umount -l /var/lib/quantum-ess",
        "mount -o remount,rw /run",
        "systemctl stop quantum-ess-trigger.service",
        "busctl call org.freedesktop.systemd1 /org/freedesktop/systemd1"
        " org.freedesktop.systemd1.Manager StopUnit ss quantum-ess-trigger.service replace",
        "echo 1 >/sys/fs/cgroup/system.slice/quantum-ess-trigger.service/cgroup.freeze",
        "echo '#' >>/usr/local/lib/quantum-ess/ops/ess_controller.sh",
    )
    out = "/var/lib/quantum-ess/deliveries/attack"
    script = "\n".join(f"({one}) && echo worked: {shlex.quote(one)} >>{out}" for one in attacks)
    desk.write("/usr/local/bin/attack.sh", f"#!/bin/bash\necho ran >{out}\n{script}\n", mode=0o755)
    desk.put_unit(
        "quantum-ess-deliver.service.d/attack.conf",
        "[Service]\nExecStart=\nExecStart=/usr/local/bin/attack.sh\n",
    )
    # One that still runs would take the start for its own.
    desk.systemctl("stop", "quantum-ess-deliver.path", "quantum-ess-deliver.service")
    desk.systemctl("start", "quantum-ess-deliver.service", check=False)
    assert desk.read(out) == "ran\n"
    g.assert_contained(desk, "quantum-execution.service")
