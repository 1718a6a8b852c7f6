"""`ess alert test`: every channel at once, each bounded, and no secret anywhere."""

from __future__ import annotations

import base64
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus

import pytest

from tests.alerts.world import CONFIGURATION, EMAIL, SECRETS, SLACK, SMS, TWILIO_SID

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.alerts.world import World

ALL = {**SLACK, **SMS, **EMAIL}
LINE = re.compile(r"(\S+) +(delivered in|NOT DELIVERED after) (\d+) ms: (.+)")


def lines(text: str) -> dict[str, tuple[bool, int, str]]:
    """Return what is said of each channel. Raises AssertionError on any other line."""
    found = {}
    *channels, verdict, what_next = text.splitlines()
    assert what_next.startswith("Next: ")
    for line in channels:
        match = LINE.fullmatch(line)
        assert match, line
        found[match[1]] = (match[2] == "delivered in", int(match[3]), match[4])
    delivered = sum(one for one, _, _ in found.values())
    assert verdict == f"{delivered} of {len(found)} would have been told of a stop."
    return found


def traces() -> Iterator[str]:
    """Yield each secret in every form in which it could be met."""
    for secret in (*SECRETS, f"{TWILIO_SID}:{SECRETS[1]}", f"\0ess@mail.example\0{SECRETS[2]}"):
        yield from {secret, quote(secret), quote(secret, safe=""), quote_plus(secret)}
        yield base64.b64encode(secret.encode()).decode()[:20]


def given_away(text: str) -> list[str]:
    return [trace for trace in traces() if trace.lower() in text.lower()]


def test_all_are_told_and_it_is_written_down(world: World) -> None:
    mails = {"QT_ESS_EMAIL_TO": "oncall@mail.example"}
    world.configure({**ALL, **mails})
    done = world.ess("alert", "test")
    assert (done.returncode, done.stderr) == (0, "")
    answers = lines(done.stdout)
    assert list(answers) == ["slack", "sms-1", "sms-2", "email-1"]
    assert all(delivered for delivered, _, _ in answers.values())
    assert answers["email-1"][2] == "Sent Email to oncall@mail.example"
    events = {event["channel"]: event for event in world.spool()}
    assert set(events) == set(answers)
    for name, (_, ms, text) in answers.items():
        assert events[name]["event"] == "alert-test"
        assert events[name]["delivered"] == "yes"
        assert (events[name]["answer"], events[name]["lasted"]) == (text, str(ms))
        assert f"ALERT TEST {name}: delivered in {ms} ms" in world.journal()


def test_one_that_hangs_holds_up_no_other_and_is_gone_afterwards(world: World) -> None:
    world.configure(ALL, hooks_slack_com="drip", api_twilio_com="echo", login="echo")
    script = """
from ess.alerts import trial
from ess.paths import Paths
raise SystemExit(trial.run(Paths(), None, 8))
"""
    begun = time.monotonic()
    done = world.python(script)
    assert time.monotonic() - begun < 16
    assert done.returncode == 5
    answers = lines(done.stdout)
    assert answers["slack"][::2] == (False, "no answer within 8 s")
    for name in ("sms-1", "sms-2", "email-1", "email-2"):
        delivered, ms, _ = answers[name]
        assert not delivered
        assert ms < 8000
    assert {event["delivered"] for event in world.spool()} == {"no"}
    assert not given_away(done.stdout + done.stderr + world.journal())
    assert not programs(world, "deliver --test")


