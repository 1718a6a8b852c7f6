"""Mail servers, as they answer and as they fail."""

from __future__ import annotations

import email
import email.policy
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.alerts.world import EMAIL, FOREIGN, PASSWORD

if TYPE_CHECKING:
    from tests.alerts.world import World

TLS = {"QT_ESS_SMTP_SECURITY": "tls", "QT_ESS_SMTP_PORT": "465"}
OPEN = {
    "QT_ESS_SMTP_HOST": "mail.example",
    "QT_ESS_SMTP_PORT": "25",
    "QT_ESS_SMTP_SECURITY": "none",
    "QT_ESS_EMAIL_FROM": "ess@mail.example",
    "QT_ESS_EMAIL_TO": "oncall@mail.example",
}


def failure(world: World, channel: str = "email-1") -> str:
    done = world.ess("deliver", "--test", channel)
    assert (done.returncode, done.stdout) == (5, "")
    assert done.stderr.count("\n") == 1
    assert PASSWORD[:10] not in done.stderr
    assert world.got("mail") == []
    return done.stderr


@pytest.mark.parametrize("more", [{}, TLS], ids=["starttls", "tls"])
def test_a_mail_arrives_after_a_login(world: World, more: dict[str, str]) -> None:
    world.configure({**EMAIL, **more})
    done = world.ess("deliver", "--test", "email-1")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "Sent Email to oncall@mail.example\n"
    [login] = world.got("login")
    assert (login["user"], login["password"]) == ("ess@mail.example", PASSWORD)
    [mail] = world.got("mail")
    assert (mail["sender"], mail["rcpt"]) == ("ess@mail.example", ["oncall@mail.example"])
    message = email.message_from_string(mail["body"], policy=email.policy.default)
    assert message["From"] == "Trading Stop <ess@mail.example>"
    assert message["To"] == "oncall@mail.example"
    assert message["Subject"].startswith("TEST, no emergency")
    assert message.get_content_type() == "text/plain"
    assert message.get_content().startswith("THIS IS A TEST and no emergency.")


def test_a_mail_without_login_or_tls_where_configured_so(world: World) -> None:
    world.configure(OPEN)
    assert world.ess("deliver", "--test", "email-1").returncode == 0
    assert len(world.got("mail")) == 1


def test_no_header_and_no_markup_comes_from_a_reason(world: World) -> None:
    world.configure(OPEN)
    script = """
from ess.aftermath import settings
from ess.aftermath.channel import Case, Phase
from ess.alerts import channels
from ess.paths import Paths
[mail], _ = channels.configured(settings.load(Paths()))
evil = "x\\r\\nBcc: all@mail.example\\r\\n\\r\\n<script>alert(1)</script>\\n.\\nQUIT"
case = Case("id", Phase.CONTAINED, 1, 1, 1, {"reason": evil, "host": evil, "operator": evil})
print(mail.tell(case, 3))
"""
    assert "Sent Email" in world.python(script).stdout
    [mail] = world.got("mail")
    assert mail["rcpt"] == ["oncall@mail.example"]
    message = email.message_from_string(mail["body"], policy=email.policy.default)
    assert "Bcc" not in message
    assert message.get_content_type() == "text/plain"
    assert "<script" not in message.get_content()
    assert "REMINDER 3" in message["Subject"]


def test_the_recipient_is_refused(world: World) -> None:
    world.configure(EMAIL)
    assert "no such user here" in failure(world, "email-2")


@pytest.mark.parametrize("answer", ["no", "echo"])
def test_the_login_is_refused(world: World, answer: str) -> None:
    world.configure(EMAIL, login=answer)
    assert "535" in failure(world)


def test_a_certificate_of_somebody_else(world: World) -> None:
    world.configure({**EMAIL, "QT_ESS_SMTP_PORT": "588"})
    assert "CERTIFICATE_VERIFY_FAILED" in failure(world)
    assert world.got("login") == []


def test_a_name_the_certificate_does_not_have(world: World) -> None:
    world.configure({**EMAIL, "QT_ESS_SMTP_HOST": "other.example"})
    world.resolve({"other.example": "127.0.0.1"})
    assert "CERTIFICATE_VERIFY_FAILED" in failure(world)
    assert world.got("login") == []


def test_a_server_without_tls_gets_no_password(world: World) -> None:
    world.configure({**EMAIL, "QT_ESS_SMTP_PORT": "25"})
    assert "STARTTLS" in failure(world)
    assert world.got("login") == []


def test_a_server_that_never_answers(world: World) -> None:
    """The program's own limit ends it, before the deadline of the child it runs in."""
    world.configure({**EMAIL, "QT_ESS_SMTP_PORT": "2525"})
    assert "timed out" in failure(world)


def test_a_name_server_that_never_answers_is_cut_off_from_outside(world: World) -> None:
    world.configure(EMAIL)
    world.resolve({}, nameserver="127.0.0.1")
    with pytest.raises(subprocess.TimeoutExpired):
        world.ess("deliver", "--test", "email-1", seconds=3)


def test_nobody_listens(world: World) -> None:
    world.configure(EMAIL)
    world.resolve({"mail.example": FOREIGN})
    assert "Connection refused" in failure(world)
