"""bash, Python with systemctl and Python with pystemd pass the same table of scenarios."""

from __future__ import annotations

import contextlib
import itertools
from typing import TYPE_CHECKING

import pytest

from tests.lab import managers
from tests.lab.rig import BRISK, CONTROLLER, RUNNING, alive, any_flag, arm, latched
from tests.lab.scenarios import LATCHED, ORDER, SCENARIOS
from tests.lab.stack import TRADING_UNITS

if TYPE_CHECKING:
    import subprocess

    from tests.lab.conftest import BootLab
    from tests.lab.lab import Lab
    from tests.lab.scenarios import Scenario

pytestmark = pytest.mark.latch_alone

TOOLS = {
    "bash": (CONTROLLER, {}),
    "python-systemctl": ("ess", managers.environment("systemctl")),
    "python-pystemd": ("ess", managers.environment("pystemd")),
}
NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--")


@pytest.fixture
def host(boot_lab: BootLab, lab_image: str) -> Lab:
    return arm(managers.boot(boot_lab, lab_image), settings=BRISK)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("tool", TOOLS)
def test_same_table(host: Lab, tool: str) -> None:
    """One host for all of them: each begins with trading up and the stop armed.

    Or with the latch that it was to be given, when that is what the one before it leaves.
    """
    wrong = {}
    latched_already = False
    for scenario, following in itertools.zip_longest(SCENARIOS, SCENARIOS[1:]):
        given = scenario.given.removeprefix(LATCHED) if latched_already else scenario.given
        try:
            play(host, scenario, tool, given=given.removeprefix("; "))
        except AssertionError as error:
            wrong[scenario.name] = str(error)
        latched_already = not wrong and leaves_it_latched(scenario, following)
        if not wrong and (latched_already or leaves_it_trading(scenario, following)):
            do(host, scenario.undo)
        else:
            restore(host, scenario)
            if scenario.undo != "true" or following is None:
                await_armed(host)
    assert not wrong, "\n\n".join(f"{name}: {error}" for name, error in wrong.items())


def leaves_it_latched(scenario: Scenario, following: Scenario | None) -> bool:
    """Tell whether the next one, which is to be given that latch, finds it as it was given."""
    both = following is not None and all(
        one.given.startswith(LATCHED) for one in (scenario, following)
    )
    return both and scenario.latched and not scenario.frozen and not scenario.spoils


def leaves_it_trading(scenario: Scenario, following: Scenario | None) -> bool:
    """Tell whether it was seen to leave what the next one begins with."""
    return following is not None and scenario.alive == ORDER and not scenario.latched


def do(lab: Lab, script: str) -> None:
    if script not in ("", "true"):
        lab.sh(script, timeout=30)


def play(lab: Lab, scenario: Scenario, tool: str, *, given: str) -> None:
    do(lab, given)
    if scenario.latched and scenario.command.startswith("deactivate"):
        lab.wait_until(lambda: lab.exists(RUNNING), what="what ran is written down")
    with lab.pid1_frozen() if scenario.frozen else contextlib.nullcontext():
        done = run(lab, scenario, tool)
        # What systemd has yet to reap is dead.
        lab.wait_until(lambda: set(alive(lab)) == set(scenario.alive), what=f"{scenario.alive}")
    seen = f"exit {done.returncode}\n{done.stdout}{done.stderr}"
    assert done.returncode == scenario.code, seen
    printed = done.stdout.splitlines()
    assert tuple(printed[: len(scenario.head)]) == scenario.head, seen
    assert [line for line in scenario.says if line not in printed] == [], seen
    assert scenario.tells in " ".join(done.stdout.split()), seen
    assert scenario.complains in done.stderr, seen
    assert "Traceback" not in done.stderr, seen
    told = [line.split()[1] for line in printed if line.startswith("  up ")]
    assert scenario.code != 0 or told == [unit for unit in ORDER if unit in told], seen
    if scenario.latched:
        lab.wait_until(lambda: latched(lab), what="both flags")
    else:
        assert not any_flag(lab), seen


def run(lab: Lab, scenario: Scenario, tool: str) -> subprocess.CompletedProcess[str]:
    command, environment = TOOLS[tool]
    who = NOBODY if scenario.nobody else ()
    words = scenario.command.split()
    return lab.exec(*who, command, *words, check=False, timeout=40, env=environment)


def restore(lab: Lab, scenario: Scenario) -> None:
    """Undo what it was given, release (that ends armed), and start what the scenario left down."""
    do(lab, scenario.undo)
    if any_flag(lab):
        if scenario.frozen or not scenario.latched:
            lab.exec(CONTROLLER, "activate")
        lab.exec(CONTROLLER, "deactivate", "--no-start", timeout=30)
    lab.systemctl("reset-failed", check=False)
    lab.systemctl("start", *TRADING_UNITS)
    lab.wait_until(lambda: len(alive(lab)) == len(TRADING_UNITS), what="trading runs again")


def await_armed(lab: Lab) -> None:
    lab.wait_until(
        lambda: lab.exec(CONTROLLER, "status", "--quiet", check=False).returncode == 0, what="armed"
    )
