"""A proof that cannot fail is worth nothing: each sabotage makes the right claim fail."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lab.proof.drill import (
    CONTROLLER,
    LIBRARY,
    THE_STOP_ALONE,
    UNITS,
    failed,
    last_drill,
    left_behind,
    part,
    processes,
    proof,
)
from tests.lab.stack import MONITOR_UNITS, TRADING_UNITS
from tests.thorough import chosen

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.ground import Ground
    from tests.lab.lab import Lab

pytestmark = pytest.mark.timeout(240)


def reload(script: str) -> str:
    return f"{script}; systemctl daemon-reload"


def first_line(file: str, function: str) -> str:
    """Return a script that makes a function of the installed library return 0 at once."""
    return f"sed -i 's/^{function}() {{/&\\n return 0/' {LIBRARY}/{file}.sh"


CANARY_SABOTAGES = {
    "no gate": (
        reload(f"rm {UNITS}/quantum-ess-canary.service.d/*"),
        "systemctl start is refused, loudly",
    ),
    "path masked": (
        reload(f"ln -sf /dev/null {UNITS}/quantum-ess-canary.path"),
        "the canary has a watch of its own",
    ),
    "path of the real latch": (
        reload(f"sed -i 's/canary-trigger/trigger/' {UNITS}/quantum-ess-canary.path"),
        "the canary has a watch of its own",
    ),
    "another enforcer": (
        reload(
            f"sed -i 's/^ExecStart=.*/ExecStart=true/' {UNITS}/quantum-ess-canary-trigger.service"
        ),
        "the canary has a watch of its own",
    ),
    "controller empty": (f": >{CONTROLLER}", "touch of its flag kills it"),
    "controller does not parse": (
        f"echo 'if then' >>{CONTROLLER}",
        "every installed script parses",
    ),
    "library does not parse": (
        f"echo 'if then' >>{LIBRARY}/cgroup.sh",
        "the parts of the emergency stop load",
    ),
    "enforcer does not kill": (first_line("contain", "contain_kill"), "touch of its flag kills it"),
    "enforcer does not mend": (first_line("latch", "latch_mend"), "a flag deleted from /run"),
    "release starts nothing": (
        first_line("restart", "release_start"),
        "deactivate brings the canary back",
    ),
}

# What the sabotages change, and where it is kept as it was.
CHANGED = f"{UNITS} {LIBRARY} {CONTROLLER}"
KEEP = f"mkdir /root/sound; cp -a --parents {CHANGED} /root/sound/"
MEND = f"rm -rf {CHANGED}; cp -a /root/sound/. /; systemctl daemon-reload"


def furnish(lab: Lab) -> None:
    units = (*TRADING_UNITS, *MONITOR_UNITS)
    lab.systemctl("start", *units)
    lab.wait_until(lambda: all(lab.state(unit) == "active" for unit in units))
    lab.sh(KEEP)


@pytest.fixture
def sound(ground: Ground, lab_image: str) -> Iterator[Lab]:
    """The host on which every sabotage but the test's own is undone."""
    lab = ground.lab(lab_image)
    assert left_behind(lab) == []
    yield lab
    if ground.labs:
        lab.sh(MEND)


# On such a host it passes in test_canary.
@pytest.mark.thorough
def test_without_sabotage_the_drill_passes(sound: Lab) -> None:
    done = proof(sound)
    assert done.returncode == 0, done.stdout


# An enforcer that does nothing is found by the same claim as one that does not kill.
USUAL = [name for name in CANARY_SABOTAGES if name != "controller empty"]
# By the whole drill, which fails with its part.
IN_THE_WHOLE = ("another enforcer", "library does not parse")


@pytest.mark.parametrize("name", chosen(CANARY_SABOTAGES, USUAL))
def test_sabotage_of_the_canary_is_found(sound: Lab, name: str) -> None:
    host = sound
    host.exec("rm", "-f", "/var/lib/quantum-ess/last-drill")
    script, claim = CANARY_SABOTAGES[name]
    alone = part(host, "of_the_stop", THE_STOP_ALONE)
    host.sh(script)
    before = processes(host)
    whole = name in IN_THE_WHOLE
    done = proof(host) if whole else host.exec(alone, check=False, timeout=120)
    assert any(line.startswith(claim) for line in failed(done))
    assert last_drill(host)["result"] == "FAIL"
    assert processes(host) == before
    assert left_behind(host) == []


def test_sabotage_of_the_real_latch_is_found(host: Lab) -> None:
    host.systemctl("stop", "quantum-ess-sentry.timer", "quantum-ess.path")
    host.write(
        f"{UNITS}/quantum-ess-trigger.service.d/override.conf",
        "[Service]\nExecStart=\nExecStart=/bin/true\n",
    )
    host.exec("rm", f"{UNITS}/quantum-governor.service.d/zz-quantum-ess.conf")
    host.exec("sed", "-i", "/quantum-execution/d", f"{UNITS}/quantum-ess-halt.target.d/units.conf")
    host.exec("chmod", "0777", "/run/quantum")
    host.systemctl("daemon-reload")
    claims = failed(proof(host))
    for start, named in (
        ("every installed file is as it was installed", "quantum-governor"),
        ("directories have the right owner and mode", "/run/quantum "),
        ("systemd runs our units as installed", "override.conf"),
        ("the flag is watched", "quantum-ess.path is loaded/inactive"),
        ("the first stop names every trading unit", "quantum-execution.service"),
        ("every trading unit has its gate", "quantum-governor.service has no gate"),
    ):
        assert any(claim.startswith(start) and named in claim for claim in claims), start
    assert last_drill(host)["result"] == "FAIL"
