"""The doctor finds what keeps people from being told of a stop, on a host where that happens."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.lab import ground as g
from tests.lab.conftest import _layer
from tests.lab.host import CHECKOUT
from tests.lab.rig import BRISK, CONTROLLER, arm, ess
from tests.lab.test_events import await_kind

if TYPE_CHECKING:
    from tests.lab.conftest import BootLab
    from tests.lab.lab import Lab

DELIVERY = "quantum-ess-deliver.service"
SETTINGS = "/etc/quantum-ess/aftermath.env"
KEY = "SetCredential=QT_ESS_ALERT_URLS:json://127.0.0.1:9"
PACKAGES = "/opt/quantum-ess/venv/lib/python3*/site-packages"
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--")
# The mailbox of a lab takes mail on this port, once it runs.
MAIL = """QT_ESS_SMTP_HOST=127.0.0.1
QT_ESS_SMTP_PORT=2525
QT_ESS_SMTP_SECURITY=none
QT_ESS_EMAIL_FROM=ess@desk.example
QT_ESS_EMAIL_TO=alice@desk.example
"""


@pytest.fixture
def desk(boot_lab: BootLab, lab_image: str) -> Lab:
    """An armed host whose last drill an e-mail address and a Redis took part in."""
    mailbox = CHECKOUT / "scripts/proof_lab/units"
    lab = arm(boot_lab(layer=_layer(lab_image), bind_ro={mailbox: "/mail"}), settings=BRISK)
    lab.write(SETTINGS, f"{MAIL}QT_ESS_REDIS_URL=redis://127.0.0.1:6379/0\n", mode=0o600)
    lab.sh(
        "echo 'channels=redis:yes email-1:yes' >>/var/lib/quantum-ess/last-drill;"
        " echo chain=yes >>/var/lib/quantum-ess/last-drill; systemctl start redis-server"
    )
    assert findings(lab) == {}
    return lab


def doctor(lab: Lab, *who: str) -> dict[str, Any]:
    done = lab.exec(*who, "ess", "doctor", "--json", check=False, timeout=30)
    assert (done.returncode, done.stderr) == (0, ""), "none of this disarms"
    answer: dict[str, Any] = json.loads(done.stdout)
    assert answer["armed"] is True
    assert {finding["severity"] for finding in answer["findings"]} <= {"warning"}
    return answer


def findings(lab: Lab, *who: str) -> dict[str, dict[str, str]]:
    return {finding["code"]: finding for finding in doctor(lab, *who)["findings"]}


def mend(lab: Lab, finding: dict[str, str]) -> None:
    lab.sh(finding["fix"].replace("sudo ", ""))


@pytest.mark.every_image
def test_what_is_wrong_with_the_channels_is_found_and_mended(desk: Lab) -> None:
    desk.exec("chmod", "0644", SETTINGS)
    found = findings(desk)
    assert set(found) == {"alerts-exposed"}
    mend(desk, found["alerts-exposed"])
    desk.sh(f"cp -p {SETTINGS} /root/good; echo QT_ESS_SMTP_PROT=2525 >>{SETTINGS}")
    found = findings(desk)
    assert set(found) == {"alerts-misconfigured"}
    assert found["alerts-misconfigured"]["where"] == f"{SETTINGS}:7"
    desk.sh(f"cp -p /root/good {SETTINGS}; for p in apprise redis; do mv {PACKAGES}/$p /root; done")
    report = doctor(desk)["findings"]
    assert [(one["code"], one["where"]) for one in report] == [
        ("alerts-package", "apprise"),
        ("alerts-package", "redis"),
    ]
    desk.sh(f"mv /root/apprise /root/redis {PACKAGES}/")
    assert findings(desk) == {}


def test_who_is_not_root_learns_that_it_is_unknown_to_him(desk: Lab) -> None:
    found = findings(desk, *NOBODY)
    assert set(found) == {"aftermath-unknown"}
    assert found["aftermath-unknown"]["fix"] == "sudo ess doctor"
    assert doctor(desk, *NOBODY)["channels"] is None
    quick = desk.exec(*NOBODY, "ess", "status")
    assert "warning" not in quick.stdout


def test_an_alert_that_fails_is_found_until_it_gets_through(desk: Lab) -> None:
    desk.exec(CONTROLLER, "activate")
    await_kind(desk, "alert-failed")
    desk.wait_until(lambda: "alert-failing" in findings(desk), 10, "the mail has failed")
    found = findings(desk)["alert-failing"]
    assert found["where"] == "email-1"
    assert found["fix"] == "sudo ess alert test email-1"
    assert ess(desk, "status", "--quiet").returncode == 7
    desk.sh("systemd-run -q --unit=mailbox python3 -I /mail/mailbox.py /root/mails")
    desk.wait_until(lambda: desk.exists("/root/mails"), 60, "the mail got through")
    desk.wait_until(lambda: findings(desk) == {}, 20, "nothing is wrong any more")


def test_events_that_wait_are_found(desk: Lab) -> None:
    log, waits = "/var/log/quantum-ess", "/var/lib/quantum-ess/spool/new"
    desk.sh(f"mv {log} /root/log; echo >{log}; touch -d -3min {waits}/0000000000000001-1-1")
    found = findings(desk)
    assert "spool-waiting" in found
    assert "1 event waits" in found["spool-waiting"]["message"]
    # Where the log is to be, there is none that could be looked at.
    assert set(found) == {"spool-waiting", "aftermath-unknown"}
    desk.sh(f"rm {log}; mv /root/log {log}")
    mend(desk, found["spool-waiting"])
    assert findings(desk) == {}


def test_who_has_no_channel_is_not_asked_for_it(desk: Lab) -> None:
    """A start of the delivery costs more than the rest of the doctor; in doubt it is asked."""
    unit, drop_in = f"/etc/systemd/system/{DELIVERY}", f"/etc/systemd/system/{DELIVERY}.d"
    desk.exec("rm", SETTINGS)
    desk.wait_until(lambda: desk.state(DELIVERY) == "inactive", what="nothing is told")

    def look() -> dict[str, Any]:
        # Without its "armed": who edits a unit of ours disarms.
        done = desk.exec("ess", "doctor", "--json", check=False, timeout=30)
        answer: dict[str, Any] = json.loads(done.stdout)
        return answer

    def asked() -> bool:
        before = desk.show(DELIVERY, "ExecMainStartTimestampMonotonic")
        look()
        return desk.show(DELIVERY, "ExecMainStartTimestampMonotonic") != before

    assert not asked()
    desk.write(f"{drop_in}/x.conf", f"[Service]\n{KEY}\n")
    assert asked(), "systemd has not read it yet"
    desk.systemctl("daemon-reload")
    assert list(look()["channels"]) == ["url-1"]
    desk.exec("rm", "-r", drop_in)
    assert list(look()["channels"]) == ["url-1"], "systemd still has it"
    desk.systemctl("daemon-reload")
    assert not asked()
    desk.exec("sed", "-i", f"s|^Nice=|{KEY}\\n&|", unit)
    desk.systemctl("daemon-reload")
    assert list(look()["channels"]) == ["url-1"]
    desk.exec("ln", "-sf", "/dev/null", unit)
    desk.systemctl("daemon-reload")
    broken = [one for one in look()["findings"] if one["code"] == "delivery-broken"]
    assert [one["message"] for one in broken] == ["is masked"]


def test_a_host_where_systemd_hangs_is_looked_at_all_the_same(desk: Lab) -> None:
    desk.exec("chmod", "0644", SETTINGS)
    with desk.pid1_frozen():
        done = desk.exec("ess", "doctor", "--json", check=False, timeout=30)
    codes = [finding["code"] for finding in json.loads(done.stdout)["findings"]]
    assert codes == ["systemd-silent", "aftermath-unknown", "alerts-exposed"]
    assert g.alive(desk, "quantum-execution.service")
