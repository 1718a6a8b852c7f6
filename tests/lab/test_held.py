"""Held: while latched, nothing that anybody does to systemd brings a trading process to life."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.lab import ground as g
from tests.lab.host import IMAGES

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.lab.lab import Lab

pytestmark = pytest.mark.latch_alone

SEED = 4711
ATTEMPTS = 1000
# Where --thorough does not ask for all of them, on the image that has them after the first.
FEWER = 300
WITNESS = "ExecStartPre=/inside/witness.sh %N before\nExecStart=/inside/witness.sh %N\n"
TRADING = {
    **{
        f"storm-{name}.service": g.service(
            WITNESS + g.ALWAYS + "[Install]\nWantedBy=storm.target\n"
        )
        for name in ("plain", "edited", "wanted", "upheld", "failover", "bound", "timed", "pathed")
    },
    "storm-many@.service": g.service(WITNESS + g.ALWAYS),
    "storm-taken@.service": g.service(WITNESS),
    "storm-bus.service": g.service(f"Type=dbus\nBusName=net.storm\n{WITNESS}"),
}
CONFIGURED = [*(name.replace("@.", "@*.") for name in TRADING), "storm-new-*.service"]
# How long a process may live whose unit lost its gate: the enforcer looks every 50 ms.
UNGATED_MS = 1000
TRUE = "Type=oneshot\nExecStart=/usr/bin/true\n"
DECOYS = {
    "decoy-wants.service": g.service(TRUE, "Wants=storm-wanted.service\n"),
    "decoy-requires.service": g.service(TRUE, "Requires=storm-wanted.service\n"),
    "decoy-upholds.service": g.service(
        "ExecStart=/usr/bin/sleep 5\n", "Upholds=storm-upheld.service\n"
    ),
    "decoy-onfailure.service": g.service(
        "Type=oneshot\nExecStart=/usr/bin/false\n", "OnFailure=storm-failover.service\n"
    ),
    "decoy-onsuccess.service": g.service(TRUE, "OnSuccess=storm-failover.service\n"),
    "decoy-bindsto.service": g.service(
        TRUE, "BindsTo=storm-bound.service\nAfter=storm-bound.service\n"
    ),
    "decoy-stoppost.service": g.service(
        f"{TRUE}ExecStopPost=systemctl start --no-block storm-plain\n"
    ),
    "decoy-last.service": g.service("Type=oneshot\nExecStart=/usr/bin/sleep 0.5\n"),
    "storm.target": "[Unit]\nAllowIsolate=yes\nWants=storm-plain.service storm-wanted.service\n",
}
TRIGGERS = {
    "storm-timed.timer": "[Timer]\nOnActiveSec=0\nOnUnitInactiveSec=20ms\nAccuracySec=1ms\n",
    "storm-pathed.path": "[Path]\nPathExists=/usr\n",
    "storm-plain.socket": "[Socket]\nListenFIFO=/run/storm/fifo\n",
    "storm-taken.socket": "[Socket]\nListenStream=/run/storm/socket\nAccept=yes\n",
}
ACTIVATION = (
    "[D-BUS Service]\nName=net.storm\nExec=/bin/false\nUser=root\n"
    "SystemdService=storm-bus.service\n"
)


def furnish(lab: Lab) -> None:
    lab.write("/usr/share/dbus-1/system-services/net.storm.service", ACTIVATION)
    lab.sh("mkdir -p /run/storm; systemctl reload dbus")
    g.put_units(lab, {**TRADING, **DECOYS, **TRIGGERS})
    g.configure(lab, CONFIGURED)


def storm(lab: Lab, attempts: int) -> dict[str, Any]:
    """Let the storm pass over the lab; return what it saw."""
    lines = lab.exec("python3", "-I", "/inside/storm.py", str(SEED), str(attempts), timeout=110)
    seen: dict[str, Any] = json.loads(lines.stdout.splitlines()[-1])
    return seen


@pytest.mark.both_systemds
def test_a_thousand_attempts_bring_nothing_to_life(
    guarded: Lab,
    lab_image: str,
    pytestconfig: pytest.Config,
    record_property: Callable[[str, object], None],
) -> None:
    all_of_them = lab_image == IMAGES[0] or pytestconfig.getoption("--thorough")
    attempts = ATTEMPTS if all_of_them else FEWER
    furnish(guarded)
    g.start(guarded, "storm-plain.service", "storm-upheld.service", "storm-many@1.service")
    guarded.wait_until(lambda: guarded.exists("/run/storm/born"), what="the witness works")
    guarded.exec(g.CONTROLLER, "activate", "--category", "0")
    guarded.sh("rm /run/storm/born")

    seen = storm(guarded, attempts)

    record_property("ms", int(seen["seconds"] * 1000))
    record_property("tried", seen["tried"])
    assert seen["born"] == []
    assert seen["lived"] == {}
    assert sum(seen["tried"].values()) == attempts
    guarded.exec("systemctl", "start", "quantum-ess-sentry.service")
    g.assert_contained(guarded)
    assert guarded.state(g.ENFORCER) == "active"


# Root can take the gate away; then the enforcer is what holds.
LOOSENED = {
    "reverted": "systemctl revert storm-plain.service; systemctl start storm-plain",
    "gate removed": "rm /etc/systemd/system/storm-bound.service.d/*; systemctl daemon-reload;"
    " systemctl start storm-bound",
    "a later drop-in": "printf '[Unit]\nAssertPathExists=\n[Service]\nExecCondition=\n'"
    " >/etc/systemd/system/storm-upheld.service.d/zzz.conf; systemctl daemon-reload;"
    " systemctl start storm-upheld",
    "a new unit of a pattern": "sed s/plain/new/ /etc/systemd/system/storm-plain.service"
    " >/etc/systemd/system/storm-new-1.service; systemctl daemon-reload;"
    " systemctl start storm-new-1",
    "a transient unit of a pattern": "systemd-run -q --unit=storm-new-2 /inside/witness.sh new",
}


@pytest.mark.both_systemds
def test_what_lost_its_gate_is_killed_at_once(guarded: Lab) -> None:
    furnish(guarded)
    guarded.exec(g.CONTROLLER, "activate", "--category", "0")
    births = 0
    for name, loosen in LOOSENED.items():
        script = f"{{ {loosen}; systemctl start --wait decoy-last; }} &>/run/storm/said"
        watched = f"({script}) | python3 -I /inside/watch.py 'storm-*.service' | tail -n 1"
        # A start that is killed in its first moment has failed for systemctl, too, or has not.
        seen = guarded.exec("bash", "-c", watched, timeout=30).stdout
        lived: dict[str, list[list[float]]] = json.loads(seen)
        said = f"{name}: {guarded.read('/run/storm/said')}"
        # The first stop, which comes again with every start, and the enforcer may be quicker than
        # the witness; then nothing was born at all.
        births += guarded.exists("/run/storm/born")
        # It may be dead before it has written a word.
        births += guarded.journal("-u", "storm-*").count("code=killed")
        spans = [last - first for lives in lived.values() for first, last in lives]
        assert max(spans, default=0) * 1000 < UNGATED_MS, said
        g.dead(guarded, *lived)
        guarded.sh("rm -f /run/storm/born")
    assert births, "without a gate something starts, or this test shows nothing"
    g.assert_contained(guarded)
