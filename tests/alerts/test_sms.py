"""Twilio, as it answers and as it fails."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

import pytest

from tests.alerts.world import FOREIGN, SMS, TWILIO_SID, TWILIO_TOKEN

if TYPE_CHECKING:
    from tests.alerts.world import World

HOST = "api.twilio.com"


@pytest.mark.parametrize(
    ("channel", "number"), [("sms-1", "+15551234567"), ("sms-2", "+4915112345678")]
)
def test_one_message_to_one_number(world: World, channel: str, number: str) -> None:
    world.configure(SMS)
    done = world.ess("deliver", "--test", channel)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"Sent Twilio notification to {number}\n"
    [request] = world.got(HOST)
    assert request["path"] == f"/2010-04-01/Accounts/{TWILIO_SID}/Messages.json"
    kind, _, credentials = request["headers"]["Authorization"].partition(" ")
    assert kind == "Basic"
    assert base64.b64decode(credentials).decode() == f"{TWILIO_SID}:{TWILIO_TOKEN}"
    form = parse_qs(request["body"])
    assert (form["From"], form["To"]) == (["+15550000001"], [number])
    [text] = form["Body"]
    assert text.startswith("ESS ")
    assert "TEST, NO EMERGENCY" in text
    assert len(text) <= 160


@pytest.mark.parametrize("answer", ["500", "429", "echo"])
def test_a_refusal_says_why_and_gives_nothing_away(world: World, answer: str) -> None:
    world.configure(SMS, api_twilio_com=answer)
    done = world.ess("deliver", "--test", "sms-1")
    assert (done.returncode, done.stdout) == (5, "")
    assert len(world.got(HOST)) == 1, "it tried again"
    assert f"error={'20003' if answer == 'echo' else answer}" in done.stderr
    encoded = base64.b64encode(f"{TWILIO_SID}:{TWILIO_TOKEN}".encode()).decode()
    assert TWILIO_TOKEN not in done.stderr
    assert encoded[-20:] not in done.stderr


def test_a_certificate_of_somebody_else(world: World) -> None:
    world.configure(SMS)
    world.resolve({HOST: FOREIGN})
    done = world.ess("deliver", "--test", "sms-1")
    assert done.returncode == 5
    assert "CERTIFICATE_VERIFY_FAILED" in done.stderr
    assert world.got(HOST) == []
