"""The drill of the watcher can fail: whatever would keep it from stopping trading is found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lab.proof.drill import LIBRARY, MAIN_FLAGS, UNITS, failed, last_drill, processes, proof
from tests.lab.proof.watching import (
    DEADMAN,
    HEARS,
    REDIS,
    drill_left,
    identity,
    watch,
    watcher_proof,
)
from tests.lab.stack import MONITOR_UNITS, TRADING_UNITS
from tests.lab.test_watcher import UNIT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.ground import Ground
    from tests.lab.lab import Lab

pytestmark = pytest.mark.timeout(300)

CANARY = f"{UNITS}/quantum-ess-canary-watch"
PACKAGE = "/opt/quantum-ess/venv/lib/python3*/site-packages/ess"
DEADMAN_SH = f"{LIBRARY.removesuffix('/lib')}/watch_deadman.sh"
REQUESTS = "/run/quantum-ess/requests"
CANARY_REQUESTS = "/run/quantum-ess/canary/control/requests"
CALLS = "its death calls the dead man"
APART = "a second one has its sandbox, and no way to trading"


def reload(script: str) -> str:
    return f"{script}; systemctl daemon-reload"


def drop_in(unit: str, text: str) -> str:
    """Return a script that overrides something in a unit and restarts nothing."""
    directory = f"{UNITS}/{unit}.d"
    return reload(f"mkdir -p {directory}; printf '%b' '{text}' >{directory}/zz-sabotage.conf")


def both(text: str) -> str:
    return f"{drop_in(UNIT, text)}; {drop_in('quantum-ess-canary-watch.service', text)}"


SABOTAGES = {
    "stopped by a person": (f"systemctl stop {UNIT}", HEARS, "systemctl restart"),
    "other settings": (
        "sleep 1.1; touch /etc/quantum-ess/watch.env",
        HEARS,
        "changed after it started",
    ),
    "no Redis": (
        "systemctl stop redis-server.service;"
        f" until systemctl show -P StatusText {UNIT} | grep redis:; do sleep 0.1; done",
        HEARS,
        "does not hear redis: 127.0.0.1",
    ),
    "a full Redis": ("redis-cli CONFIG SET maxmemory 1", REDIS, "memory"),
    "an evaluator that never trips": (
        f"sed -i 's/if beyond(down, self._limit)/if False/' {PACKAGE}/watch/drawdown.py",
        REDIS,
        "not dead ",
    ),
    "a sandbox without the requests": (
        both(f"[Service]\\nInaccessiblePaths={REQUESTS} {CANARY_REQUESTS}\\n"),
        REDIS,
        "",
    ),
    "a sandbox that the drill does not have": (
        drop_in(UNIT, "[Service]\\nInaccessiblePaths=/run/quantum-ess\\n"),
        APART,
        "differs in InaccessiblePaths",
    ),
    "no dead man": (reload(f"sed -i /^OnFailure=/d {UNITS}/{UNIT}"), CALLS, "has OnFailure=, not"),
    "a dead man that does nothing": (
        f"sed -i 's/^died() {{/&\\n    return 0/' {DEADMAN_SH}",
        DEADMAN,
        "the canary lives 25 s after the third",
    ),
    "a way to trading": (
        reload(f"sed -i 's|/canary/control/requests|/requests|' {CANARY}.service"),
        APART,
        "has ReadWritePaths=/run/quantum-ess/requests",
    ),
    "the scope of trading": (
        reload(f"sed -i 's/ --scope canary//' {CANARY}.service"),
        APART,
        "they run: ",
    ),
    "the dead man of trading": (
        reload(f"sed -i 's/ --scope canary//' {CANARY}-deadman.service"),
        APART,
        "they run: ",
    ),
}

# One drill finds all of these; no other of them hides another.
TOGETHER = (
    ("a full Redis", "no dead man"),
    ("a sandbox without the requests", "a dead man that does nothing"),
)
DRILLS = (
    *TOGETHER,
    *((name,) for name in SABOTAGES if not any(name in names for names in TOGETHER)),
)
# By the whole drill, which fails with its part.
IN_THE_WHOLE = ("the scope of trading",)

# What the sabotages change, and where it is kept as it was.
CHANGED = f"{UNITS} {LIBRARY} {DEADMAN_SH} $(echo {PACKAGE}/watch)"
KEEP = f"mkdir /root/sound; cp -a --parents {CHANGED} /root/sound/"
MEND = f"""
rm -rf {UNITS} {LIBRARY} $(echo {PACKAGE}/watch)
cp -a /root/sound/. /
systemctl daemon-reload
redis-cli CONFIG SET maxmemory 0
systemctl reset-failed {UNIT}
systemctl restart {UNIT}
"""


def furnish(lab: Lab) -> None:
    lab.systemctl("start", *TRADING_UNITS, *MONITOR_UNITS)
    watch(lab)
    lab.sh(KEEP)


@pytest.fixture
def watched(ground: Ground, lab_image: str) -> Iterator[Lab]:
    """A host that trades and is watched, on which every sabotage but the test's own is undone."""
    lab = ground.lab(lab_image)
    assert drill_left(lab) == []
    yield lab
    if ground.labs:
        lab.sh(MEND, timeout=60)


# On such a host it passes in test_watcher.
@pytest.mark.thorough
def test_without_sabotage_the_drill_of_the_watcher_passes(watched: Lab) -> None:
    done = watcher_proof(watched)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("names", DRILLS, ids=" and ".join)
def test_sabotage_of_the_watcher_is_found(watched: Lab, names: tuple[str, ...]) -> None:
    host = watched
    before = processes(host)
    host.exec("rm", "-f", "/var/lib/quantum-ess/last-drill")
    for name in names:
        host.sh(SABOTAGES[name][0])
    whole = names == IN_THE_WHOLE
    claims = failed(proof(host) if whole else watcher_proof(host, impatient=True))
    for name in names:
        _, claim, why = SABOTAGES[name]
        assert any(line.startswith(f"{claim}: ") and why in line for line in claims), claims
    assert last_drill(host)["result"] == "FAIL"
    if names == ("no Redis",):
        before["redis-server.service"] = []
        host.systemctl("start", "redis-server.service")
        before["redis-server.service"] = host.host_pids("redis-server.service")
    assert processes(host) == before
    assert not any(map(host.exists, MAIN_FLAGS))
    assert drill_left(host) == []


def test_a_controller_with_missing_parts_stops_trading_only_when_it_is_meant(
    watched: Lab, ground: Ground
) -> None:
    """In a drill it set the real flag: the canary's dead man, or reader, would have stopped all."""
    host = watched
    before = processes(host), identity(host)
    for part in ("activate", "ask"):
        host.sh(f"mv {LIBRARY}/{part}.sh /root/; echo 'return 1' >{LIBRARY}/{part}.sh")
        assert failed(proof(host))
        assert not any(map(host.exists, MAIN_FLAGS))
        assert (processes(host), identity(host)) == before
        assert drill_left(host) == []
        host.sh(f"mv /root/{part}.sh {LIBRARY}/")
    host.sh(f"rm {LIBRARY}/activate.sh")
    host.exec("bash", f"{LIBRARY}/../ess_controller.sh", "activate", check=False)
    assert host.exists(MAIN_FLAGS[0])
    ground.drop()
