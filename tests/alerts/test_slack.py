"""Slack, as it answers and as it fails."""

from __future__ import annotations

import json
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from tests.alerts.world import FOREIGN, SLACK, SLACK_TOKEN

if TYPE_CHECKING:
    from tests.alerts.world import World

HOST = "hooks.slack.com"


def failure(world: World) -> str:
    """Return why a test was not delivered. Raises AssertionError when it was."""
    done = world.ess("deliver", "--test", "slack")
    assert (done.returncode, done.stdout) == (5, "")
    assert done.stderr.startswith("ess: ")
    assert done.stderr.count("\n") == 1
    assert SLACK_TOKEN not in done.stderr
    return done.stderr


def test_a_message_arrives(world: World) -> None:
    world.configure(SLACK, {"QT_ESS_SLACK_CHANNEL": "#trading"})
    done = world.ess("deliver", "--test", "slack")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "Sent Slack notification to #trading\n"
    [request] = world.got(HOST)
    assert request["path"] == f"/services/T000/B000/{SLACK_TOKEN}"
    payload = json.loads(request["body"])
    assert payload["channel"] == "#trading"
    [attachment] = payload["attachments"]
    assert attachment["title"].startswith("TEST, no emergency")
    assert attachment["text"].startswith("THIS IS A TEST and no emergency.")
    assert "github" not in request["body"]


def test_nothing_of_a_reason_becomes_a_mention_or_a_link(world: World) -> None:
    world.configure(SLACK)
    script = """
from ess.aftermath import settings
from ess.aftermath.channel import Case, Phase
from ess.alerts import channels
from ess.paths import Paths
[slack], _ = channels.configured(settings.load(Paths()))
reason = "<!channel> <@U1> <https://evil.example|ok> &lt;!here&gt; *b* `c`"
case = Case("id", Phase.CONTAINED, 1, 1, 1, {"reason": reason, "host": "<!here>"})
print(slack.tell(case, 0))
"""
    assert world.python(script).stdout == "Sent Slack notification\n"
    [request] = world.got(HOST)
    payload = json.loads(request["body"])
    assert payload["mrkdwn"] is False
    shown = payload["attachments"][0]["title"] + payload["attachments"][0]["text"]
    assert "<" not in shown
    assert "&lt;!here" not in shown


@pytest.mark.parametrize("answer", ["500", "429", "403", "404", "garbage", "moved"])
def test_an_answer_that_is_no_yes_is_a_failure_at_once(world: World, answer: str) -> None:
    world.configure(SLACK, hooks_slack_com=answer)
    begun = time.monotonic()
    said = failure(world)
    assert time.monotonic() - begun < 10
    assert len(world.got(HOST)) == 1, "it tried again"
    assert world.got("mail.example") == [], "it followed"
    assert "Failed to send to Slack" in said
    assert "error=" + {"garbage": "200", "moved": "307"}.get(answer, answer) in said


def test_a_byte_a_second_is_cut_off_from_outside(world: World) -> None:
    world.configure(SLACK, hooks_slack_com="drip")
    with pytest.raises(subprocess.TimeoutExpired):
        world.ess("deliver", "--test", "slack", seconds=8)
    assert len(world.got(HOST)) == 1


def test_a_certificate_of_somebody_else(world: World) -> None:
    world.configure(SLACK)
    world.resolve({HOST: FOREIGN})
    assert "CERTIFICATE_VERIFY_FAILED" in failure(world)
    assert world.got(HOST) == []


def test_nobody_listens(world: World) -> None:
    world.configure(SLACK)
    world.resolve({HOST: "127.0.0.9"})
    assert "Connection refused" in failure(world)


def test_no_name_server(world: World) -> None:
    world.configure(SLACK)
    world.resolve({})
    assert "name resolution" in failure(world)


def test_a_name_server_that_never_answers_is_cut_off_from_outside(world: World) -> None:
    world.configure(SLACK)
    world.resolve({}, nameserver="127.0.0.1")
    with pytest.raises(subprocess.TimeoutExpired):
        world.ess("deliver", "--test", "slack", seconds=3)
