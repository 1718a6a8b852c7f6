"""Trips, releases, reboots, start attempts and crashes of our own parts, in random order.

The model is small: the latch is on or off, and off means that exactly the units we know of run.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.lab import ground as g

if TYPE_CHECKING:
    from tests.lab.lab import Lab

pytestmark = pytest.mark.latch_alone

POLITE = "machine-polite.service"
STUBBORN = "machine-stubborn.service"
TIMED = "machine-timed.service"
UNITS = (POLITE, STUBBORN, TIMED)
WATCHES = ("quantum-ess.path", "quantum-ess-disk.path")
SENTRY = "quantum-ess-sentry.service"
BORN = "/run/storm/born"
WITNESS = "ExecStartPre=/inside/witness.sh %N before\n"

TRIPS = (
    f"{g.ESS} activate",
    f"{g.CONTROLLER} activate",
    "systemctl start quantum-ess",
    f"mkdir -p /run/quantum; touch {g.RUN_FLAG}",
    f"touch {g.VAR_FLAG}",
    f"ln -sf /nowhere {g.RUN_FLAG}",
    f"mkdir -p {g.RUN_FLAG}",
    f"{g.ESS} activate & {g.CONTROLLER} activate & touch {g.RUN_FLAG}; wait",
)
ATTEMPTS = (
    "systemctl start {u}",
    "systemctl restart {u}",
    "systemctl reload-or-restart {u}",
    "systemctl --no-block --job-mode=replace-irreversibly start {u}",
    "systemctl --job-mode=ignore-dependencies start {u}",
    "systemd-run -q --collect --property=Wants={u} true",
    "systemctl reset-failed {u}; systemctl start {u}",
    "systemctl restart machine-timed.timer",
)
DISTURBANCES = (
    "systemctl daemon-reload",
    "systemctl daemon-reexec",
    f"systemctl kill -s KILL {g.ENFORCER}",
    f"systemctl kill -s TERM {g.ENFORCER}",
    f"systemctl stop {g.ENFORCER}",
    "systemctl kill -s KILL quantum-ess-sentry.service",
    "systemctl isolate multi-user.target",
    "systemctl reset-failed",
    f"systemctl stop {' '.join(WATCHES)}",
    "systemctl restart systemd-journald dbus",
)
DELETIONS = (
    f"rm -rf {g.RUN_FLAG}",
    f"rm -rf {g.VAR_FLAG}",
    "rm -rf /run/quantum",
    f"rm -rf {g.RUN_FLAG}; sleep 0.02; rm -rf {g.VAR_FLAG}",
    f"rm -rf {g.VAR_FLAG}; sleep 0.02; rm -rf {g.RUN_FLAG}",
    "rm -rf /run/quantum /run/quantum-ess",
)
REBOOTS = 1


def furnish(lab: Lab) -> None:
    lab.sh("mkdir -p /var/lib/storm")
    put = {
        POLITE: g.service(f"{WITNESS}ExecStart=/usr/bin/sleep infinity\n{g.ALWAYS}"),
        # Not latched, it would hold up a reboot for as long as systemd has patience.
        STUBBORN: g.service(f"{WITNESS}ExecStart={g.STUBBORN}\nTimeoutStopSec=5\n{g.ALWAYS}"),
        TIMED: g.service(f"{WITNESS}ExecStart=/usr/bin/sleep infinity\n"),
        "machine-timed.timer": "[Timer]\nOnActiveSec=0\nAccuracySec=1ms\n",
    }
    g.put_units(lab, put)
    g.configure(lab, UNITS, STOP_GRACE="0.2", SETTLE="0", START_ORDER=" ".join(UNITS))


class LatchMachine(RuleBasedStateMachine):
    """What is done to one lab, and what must then hold."""

    lab: Lab

    @initialize()
    def begin(self) -> None:
        self.latched = False
        self.reboots = 0
        self.running: set[str] = set(UNITS)
        self.ran: set[str] = set()
        if g.latched(self.lab):
            g.release(self.lab)
        self.lab.sh(f"mkdir -p /run/storm; systemctl start {SENTRY}")
        self.lab.systemctl("stop", "machine-timed.timer")
        self.lab.systemctl("start", *UNITS)

    # --- what people and accidents do ---

    @rule(trip=st.sampled_from(TRIPS))
    def trip(self, trip: str) -> None:
        self.lab.sh(trip)
        self._falls()

    @precondition(lambda self: self.latched)
    @rule(
        which=st.sampled_from(("--all", "--no-start", "--yes")),
        tool=st.sampled_from((g.ESS, g.CONTROLLER)),
    )
    def release(self, which: str, tool: str) -> None:
        done = self.lab.exec(tool, "deactivate", which, "--reason", "test", timeout=40)
        assert done.returncode == 0
        self.latched = False
        self.running = {"--all": set(UNITS), "--no-start": set(), "--yes": self.ran}[which].copy()

    @precondition(lambda self: self.reboots < REBOOTS)
    @rule()
    def reboot(self) -> None:
        self.reboots += 1
        self.lab.reboot()
        self.lab.sh("mkdir -p /run/storm")
        self.running = set()
        self._forget_births()

    @rule(attempt=st.sampled_from(ATTEMPTS), unit=st.sampled_from(UNITS))
    def try_to_start(self, attempt: str, unit: str) -> None:
        self.lab.sh(attempt.format(u=unit), check=False)
        if not self.latched:
            self.running.add(TIMED if "timer" in attempt else unit)

    @precondition(lambda self: not self.latched)
    @rule(unit=st.sampled_from(UNITS))
    def stop_one(self, unit: str) -> None:
        self.lab.sh(f"systemctl kill -s KILL {unit} & systemctl stop {unit}; wait", check=False)
        self.running.discard(unit)

    @rule(what=st.sampled_from(DISTURBANCES))
    def disturb(self, what: str) -> None:
        self.lab.sh(what, check=False, timeout=20)
        if "isolate" in what and not self.latched:
            self.running = set(g.alive(self.lab, *UNITS))

    @precondition(lambda self: self.latched)
    @rule(what=st.sampled_from(DELETIONS))
    def delete(self, what: str) -> None:
        self._enforced()
        self.lab.sh(what)

    @precondition(lambda self: self.latched)
    @rule()
    def remove_both_by_hand(self) -> None:
        """Both at once is a person's release; a busy host may take too long over it to tell."""
        self._enforced()
        self.lab.exec("rm", "-rf", *g.FLAGS)
        self.lab.wait_until(self._decided, what="released, or latched again")
        self.latched = g.latched(self.lab)
        if not self.latched:
            self.running = set()

    @rule(ms=st.integers(0, 300), tool=st.sampled_from((g.ESS, g.CONTROLLER)))
    def kill_an_activation(self, ms: int, tool: str) -> None:
        self._killed_after(ms, f"{tool} activate")
        if g.latched(self.lab):
            self._falls()

    @precondition(lambda self: self.latched)
    @rule(ms=st.integers(0, 1000), tool=st.sampled_from((g.ESS, g.CONTROLLER)))
    def kill_a_release(self, ms: int, tool: str) -> None:
        self._enforced()
        self._killed_after(ms, f"{tool} deactivate --all")
        # A release that was cut short is latched again by the sentry, sooner or later.
        self.lab.systemctl("start", SENTRY)
        self.lab.wait_until(self._decided, 10, "released, or latched again")
        self.latched = g.latched(self.lab)
        if self.latched:
            self._forget_births()
        else:
            self.lab.wait_until(lambda: not self._jobs(), what="no job is left")
            self.running = set(g.alive(self.lab, *UNITS))

    # --- what must hold ---

    @invariant()
    def holds(self) -> None:
        if self.latched:
            self.lab.wait_until(lambda: not g.alive(self.lab, *UNITS), 2, "nothing lives")
            self._enforced()
            self._nothing_was_born()
            self.lab.wait_until(lambda: self._status() == 7, what="status says contained")
        else:
            assert not g.latched(self.lab)
            self.lab.wait_until(
                lambda: set(g.alive(self.lab, *UNITS)) == self.running, what=f"runs: {self.running}"
            )
            assert self._status() in (0, 5)

    def _falls(self) -> None:
        if not self.latched:
            self.ran = self.running
        # With the watch stopped, the sentry is the one that sees the flag; it comes every 10 s.
        self.lab.systemctl("start", SENTRY)
        self.lab.wait_until(lambda: not g.alive(self.lab, *UNITS), 2, "nothing lives")
        g.down(self.lab, *UNITS)
        self.latched = True
        self._forget_births()

    def _enforced(self) -> None:
        self.lab.wait_until(lambda: all(map(self.lab.exists, g.FLAGS)), what="both flags")
        if self.lab.state(g.ENFORCER) != "active":
            self.lab.systemctl("start", SENTRY)
        self.lab.wait_until(lambda: self.lab.state(g.ENFORCER) == "active", what="an enforcer")

    def _decided(self) -> bool:
        ended = self.lab.state(g.ENFORCER) in ("inactive", "failed")
        return all(map(self.lab.exists, g.FLAGS)) or (ended and not g.latched(self.lab))

    def _killed_after(self, ms: int, command: str) -> None:
        self.lab.sh(f"timeout -s KILL {ms / 1000 + 0.001} {command}", check=False)

    def _forget_births(self) -> None:
        self.lab.sh(f"mkdir -p /run/storm; rm -f {BORN}")

    def _nothing_was_born(self) -> None:
        assert not self.lab.exists(BORN), self.lab.read(BORN)

    def _status(self) -> int:
        return g.status(self.lab, "--quiet").returncode

    def _jobs(self) -> str:
        return self.lab.systemctl("list-jobs", "--no-legend", "--plain").stdout


@pytest.mark.timeout(400)
def test_the_latch_does_what_the_model_says(guarded: Lab) -> None:
    furnish(guarded)
    LatchMachine.lab = guarded
    random.seed(0)
    run_state_machine_as_test(
        LatchMachine,
        settings=settings(
            max_examples=3,
            stateful_step_count=12,
            derandomize=True,
            database=None,
            deadline=None,
            # A run costs seconds: a failing one is shown as it is.
            phases=(Phase.generate,),
            suppress_health_check=list(HealthCheck),
        ),
    )
