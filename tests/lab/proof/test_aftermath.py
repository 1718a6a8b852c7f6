"""What follows a stop is part of the drill, and can neither fail nor delay its verdict."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.lab.proof.drill import (
    CANARY_FLAGS,
    CANARY_UNITS,
    PASSED,
    failed,
    finish,
    kill,
    last_drill,
    left_behind,
    part,
    proof,
    start,
)
from tests.lab.test_events import AUDIT, of_kind, records

if TYPE_CHECKING:
    import subprocess

    from tests.lab.lab import Lab

pytestmark = pytest.mark.timeout(300)

SETTINGS = "/etc/quantum-ess/aftermath.env"
VENV = "/opt/quantum-ess/venv"
NOTE = "NOTE  no alert channel is configured: nobody is told of a stop"
# Something that takes no connection, something that takes one and never answers, the journal.
REFUSED = "QT_ESS_REDIS_URL=redis://127.0.0.1:1\n"
HUNG = "QT_ESS_REDIS_URL=redis://127.0.0.1:2526\n"
SYSLOG = "QT_ESS_ALERT_URLS=syslog://local5\n"
SILENT = (
    "import socket, time; s = socket.create_server(('127.0.0.1', 2526)); kept = []\n"
    "while True: kept.append(s.accept())"
)

# What goes before that is proved elsewhere; it is shortened.
AFTERWARDS = """
    canary_claims() { claim_or_stop 'what an earlier drill left is gone' canary_reset; }
    canary_release_claims() { :; }
    watcher_claims() { :; }
"""


def drill(lab: Lab, more: str = "") -> subprocess.CompletedProcess[str]:
    """Prove the host without a canary, and in full what follows a stop."""
    return lab.exec(part(lab, "afterwards", AFTERWARDS + more), check=False, timeout=120)


def warnings(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Return the claims that warn; the end must name them, and the stop be proved all the same."""
    assert done.returncode == 0, done.stdout
    assert done.stdout.endswith(PASSED)
    lines = done.stdout.splitlines()
    warned = [line.removeprefix("WARN  ") for line in lines if line.startswith("WARN  ")]
    head = next((n for n, line in enumerate(lines) if line.startswith("WARNING: ")), len(lines))
    named = [line.strip() for line in lines[head + 1 : head + 1 + len(warned)]]
    assert [one.startswith(name) for one, name in zip(warned, named, strict=True)] == [True] * len(
        warned
    )
    return warned


def doctor(lab: Lab) -> dict[str, Any]:
    """Return what the doctor says; nothing of this may disarm."""
    done = lab.exec("ess", "doctor", "--json", timeout=30)
    answer: dict[str, Any] = json.loads(done.stdout)
    assert answer["armed"] is True
    return answer


def found(lab: Lab) -> set[str]:
    return {finding["code"] for finding in doctor(lab)["findings"]}


@pytest.mark.every_image
def test_the_drill_is_in_the_audit_log_when_it_ends(host: Lab) -> None:
    before = len(of_kind(host, "drill"))
    done = proof(host, "--json", "/root/proof.json")
    assert warnings(done) == []
    assert "PASS  the events of this drill reach the audit log (" in done.stdout
    assert f"PASS  the chain of the audit log is intact (records 1 to {len(records(host))})" in (
        done.stdout
    )
    assert f"{NOTE} ({SETTINGS})" in done.stdout
    assert len(of_kind(host, "drill")) == before + 1
    assert of_kind(host, "drill")[-1]["mode"] == "canary"
    assert (last_drill(host)["chain"], last_drill(host)["channels"]) == ("yes", "")
    parts = [claim["part"] for claim in json.loads(host.read("/root/proof.json"))["claims"]]
    assert parts == ["stop"] * (len(parts) - 2) + ["aftermath"] * 2
    assert doctor(host)["channels"] == {}


