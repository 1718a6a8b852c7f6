"""Secrets of alerts as credentials: tests of alerts, the doctor and the drill see them, too."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.lab import managers
from tests.lab.host import CHECKOUT
from tests.lab.rig import BRISK, CONTROLLER, DRILL, arm

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Mapping

    from tests.lab.conftest import BootLab
    from tests.lab.lab import Lab

SETTINGS = "/etc/quantum-ess/aftermath.env"
DROP_IN = "quantum-ess-deliver.service.d/secret.conf"
MAILBOX = CHECKOUT / "scripts/proof_lab/units/mailbox.py"
MAILS = "/root/mails"
MAIL = """QT_ESS_SMTP_HOST=127.0.0.1
QT_ESS_SMTP_PORT=2525
QT_ESS_SMTP_SECURITY=none
QT_ESS_EMAIL_FROM=ess@desk.example
"""
# Of a service that nobody runs; it stands in a URL, where it could be quoted.
SECRET = "hunter2hunter2"
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--")


@pytest.fixture
def desk(boot_lab: BootLab, lab_image: str) -> Lab:
    """An armed host with a mail server; the addressee comes as a credential alone."""
    lab = arm(managers.boot(boot_lab, lab_image), settings=BRISK)
    lab.write("/root/mailbox.py", MAILBOX.read_text())
    lab.write(SETTINGS, MAIL, mode=0o600)
    lab.sh(f"systemd-run -q --unit=mailbox python3 -I /root/mailbox.py {MAILS}")
    lab.wait_until(lambda: "2525" in lab.exec("ss", "-ltn").stdout, what="a mail server")
    credential(lab, "LoadCredential=QT_ESS_EMAIL_TO:/root/to")
    lab.write("/root/to", "carol@desk.example\n", mode=0o600)
    return lab


def credential(lab: Lab, *lines: str) -> None:
    lab.put_unit(DROP_IN, "\n".join(("[Service]", *lines, "")))


def alert_test(lab: Lab, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    done = lab.exec("ess", "alert", "test", *arguments, check=False, timeout=60)
    assert done.returncode == code, done.stdout + done.stderr
    return done


def findings(
    lab: Lab, *who: str, env: Mapping[str, str] | None = None
) -> dict[str, dict[str, str]]:
    done = lab.exec(*who, "ess", "doctor", "--json", check=False, timeout=60, env=env)
    assert done.stderr == ""
    answer: dict[str, Any] = json.loads(done.stdout)
    return {finding["code"]: finding for finding in answer["findings"]}


def left_over(lab: Lab) -> str:
    return lab.sh("ls -A /run/quantum-ess/questions").stdout


@pytest.mark.every_image
def test_a_channel_whose_key_is_a_credential_is_tested_and_judged(
    desk: Lab, lab_image: str
) -> None:
    done = alert_test(desk)
    assert done.stdout.startswith("email-1  delivered in ")
    assert done.stderr == ""
    assert "carol@desk.example" in desk.read(MAILS)
    for manager in managers.MANAGERS[lab_image]:
        assert set(findings(desk, env=managers.environment(manager))) == {"alert-unacked"}
    assert alert_test(desk, "email-1").stdout.startswith("email-1  delivered in ")
    assert "configured: email-1" in alert_test(desk, "slack", code=2).stderr
    desk.exec("ess", "drill", timeout=150)
    assert "channels=email-1:yes" in desk.read(DRILL)
    assert findings(desk) == {}
    assert left_over(desk) == ""


def test_people_whom_credentials_alone_name_are_told_of_a_stop(desk: Lab) -> None:
    """Nothing in aftermath.env says that there is anybody to tell."""
    desk.exec("rm", SETTINGS)
    keys = (line.replace("=", ":", 1) for line in f"{MAIL}QT_ESS_EMAIL_TO=carol@x.example".split())
    credential(desk, *(f"SetCredential={key}" for key in keys))
    desk.exec(CONTROLLER, "activate")
    desk.wait_until(
        lambda: desk.exists(MAILS) and "trading is stopped" in desk.read(MAILS), 15, "an alert"
    )
    desk.exec(CONTROLLER, "deactivate", "--no-start", timeout=30)
    desk.wait_until(lambda: desk.read(MAILS).count("Subject:") == 2, 15, "told of the release")


@pytest.mark.both_systemds
def test_a_credential_that_is_gone_is_a_delivery_that_does_not_start(desk: Lab) -> None:
    desk.exec("rm", "/root/to")
    broken = findings(desk)["delivery-broken"]
    assert broken["where"] == "quantum-ess-deliver.service"
    assert "credential" in broken["message"]
    assert findings(desk).keys() == {"delivery-broken"}, "what it would see is not guessed at"
    said = alert_test(desk, code=5)
    assert said.stdout == ""
    assert said.stderr.startswith("ess: quantum-ess-deliver.service does not start: a credential")
    assert "journalctl -u quantum-ess-deliver" in said.stderr
    desk.write("/root/to", "carol@desk.example\n", mode=0o600)
    # It failed just now; that is over.
    assert alert_test(desk).stdout.startswith("email-1  delivered in ")
    assert left_over(desk) == ""


def test_what_is_wrong_with_a_credential_is_named_and_no_value_shown(desk: Lab) -> None:
    url = f"jsons://desk:{SECRET}@127.0.0.1:9"
    credential(
        desk,
        f"SetCredential=QT_ESS_ALERT_URLS:{url}",
        f"SetCredential=QT_ESS_SMTP_PASWORD:{SECRET}",
        f"SetCredential=QT_ESS_SLACK_WEBHOOK_URL:{SECRET}",
        "SetCredential=other:fine",
    )
    said = alert_test(desk, code=5)
    assert said.stdout.startswith("url-1  NOT DELIVERED after ")
    assert "credential QT_ESS_SMTP_PASWORD: unknown key" in said.stderr
    assert "no slack alerts: QT_ESS_SLACK_WEBHOOK_URL is not like" in said.stderr
    done = desk.exec("ess", "doctor", "--json", check=False, timeout=60)
    wrong = [one for one in json.loads(done.stdout)["findings"] if "misconf" in one["code"]]
    assert len(wrong) == 3, "e-mail has no addressee any more"
    slack = next(one for one in wrong if "slack" in one["message"])
    assert slack["fix"].startswith("systemctl cat quantum-ess-deliver.service")
    everything = said.stdout + said.stderr + done.stdout + desk.journal()
    assert SECRET not in everything
    assert SECRET not in desk.read("/var/log/quantum-ess/audit.jsonl")


def test_a_test_during_a_stop_delays_no_alert(desk: Lab) -> None:
    # A server that takes connections and says nothing: a test of it lasts its 30 s.
    server = "import socket, time; s = socket.create_server(('127.0.0.1', 9)); time.sleep(60)"
    desk.exec("systemd-run", "-q", "--unit=silent", "python3", "-I", "-c", server)
    desk.wait_until(lambda: "127.0.0.1:9 " in desk.exec("ss", "-ltn").stdout, what="it listens")
    credential(
        desk,
        "SetCredential=QT_ESS_ALERT_URLS:json://127.0.0.1:9",
        "LoadCredential=QT_ESS_EMAIL_TO:/root/to",
    )
    desk.sh("systemd-run -q --unit=asks ess alert test url-1")
    desk.wait_until(
        lambda: desk.state("quantum-ess-deliver.service") == "activating", 10, "the test runs"
    )
    desk.exec(CONTROLLER, "activate")
    desk.wait_until(
        lambda: desk.exists(MAILS) and "trading is stopped" in desk.read(MAILS), 15, "an alert"
    )


def test_a_service_that_cannot_be_asked_is_unknown_to_the_doctor(desk: Lab) -> None:
    with desk.pid1_frozen():
        found = findings(desk)
        said = alert_test(desk, code=5)
    assert set(found) == {"systemd-silent", "aftermath-unknown"}
    assert said.stderr.count("\n") == 1
    assert left_over(desk) == ""


def test_who_is_not_root_learns_nothing_and_starts_nothing(desk: Lab) -> None:
    assert set(findings(desk, *NOBODY)) == {"aftermath-unknown"}
    assert desk.state("quantum-ess-deliver.service") == "inactive"


def test_garbage_among_the_questions_harms_nobody(desk: Lab) -> None:
    desk.sh(
        "cd /run/quantum-ess/questions; mkdir 1-1; mkfifo 2-2; echo '{' >3-3; echo '[]' >4-4;"
        " ln -s /dev/zero 5-5; head -c 3000000 /dev/zero >6-6; echo x >no-question;"
        """ echo '{"test":"*","operator":"x","seconds":30}' >7-7; touch -d -2min 7-7"""
    )
    assert alert_test(desk, "email-1").stdout.startswith("email-1  delivered in ")
    assert desk.read(MAILS).count("carol@desk.example") >= 1
    assert "7-7" not in left_over(desk), "an old question is forgotten, and not answered"
    assert desk.read(MAILS).count("Subject:") == 1
