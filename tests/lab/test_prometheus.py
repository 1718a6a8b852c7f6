"""Debian's node_exporter, Prometheus and promtool take our files, rules and dashboard."""

from __future__ import annotations

import contextlib
import json
import time
import urllib.parse
from typing import TYPE_CHECKING, Any

import pytest

from tests.checks import dashboard
from tests.lab import ground as g
from tests.lab.rig import BRISK, CONTROLLER, arm
from tests.lab.stack import TRADING_UNITS
from tests.lab.test_events import await_kind
from tests.lab.test_metrics import judged

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.lab import Lab

INSTALLED = "/usr/local/lib/quantum-ess/ops/prometheus/quantum-ess.rules.yml"
DIRECTORY = "/var/lib/prometheus/node-exporter"
# The monitors of a lab have the usual ports.
ADDRESS = "127.0.0.1:19090"
EXPORTER = "127.0.0.1:19100"
RULES = "/root/rules.yml"
METRICS = f"{DIRECTORY}/quantum_ess.prom"
JUDGE = "/opt/quantum-ess/venv/lib/python3*/site-packages/ess/judge_host.py"
# For the doctor of a hasty host a file this old (s) is old; that it is a minute a unit test proves.
OLD = 20
PROMETHEUS = f"""
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [{RULES}]
scrape_configs: [{{job_name: node, static_configs: [{{targets: ["{EXPORTER}"]}}]}}]
"""
# Asked for again and again: no Python is started for it.
ASK = f"""
exec 3<>/dev/tcp/{ADDRESS.replace(":", "/")}
printf 'GET /api/v1/%s HTTP/1.0\\r\\nConnection: close\\r\\n\\r\\n' "$0" >&3
cat <&3
"""

# --- promtool: rules against made-up series, one a line, every 10 s from 0 on ---

HEALTHY = {
    "quantum_ess_active": "0x720",
    "quantum_ess_armed": "1x720",
    "quantum_ess_contained": "0x720",
    "quantum_ess_spool_depth": "0x720",
    "quantum_ess_last_drill_passed": "1x720",
    "quantum_ess_last_drill_timestamp_seconds": "0x720",
    "quantum_ess_drill_max_age_seconds": "691200x720",
    "quantum_ess_sentry_timestamp_seconds": "0+10x720",
}
SENTRY = "quantum_ess_sentry_timestamp_seconds"
ACKED = "quantum_ess_last_drill_channel_acked"
FAILED = "quantum_ess_last_alert_failure_timestamp_seconds"
STOPPED = {"quantum_ess_active": "1x720"}
# What differs from a healthy host, when it is looked at, and the alerts that fire then.
CASES: dict[str, tuple[dict[str, str], str, set[str]]] = {
    "healthy": ({}, "1h", set()),
    "stopped": ({**STOPPED, "quantum_ess_contained": "1x720"}, "1m", {"Active"}),
    "a stop under way": (
        {"quantum_ess_active": "0x30 1x690", "quantum_ess_contained": "0x31 1x690"},
        "5m20s",
        {"Active"},
    ),
    "not contained": (STOPPED, "1m", {"Active", "NotContained"}),
    "disarmed": ({"quantum_ess_armed": "1x30 0x690"}, "7m", {"Disarmed"}),
    "disarmed for a moment": ({"quantum_ess_armed": "1x30 0x3 1x690"}, "5m50s", set()),
    "sentry dead": ({SENTRY: "0+10x30 300x690"}, "8m", {"SentryStale"}),
    "sentry dead for a minute": ({SENTRY: "0+10x30 300x690"}, "6m", set()),
    "sentry late": ({SENTRY: "-50+10x720"}, "10m", set()),
    "clock ahead": ({SENTRY: "120+10x720"}, "10m", {"ClockAhead"}),
    "clock a little ahead": ({SENTRY: "30+10x720"}, "10m", set()),
    "drill failed": ({"quantum_ess_last_drill_passed": "0x720"}, "5m", {"DrillFailed"}),
    "drill overdue": ({"quantum_ess_drill_max_age_seconds": "60x720"}, "5m", {"DrillOverdue"}),
    "drill nearly overdue": ({"quantum_ess_drill_max_age_seconds": "300x720"}, "5m", set()),
    "events wait": ({"quantum_ess_spool_depth": "3x720"}, "20m", {"SpoolNotDraining"}),
    "events wait for a moment": ({"quantum_ess_spool_depth": "0x100 3x20 0x600"}, "20m", set()),
    "events come and go": ({"quantum_ess_spool_depth": " ".join(["3x20 0"] * 36)}, "1h", set()),
    "channel acked": ({ACKED: "1x720"}, "5m", set()),
    "channel not acked": ({ACKED: "0x720"}, "5m", {"ChannelNotAcked"}),
    "alert failed": ({FAILED: "600x720"}, "20m", {"AlertFailing"}),
    "alert failed long ago": ({FAILED: "600x720"}, "1h", set()),
    "host silent": (dict.fromkeys(HEALTHY, "_x720"), "1h", {"Absent"}),
    "host went silent": (
        {name: f"{values.split('x')[0]}x30 stale" for name, values in HEALTHY.items()},
        "10m",
        {"Absent", "Silent"},
    ),
    "host silent for a moment": (
        {name: f"{values.split('x')[0]}x30 stale" for name, values in HEALTHY.items()},
        "5m30s",
        set(),
    ),
}