def programs(world: World, words: str) -> list[str]:
    """Return the command lines in the world that contain some words; others have their own."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            inside = (process / "ns" / "net").readlink() == world.network
        except OSError:
            continue
        if inside and words in line:
            found.append(line)
    return found


def test_no_secret_is_in_a_command_line_or_an_environment(world: World) -> None:
    world.configure(ALL, hooks_slack_com="drip")
    with world.starting("deliver", "--test", "slack") as running:
        try:
            deadline = time.monotonic() + 10
            while not world.got("hooks.slack.com"):
                assert time.monotonic() < deadline
                time.sleep(0.05)
            assert programs(world, "deliver --test slack"), "looked at the wrong time"
            assert not given_away("\n".join(programs(world, "")))
            environment = Path(f"/proc/{running.pid}/environ").read_bytes()
            assert not given_away(environment.replace(b"\0", b"\n").decode())
        finally:
            running.kill()


def test_one_channel_alone(world: World) -> None:
    world.configure(ALL)
    done = world.ess("alert", "test", "sms-2")
    assert (done.returncode, done.stderr) == (0, "")
    assert list(lines(done.stdout)) == ["sms-2"]
    assert [event["channel"] for event in world.spool()] == ["sms-2"]


def test_an_unknown_channel(world: World) -> None:
    world.configure(SLACK, {"QT_ESS_SMTP_HOST": "mail.example"})
    done = world.ess("alert", "test", "sms-1")
    assert (done.returncode, done.stdout) == (2, "")
    assert "no alert channel sms-1; configured: slack; no e-mail alerts:" in done.stderr
    assert done.stderr.count("\n") == 1


def test_nothing_configured(world: World) -> None:
    world.configure()
    done = world.ess("alert", "test")
    assert (done.returncode, done.stdout) == (5, "")
    assert done.stderr == (
        f"ess: no alert channel is configured: nobody is told of a stop; edit {CONFIGURATION}\n"
    )


def test_a_half_configured_group_is_no_success(world: World) -> None:
    world.configure(SLACK, {"QT_ESS_SMTP_HOST": "mail.example", "QT_ESS_TYPO": "1"})
    done = world.ess("alert", "test")
    assert done.returncode == 5
    assert lines(done.stdout)["slack"][0] is True
    assert "unknown key QT_ESS_TYPO" in done.stderr
    assert "QT_ESS_EMAIL_FROM and QT_ESS_EMAIL_TO not set" in done.stderr
    world.spool()


def test_any_other_service_by_its_url(world: World) -> None:
    token = "urlSecret%20x"
    good = f"jsons://user:{token}@hooks.slack.com/a/path?retry=5&optional=yes&redirect=yes"
    world.configure({"QT_ESS_ALERT_URLS": f"{good} nosuch://{token} jsons://h/?verify=no ntfy"})
    done = world.ess("alert", "test")
    answers = lines(done.stdout)
    assert answers["url-1"][0] is True
    assert answers["url-2"][0] is False
    assert "url-3" not in answers
    assert "number 3 of QT_ESS_ALERT_URLS switches off the check" in done.stderr
    assert "number 4 of QT_ESS_ALERT_URLS is no apprise URL" in done.stderr
    assert "urlSecret" not in done.stdout + done.stderr + world.journal()
    world.spool()


@pytest.mark.parametrize("answer", ["500", "moved"])
def test_a_url_cannot_ask_for_retries_or_call_failure_success(world: World, answer: str) -> None:
    url = "jsons://hooks.slack.com/?retry=5&optional=yes&redirect=yes&wait=0"
    world.configure({"QT_ESS_ALERT_URLS": url}, hooks_slack_com=answer)
    assert world.ess("deliver", "--test", "url-1").returncode == 5
    assert len(world.got("hooks.slack.com")) == 1
    assert world.got("mail.example") == [], "it followed"


def test_without_apprise_it_says_what_to_install(world: World) -> None:
    world.configure(SLACK)
    script = """
import sys
sys.modules["apprise"] = None
from ess import __main__ as entry
sys.argv = ["ess", "deliver", "--test", "slack"]
raise SystemExit(entry.main())
"""
    done = world.python(script)
    assert done.returncode == 5
    assert "install quantum-ess[alerts]" in done.stderr


def test_choosing_channels_loads_nothing_of_apprise(world: World) -> None:
    world.configure(ALL)
    script = """
import sys
from ess.aftermath import settings
from ess.alerts import channels
from ess.paths import Paths
found, _ = channels.configured(settings.load(Paths()))
print(*(one.name for one in found), {"apprise", "requests", "smtplib"} & set(sys.modules))
print(found, file=sys.stderr)
"""
    done = world.python(script)
    assert done.stdout == "slack sms-1 sms-2 email-1 email-2 set()\n"
    assert not given_away(done.stderr)


def test_apprise_reads_no_configuration_of_its_own(world: World) -> None:
    """Neither the environment nor a file of root's adds an addressee or a plugin."""
    world.configure(SLACK)
    script = """
import os
root = os.path.expanduser("~root")
for name in ("APPRISE_CONFIG_PATH", "APPRISE_PLUGIN_PATH", "APPRISE_URLS"):
    os.environ[name] = "jsons://hooks.slack.com/intruder"
opened = []
import sys
sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == "open" else None)
from ess import __main__ as entry
sys.argv = ["ess", "deliver", "--test", "slack"]
code = entry.main()
strange = [name for name in opened if "apprise" in name and "site-packages" not in name]
print(code, strange)
"""
    assert world.python(script).stdout == "Sent Slack notification\n0 []\n"
    assert len(world.got("hooks.slack.com")) == 1


def test_only_root(world: World) -> None:
    world.configure(SLACK)
    script = """
import os, sys
os.geteuid = lambda: 65534
from ess import __main__ as entry
sys.argv = ["ess", "alert", "test"]
raise SystemExit(entry.main())
"""
    done = world.python(script)
    assert (done.returncode, done.stdout) == (3, "")
    assert "run: sudo ess alert test" in done.stderr
