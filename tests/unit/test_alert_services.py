"""A service with keys of its own is had from apprise without the two hundred others."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
# What apprise makes of each channel, and how many of its modules were loaded for it.
SCRIPT = """
import sys
import apprise
from ess.aftermath.settings import DEFAULTS, Settings
from ess.alerts import send
from ess.alerts.channels import configured
from tests.unit.test_alert_channels import EMAIL, LOGIN, SLACK, SMS
if sys.argv[1] == "moved":
    send._HOMES = dict.fromkeys(send._HOMES, ("apprise.plugins.nowhere", "Nothing"))
channels, _ = configured(Settings(DEFAULTS | EMAIL | LOGIN | SLACK | SMS))
for one in channels:
    plugin = one._plugin(apprise, send._asset(apprise))
    print(one.name, type(plugin).__name__, plugin.url(), sorted(plugin.tags), plugin.enabled)
print(sum(name.startswith("apprise.plugins.") for name in sys.modules))
"""


def made(how: str) -> tuple[list[str], int]:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, how],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    *channels, modules = done.stdout.splitlines()
    return channels, int(modules)


def test_it_is_the_one_that_apprise_finds_by_its_name_and_takes_no_other() -> None:
    channels, modules = made("at home")
    moved, everything = made("moved")
    assert channels == moved
    assert [line.split()[0] for line in channels] == [
        *("slack", "sms-1", "sms-2", "email-1", "email-2")
    ]
    assert modules < 30
    assert everything > 150
