"""An enforcer that runs and does nothing (SIGSTOP): the sentry looks for itself."""

from tests.lab.lab import Lab

UNIT = "quantum-execution.service"
TRIGGER = "quantum-ess-trigger.service"
# A stop sends it nothing that would end it, not even in its first moment.
DEAF = "[Service]\nExecStart=/usr/bin/sleep infinity\nKillSignal=SIGCONT\nTimeoutStopSec=infinity\n"


def test_sentry_kills_what_a_stopped_enforcer_leaves_alive(lab: Lab) -> None:
    lab.put_unit(UNIT, DEAF)
    lab.sh("touch /run/quantum/ESS_ON")
    lab.sh("until grep -q contained /run/quantum-ess/enforcer; do sleep 0.01; done")
    lab.systemctl("kill", "-s", "STOP", TRIGGER)
    # Somebody takes the gate away; the unit ignores the stop that PID 1 itself sends again.
    lab.sh(f"rm -r /etc/systemd/system/{UNIT}.d && systemctl daemon-reload")
    lab.systemctl("start", UNIT)
    assert lab.populated(UNIT)
    lab.wait_until(lambda: not lab.populated(UNIT), timeout=15, what="killed by the sentry")
    lab.wait_until(
        lambda: "sentry: the enforcer left" in lab.journal("-t", "quantum-ess"),
        what="the sentry says so",
    )
    assert lab.exists("/var/lib/quantum-ess/ESS_ON")
