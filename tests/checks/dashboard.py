"""The Grafana dashboard and the alert rules as data, for the tests that look at them."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from tests.checks.tracked import CHECKOUT

if TYPE_CHECKING:
    from collections.abc import Iterator

RULES = CHECKOUT / "ops" / "prometheus" / "quantum-ess.rules.yml"
DASHBOARD: dict[str, Any] = json.loads((CHECKOUT / "ops/grafana/quantum-ess.json").read_text())
_RULE = re.compile(r"^      - alert: (\w+)\n(.*?)(?=^      - alert:|\Z)", re.MULTILINE | re.DOTALL)


def panels() -> list[dict[str, Any]]:
    return list(DASHBOARD["panels"])


def expressions() -> Iterator[tuple[str, str]]:
    """Yield (title of the panel, expression), for every host."""
    for panel in panels():
        for target in panel["targets"]:
            yield panel["title"], target["expr"].replace("$instance", ".*")


def rules() -> dict[str, str]:
    """Return the text of each alert rule by its name."""
    return dict(_RULE.findall(RULES.read_text()))