def test_each_channel_is_tried_and_a_broken_one_warns(host: Lab) -> None:
    host.write(SETTINGS, f"{REFUSED}{SYSLOG}QT_ESS_TYPO=1\n", mode=0o600)
    [redis, typo] = warnings(drill(host))
    assert "unknown key QT_ESS_TYPO" in typo
    assert redis.startswith("alert channel redis takes a test: ")
    record = last_drill(host)
    assert (record["result"], record["channels"]) == ("PASS", "redis:no url-1:yes")
    assert doctor(host)["channels"] == {"redis": False, "url-1": True}
    assert found(host) == {"alerts-misconfigured", "alert-unacked"}

    def told() -> list[str]:
        tests = [one for one in of_kind(host, "alert-test") if one["channel"] == "url-1"]
        return [one["delivered"] for one in tests]

    # The delivery says it, and does not wait for the log.
    host.wait_until(told, 10, "the test is in the audit log")
    assert told()[-1] == "yes"
    host.systemctl("start", "quantum-ess-sentry.service")
    metrics = host.read("/var/lib/prometheus/node-exporter/quantum_ess.prom")
    assert '\nquantum_ess_last_drill_channel_acked{channel="redis"} 0\n' in metrics
    assert '\nquantum_ess_last_drill_channel_acked{channel="url-1"} 1\n' in metrics
    said = host.journal("-t", "quantum-ess")
    assert "what follows a stop is not proved: " in said
    host.write(SETTINGS, SYSLOG, mode=0o600)
    assert warnings(drill(host)) == []
    assert found(host) == set()


def test_the_verdict_is_out_before_a_channel_that_hangs(host: Lab) -> None:
    host.write(SETTINGS, HUNG, mode=0o600)
    host.exec("systemd-run", "--quiet", "--unit=silent", "python3", "-Ic", SILENT)
    host.exec("rm", "-f", "/var/lib/quantum-ess/last-drill")
    start(host, "--canary")
    host.wait_until(lambda: children(host), 40, "the channel is tried")
    assert last_drill(host)["result"] == "PASS"
    told = len(of_kind(host, "drill"))
    assert of_kind(host, "drill")[-1]["result"] == "PASS"
    assert not canary_lives(host), "nothing of the canary is left over meanwhile"
    kill(host, "SIGTERM")
    [warned] = warnings(finish(host))
    assert warned == "the proof ran to its end: interrupted by SIGTERM"
    assert last_drill(host)["result"] == "PASS"
    assert len(of_kind(host, "drill")) == told, "it is told of once"
    assert left_behind(host) == []


def canary_lives(lab: Lab) -> bool:
    return any(map(lab.exists, CANARY_FLAGS)) or lab.populated(CANARY_UNITS[-1])


def children(lab: Lab) -> str:
    return lab.exec("pgrep", "-af", "deliver --test", check=False).stdout


def test_without_the_python_part_the_drill_says_so_and_passes(host: Lab) -> None:
    host.exec("mv", VENV, f"{VENV}.away")
    done = drill(host)
    assert warnings(done) == []
    assert "NOTE  not proved: the Python part, which records events" in done.stdout
    assert (last_drill(host)["result"], last_drill(host)["chain"]) == ("PASS", "")


def test_a_broken_python_part_warns(host: Lab) -> None:
    host.sh(f"rm -rf {VENV}/lib/python3*/site-packages/ess")
    names = [one.split(":")[0] for one in warnings(drill(host, "AFTERMATH_RECORD=4000"))]
    assert names == [
        "the events of this drill reach the audit log",
        "the chain of the audit log is intact",
        "the alert channels can be tried",
    ]


def test_events_that_are_not_taken_warn(host: Lab) -> None:
    host.sh("rm -rf /var/log/quantum-ess; echo >/var/log/quantum-ess")
    names = [one.split(":")[0] for one in warnings(drill(host, "AFTERMATH_RECORD=4000"))]
    assert names[0] == "the events of this drill reach the audit log"


def test_an_edited_log_warns_until_it_is_put_aside(host: Lab) -> None:
    assert warnings(drill(host)) == []
    host.sh(f"sed -i '1s/:/: /' {AUDIT}")
    [warned] = warnings(drill(host))
    assert f"{AUDIT}:1" in warned
    assert last_drill(host)["chain"] == "no"
    assert found(host) == {"audit-broken"}
    host.sh(f"mkdir /root/evidence; mv {AUDIT}* /root/evidence/")
    assert warnings(drill(host)) == []
    assert found(host) == set()


def test_a_drill_that_fails_is_told_as_failed_before_anybody_is_tried(host: Lab) -> None:
    host.write(SETTINGS, REFUSED, mode=0o600)
    host.exec("chmod", "0777", "/run/quantum")
    done = drill(host)
    assert [claim.split(":")[0] for claim in failed(done)] == [
        "directories have the right owner and mode"
    ]
    assert "WARN  alert channel redis takes a test" in done.stdout
    assert last_drill(host)["result"] == "FAIL"
    assert of_kind(host, "drill")[-1]["result"] == "FAIL"
