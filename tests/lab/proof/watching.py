"""A host that trades and is watched, for drills of the watcher."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.lab.proof.drill import left_behind, part
from tests.lab.rig import WATCH_SETTINGS, watch_settings
from tests.lab.test_watcher import UNIT, switch_on

if TYPE_CHECKING:
    import subprocess

    from tests.lab.lab import Lab

CANARY_WATCHER = "quantum-ess-canary-watch.service"
CANARY_DEADMAN = "quantum-ess-canary-watch-deadman.service"
STATE = "/var/lib/quantum-ess/watch"
HEARS = "the watcher runs, judges, and hears its sources"
REDIS = "a broken limit in Redis: it stops the canary"
PROMETHEUS = "a broken limit in Prometheus: it stops the canary"
DEADMAN = "it is killed three times: the dead man stops the canary"
OWN = "a broken limit in a figure of its own: it stops the canary"
OFF = "NOTE  does not apply: the watcher is switched off"

# Nothing is left out but what goes before the drill of the watcher, and comes after it.
ALONE = """
    armed_claims() { config_for_trip; }
    canary_claims() {
        claim_or_stop 'what an earlier drill left is gone' canary_reset
        claim_or_stop 'the canary has a watch of its own, no way to trading' canary_apart
    }
    canary_release_claims() { :; }
    aftermath_claims() { verdict_stop; }
"""
# Where it waits for what a sabotage keeps from coming, a part of that is enough.
IMPATIENT = """
    eval "$(declare -f until_every | sed '1s/.*/until_every_in_full ()/')"
    until_every() {
        case $3 in
            12000) until_every_in_full "$1" "$2" 4000 "${@:4}" ;;
            25000) until_every_in_full "$1" "$2" 8000 "${@:4}" ;;
            *) until_every_in_full "$@" ;;
        esac
    }
"""


def watcher_proof(lab: Lab, *, impatient: bool = False) -> subprocess.CompletedProcess[str]:
    """Drill the watcher alone; its claims, the verdict and the clean-up are those of the proof."""
    return lab.exec(watcher_part(lab, impatient=impatient), check=False, timeout=120)


def watcher_part(lab: Lab, *, impatient: bool = False) -> str:
    """Return the path, in the lab, of a proof that drills the watcher alone."""
    return part(lab, "of_the_watcher", ALONE + (IMPATIENT if impatient else ""))


def watch(lab: Lab, **keys: str) -> Lab:
    """Switch the watcher on, unless it is, and tell it of an account whose drawdown is 1 %."""
    if not lab.exists(WATCH_SETTINGS) or lab.read(WATCH_SETTINGS) != watch_settings(**keys):
        switch_on(lab, **keys)
        lab.systemctl("restart", UNIT)
    for value in (1000, 1000, 990):
        words = ("name", "equity", "value", str(value))
        lab.exec("redis-cli", "XADD", "quantum:ess:figures", "*", *words)
    if "redis" in keys.get("WATCH_REDIS_URL", "redis"):
        lab.wait_until(lambda: "990 of a peak" in standing(lab), 30, "it has heard")
        lab.wait_until(lambda: peak(lab) == 1000, 30, "it has written that down")
    return lab


def standing(lab: Lab) -> str:
    """Return what the real watcher says of its drawdown."""
    document = json.loads(lab.read(f"{STATE}/standing.json"))
    found = {one["evaluator"]: one["reason"] for one in document["verdicts"]}
    return str(found.get("drawdown", ""))


def peak(lab: Lab) -> float | None:
    """Return what the real watcher has written down as the highest figure of the account."""
    document = json.loads(lab.read(f"{STATE}/baselines.json"))
    found: float | None = document["evaluators"]["drawdown"]["peak"]
    return found


def identity(lab: Lab) -> dict[str, str]:
    """Return what changes when the real watcher is restarted or fails."""
    return lab.show(UNIT, "InvocationID", "MainPID", "NRestarts", "ActiveState")


def keys(lab: Lab) -> list[str]:
    """Return the keys in Redis that a drill may have left."""
    return lab.exec("redis-cli", "--raw", "KEYS", "quantum:ess:drill*").stdout.split()


def drill_left(lab: Lab) -> list[str]:
    found = left_behind(lab) + keys(lab)
    units = (CANARY_WATCHER, CANARY_DEADMAN)
    found += [unit for unit in units if lab.state(unit) != "inactive"]
    return found + [path for path in ("/var/lib/quantum-ess/canary/watch",) if lab.exists(path)]
