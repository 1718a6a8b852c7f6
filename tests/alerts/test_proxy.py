"""A host that reaches the internet through a proxy only."""

from __future__ import annotations

import base64
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from tests.alerts.world import EMAIL, SLACK, SLACK_TOKEN

if TYPE_CHECKING:
    from tests.alerts.world import World

HOST = "hooks.slack.com"
PASSWORD = "pr0xy:S3cret/@x"
LOGIN = f"desk:{PASSWORD}"
URL = f"http://desk:{quote(PASSWORD, safe='')}@127.0.0.1:3128"
PROXY = {"QT_ESS_HTTPS_PROXY": URL}
ENCODED = base64.b64encode(LOGIN.encode()).decode()
TRACES = (PASSWORD, quote(PASSWORD, safe=""), ENCODED[:16], "S3cret")


def assert_kept_secret(text: str) -> None:
    assert not [trace for trace in TRACES if trace in text]


def test_an_alert_goes_through_it_with_a_login(world: World) -> None:
    world.configure(SLACK, PROXY)
    world.resolve({})
    done = world.ess("alert", "test", "slack")
    assert (done.returncode, done.stderr) == (0, "")
    [asked] = world.got("proxy")
    assert (asked["method"], asked["target"]) == ("CONNECT", f"{HOST}:443")
    assert asked["login"] == f"Basic {ENCODED}"
    [request] = world.got(HOST)
    assert request["path"].endswith(SLACK_TOKEN)
    assert not {name for name in request["headers"] if name.lower().startswith("proxy-")}
    world.spool()


def test_one_that_intercepts_gets_nothing(world: World) -> None:
    world.configure(SLACK, PROXY, proxy="intercept")
    done = world.ess("deliver", "--test", "slack")
    assert done.returncode == 5
    assert "CERTIFICATE_VERIFY_FAILED" in done.stderr
    assert world.got(HOST) == []


def test_one_that_refuses_and_quotes_the_login(world: World) -> None:
    world.configure(SLACK, PROXY, proxy="refuse")
    done = world.ess("alert", "test", "slack")
    assert done.returncode == 5
    assert "407" in done.stdout
    said = done.stdout + done.stderr + world.journal() + repr(world.spool())
    assert_kept_secret(said)
    assert SLACK_TOKEN not in said


@pytest.mark.parametrize("where", ["127.0.0.1:3129", "nowhere.example:3128"])
def test_one_that_is_away_is_named_without_its_login(world: World, where: str) -> None:
    url = URL.replace("127.0.0.1:3128", where)
    world.configure(SLACK, {"QT_ESS_HTTPS_PROXY": url})
    done = world.ess("deliver", "--test", "slack")
    assert done.returncode == 5
    assert "proxy" in done.stderr.lower()
    assert_kept_secret(done.stderr)


def test_some_are_reached_without_it(world: World) -> None:
    world.configure(SLACK, PROXY, {"QT_ESS_NO_PROXY": "10.0.0.0/8, slack.com"})
    assert world.ess("deliver", "--test", "slack").returncode == 0
    assert world.got("proxy") == []
    assert len(world.got(HOST)) == 1


def test_mail_is_sent_without_it(world: World) -> None:
    world.configure(EMAIL, PROXY)
    assert world.ess("deliver", "--test", "email-1").returncode == 0
    assert world.got("proxy") == []


def test_a_malformed_one_is_named_and_costs_no_alert(world: World) -> None:
    world.configure(SLACK, {"QT_ESS_HTTPS_PROXY": f"proxy.example/{PASSWORD}"})
    done = world.ess("alert", "test")
    assert done.returncode == 5
    assert "QT_ESS_HTTPS_PROXY is not like" in done.stderr
    assert_kept_secret(done.stdout + done.stderr)
    assert len(world.got(HOST)) == 1
    world.spool()


def test_its_login_is_in_no_command_line_and_no_environment(world: World) -> None:
    world.configure(SLACK, PROXY, hooks_slack_com="drip")
    with world.starting("deliver", "--test", "slack") as running:
        try:
            deadline = time.monotonic() + 10
            while not world.got(HOST):
                assert time.monotonic() < deadline
                time.sleep(0.05)
            for name in ("environ", "cmdline"):
                content = Path(f"/proc/{running.pid}/{name}").read_text()
                assert content, "looked at the wrong time"
                assert_kept_secret(content)
        finally:
            running.kill()