def case(name: str, instances: dict[str, dict[str, str]]) -> dict[str, object]:
    """Return a test of promtool: which alerts fire, however often."""
    _, at, firing = CASES[name]
    fired = [
        {"labels": f'{{alertname="QuantumEss{alert}"}}', "value": 1} for alert in sorted(firing)
    ]
    expression = 'count by (alertname) (ALERTS{alertstate="firing"})'
    return {
        "name": name,
        "interval": "10s",
        "input_series": [
            {"series": f'{metric}{{instance="{instance}", job="node"}}', "values": values}
            for instance, series in instances.items()
            for metric, values in series.items()
        ],
        "promql_expr_test": [{"expr": expression, "eval_time": at, "exp_samples": fired}],
    }


@pytest.mark.every_image
def test_every_rule_fires_when_it_should_and_only_then(bare_lab: Lab) -> None:
    bare_lab.write("/root/rules.yml", dashboard.RULES.read_text())
    checked = bare_lab.exec("promtool", "check", "rules", "/root/rules.yml", timeout=30)
    assert f"{len(dashboard.rules())} rules found" in checked.stdout
    tests = [case(name, {"host": {**HEALTHY, **changed}}) for name, (changed, *_) in CASES.items()]
    everything = {"rule_files": ["/root/rules.yml"], "evaluation_interval": "10s", "tests": tests}
    bare_lab.write("/root/tests.yml", json.dumps(everything))
    done = bare_lab.exec("promtool", "test", "rules", "/root/tests.yml", check=False, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    fired = set().union(*(firing for _, _, firing in CASES.values()))
    assert {f"QuantumEss{alert}" for alert in fired} == set(dashboard.rules())


@pytest.mark.every_image
def test_one_silent_host_among_others_is_found(bare_lab: Lab) -> None:
    """The absence of one host's series is hidden from absent() by those of another."""
    bare_lab.write("/root/rules.yml", dashboard.RULES.read_text())
    changed = {**HEALTHY, **CASES["host went silent"][0]}
    one = case("host went silent", {"host": changed, "other": HEALTHY})
    one["promql_expr_test"] = [
        {
            "expr": 'ALERTS{alertstate="firing"}',
            "eval_time": "10m",
            "exp_samples": [
                {
                    "labels": 'ALERTS{alertname="QuantumEssSilent", alertstate="firing",'
                    ' instance="host", job="node", severity="critical"}',
                    "value": 1,
                }
            ],
        }
    ]
    everything = {"rule_files": ["/root/rules.yml"], "evaluation_interval": "5s", "tests": [one]}
    bare_lab.write("/root/tests.yml", json.dumps(everything))
    done = bare_lab.exec("promtool", "test", "rules", "/root/tests.yml", check=False, timeout=30)
    assert done.returncode == 0, done.stdout + done.stderr


# --- the real things, on a host that trades ---


@pytest.fixture
def watched(guarded: Lab) -> Iterator[Lab]:
    """An armed host whose node_exporter a Prometheus scrapes every second."""
    guarded.sh(f"cp {INSTALLED} {RULES}")
    with watch(guarded):
        yield guarded


@pytest.fixture
def hasty(guarded: Lab) -> Iterator[Lab]:
    """The same, with less patience than a minute; how much it is promtool proves."""
    hasty = f"s/for: 1m$/for: 5s/; s/ - {SENTRY} > 60$/ - {SENTRY} > 20/"
    guarded.sh(f"sed '{hasty}' {INSTALLED} >{RULES}")
    text = guarded.read(RULES)
    assert ("for: 5s" in text, f"time() - {SENTRY} > 20\n" in text) == (True, True)
    guarded.sh(f"sed -i 's/^_METRICS_OLD = 60 /_METRICS_OLD = {OLD} /' {JUDGE}")
    guarded.sh(f"grep -q '^_METRICS_OLD = {OLD} ' {JUDGE}")
    with watch(guarded):
        yield guarded


@contextlib.contextmanager
def watch(guarded: Lab) -> Iterator[None]:
    lab = arm(guarded, settings=BRISK)
    # Before its units ran the sentry had found it disarmed, and that holds for a minute.
    judged(lab)
    lab.write("/root/prometheus.yml", PROMETHEUS)
    for name, command in {
        "watch-exporter": (
            f"prometheus-node-exporter --web.listen-address={EXPORTER}"
            f" --collector.disable-defaults --collector.textfile"
            f" --collector.textfile.directory={DIRECTORY}"
        ),
        "watch-prometheus": (
            "prometheus --config.file=/root/prometheus.yml --storage.tsdb.path=/root/tsdb"
            f" --web.listen-address={ADDRESS}"
        ),
    }.items():
        # The exporter runs as anybody may: our files are readable for everybody.
        user = "-p User=nobody " if name == "watch-exporter" else ""
        lab.sh(f"systemd-run -q --unit={name} {user}{command}")
    lab.wait_until(lambda: values(lab, "up == 1"), 30, "a scrape")
    yield
    lab.sh("systemctl stop watch-exporter watch-prometheus")


def ask(lab: Lab, what: str, **query: str) -> Any:
    """Return Prometheus' answer; None while it does not answer."""
    path = f"{what}?{urllib.parse.urlencode(query)}"
    head, _, body = lab.exec("bash", "-c", ASK, path, check=False).stdout.partition("\n\n")
    return json.loads(body)["data"] if " 200 OK" in head.partition("\n")[0] else None


def values(lab: Lab, expression: str) -> list[float]:
    """Return the values of what an expression yields now."""
    answer = ask(lab, "query", query=expression) or {"result": []}
    return [float(one["value"][1]) for one in answer["result"]]


def firing(lab: Lab) -> set[str]:
    found = ask(lab, "query", query='ALERTS{alertstate="firing"}') or {"result": []}
    return {one["metric"]["alertname"].removeprefix("QuantumEss") for one in found["result"]}


def found(lab: Lab) -> set[str]:
    """Return the codes of what the doctor finds."""
    done = lab.exec("ess", "doctor", "--json", check=False)
    return {finding["code"] for finding in json.loads(done.stdout)["findings"]}


def record_alerts(lab: Lab) -> None:
    """Have the audit log tell of an alert that came through, and of ones that did not."""
    script = """
from ess.audit import log
from ess.paths import Paths
audit = log.Log(Paths())
for kind in ("alert-sent", "alert-failed", "alert-given-up"):
    audit.append({"event": kind, "channel": "slack", "at": log.stamp()})
"""
    lab.exec("/opt/quantum-ess/venv/bin/python", "-I", "-c", script)
    lab.systemctl("start", "quantum-ess-aftermath.service")


@pytest.mark.timeout(200)
def test_the_latch_alerts_and_the_dashboard_shows(watched: Lab) -> None:
    watched.wait_until(lambda: values(watched, "quantum_ess_armed == 1"), 20, "armed is scraped")
    assert values(watched, "node_textfile_scrape_error") == [0]
    assert {rule["health"] for rule in rules(watched)} <= {"ok", "unknown"}
    assert firing(watched) == set()

    watched.exec("touch", g.RUN_FLAG)
    g.dead(watched, *TRADING_UNITS)
    await_kind(watched, "contained")
    watched.wait_until(lambda: "Active" in firing(watched), 25, "the alert for the latch fires")
    watched.wait_until(lambda: values(watched, "quantum_ess_activations_total == 1"), 20)
    assert 0 < values(watched, "quantum_ess_last_time_to_contained_seconds")[0] < 2

    record_alerts(watched)
    watched.wait_until(lambda: "AlertFailing" in firing(watched), 20, "failed alerts alert")
    missing = [
        (title, expression)
        for title, expression in dashboard.expressions()
        if not values(watched, expression)
    ]
    assert missing == []
    assert {rule["health"] for rule in rules(watched)} == {"ok"}
    assert firing(watched) == {"Active", "AlertFailing"}

    watched.exec(CONTROLLER, "deactivate", "--all", timeout=30)
    watched.wait_until(lambda: "Active" not in firing(watched), 25, "the alert ends")


def rules(lab: Lab) -> list[dict[str, Any]]:
    groups = (ask(lab, "rules") or {"groups": []})["groups"]
    found = [rule for group in groups for rule in group["rules"]]
    assert {rule["name"] for rule in found} == set(dashboard.rules())
    return found


@pytest.mark.timeout(200)
def test_a_sentry_that_stops_alerts_and_so_does_a_file_that_goes(hasty: Lab) -> None:
    hasty.wait_until(lambda: values(hasty, "quantum_ess_active == 0"), 20, "a scrape")
    stops_and_alerts(hasty)
    goes_and_alerts(hasty)


def stops_and_alerts(hasty: Lab) -> None:
    hasty.systemctl("stop", "quantum-ess-sentry.timer", "quantum-ess-sentry.service")
    # As it left the file two minutes ago.
    older = f"/^{SENTRY} / {{ $2 -= 120 }} {{ print }}"
    hasty.sh(
        f"awk '{older}' {METRICS} >{METRICS}.new; touch -d '2 minutes ago' {METRICS}.new;"
        f" chmod 644 {METRICS}.new; mv {METRICS}.new {METRICS}"
    )
    hasty.wait_until(lambda: "SentryStale" in firing(hasty), 40, "the stale rule fires")
    assert firing(hasty) == {"SentryStale"}, "one cause, one alert"
    assert found(hasty) == {"sentry-stopped"}, "one cause, one finding"
    hasty.systemctl("start", "quantum-ess-sentry.timer", "quantum-ess-sentry.service")
    hasty.wait_until(lambda: firing(hasty) == set(), 30, "the alert ends")


def goes_and_alerts(hasty: Lab) -> None:
    hasty.systemctl("restart", "quantum-ess-sentry.timer")
    hasty.sh(f"rm {METRICS}; mkdir {METRICS}")
    assert found(hasty) == set(), "not so long"
    # It is asked when it may say so, and not all the time until then.
    since = hasty.show("quantum-ess-sentry.timer", "ActiveEnterTimestampMonotonic")
    ready = int(since["ActiveEnterTimestampMonotonic"]) / 1e6 + OLD
    hasty.wait_until(lambda: firing(hasty) == {"Absent", "Silent"}, 100, "silence alerts")
    hasty.wait_until(lambda: time.monotonic() > ready, 100, "it is old")
    hasty.wait_until(lambda: found(hasty) == {"metrics-stale"}, 30, "the doctor says so")
    # Each round of the sentry finds it so, and says it once.
    hasty.systemctl("start", "quantum-ess-sentry.service", check=False)
    words = "quantum_ess.prom cannot be written"
    assert hasty.journal("-t", "quantum-ess").count(words) == 1
    # What the runbook says.
    hasty.sh(f"rm -rf {METRICS}; systemctl start quantum-ess-sentry.service")
    assert found(hasty) == set()
    hasty.wait_until(lambda: firing(hasty) == set(), 30, "the alerts end")
