"""The dashboard has what Grafana needs to import it; rules and dashboard name what is there."""

from __future__ import annotations

import itertools
import re

import pytest

from tests.checks.dashboard import DASHBOARD, RULES, expressions, panels, rules
from tests.checks.tracked import CHECKOUT

METRIC = re.compile(r"\bquantum_ess_\w+")
KINDS = {"stat", "timeseries", "state-timeline", "table"}
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
# Grafana's grid is so many columns wide.
WIDTH = 24


def written() -> set[str]:
    """Return every metric that the sentry and the aftermath can write."""
    sources = ("ops/lib/metrics.sh", "ess/aftermath/figures.py")
    return set().union(*(METRIC.findall((CHECKOUT / path).read_text()) for path in sources))


def test_rules_and_dashboard_use_metrics_that_are_written() -> None:
    used = set(METRIC.findall(RULES.read_text()))
    used |= {name for _, expression in expressions() for name in METRIC.findall(expression)}
    assert used <= written()


def test_every_metric_is_on_the_dashboard() -> None:
    shown = {name for _, expression in expressions() for name in METRIC.findall(expression)}
    judged = set(METRIC.findall(RULES.read_text()))
    files = {"quantum_ess_events"}
    assert written() - shown - judged - files == set()


def test_the_dashboard_asks_for_its_datasource() -> None:
    kinds = {one["name"]: one["type"] for one in DASHBOARD["templating"]["list"]}
    assert kinds == {"datasource": "datasource", "instance": "query"}
    assert DASHBOARD["templating"]["list"][1]["datasource"] == SOURCE
    assert (DASHBOARD["uid"], DASHBOARD["schemaVersion"] >= 39) == ("quantum-ess", True)


def test_every_panel_is_whole() -> None:
    ids = [panel["id"] for panel in panels()]
    assert len(set(ids)) == len(ids)
    for panel in panels():
        assert panel["type"] in KINDS
        assert panel["title"]
        assert panel["description"]
        assert panel["datasource"] == SOURCE
        assert {"defaults", "overrides"} == set(panel["fieldConfig"])
        references = [target["refId"] for target in panel["targets"]]
        assert references
        assert len(set(references)) == len(references)
        assert all(target["datasource"] == SOURCE for target in panel["targets"])
        assert all('instance=~"$instance"' in target["expr"] for target in panel["targets"])


def test_no_two_panels_lie_on_one_another() -> None:
    places = [panel["gridPos"] for panel in panels()]
    assert all(one["x"] >= 0 and one["x"] + one["w"] <= WIDTH for one in places)
    for one, other in itertools.combinations(places, 2):
        apart = (
            one["x"] + one["w"] <= other["x"]
            or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"]
            or other["y"] + other["h"] <= one["y"]
        )
        assert apart, (one, other)


@pytest.mark.parametrize("name", rules())
def test_every_rule_says_what_to_do_and_where_it_is_written(name: str) -> None:
    rule = rules()[name]
    assert "\n          summary: " in rule
    assert re.search(r"severity: (critical|warning)\n", rule)
    description = rule.split("description: >-")[1]
    sections = {
        int(number)
        for named in re.findall(r"RUNBOOK sections? ([\d and]+)", description)
        for number in re.findall(r"\d+", named)
    }
    titles = re.findall(r"^## (\d+)\.", (CHECKOUT / "RUNBOOK.md").read_text(), re.MULTILINE)
    assert sections
    assert sections <= set(map(int, titles))
