"""Policy: from the facts to the findings, and from those to one word. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ess import judge_aftermath, judge_host, judge_trading, judge_units, judge_watch
from ess.findings import Severity

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ess.facts import Facts
    from ess.findings import Finding
    from ess.paths import Paths

# Without an answer from systemd these would find every unit missing.
_ASKING_SYSTEMD = (
    judge_units.watchers,
    judge_units.parts,
    judge_trading.gates,
    judge_trading.templates,
    judge_trading.halt_target,
    judge_trading.runtime_directories,
    judge_trading.programs,
    judge_trading.leaving,
)
_LOOKING = (
    judge_host.latch_readable,
    judge_host.systemd_answers,
    judge_host.configuration,
    judge_host.files,
    judge_host.directories,
    judge_host.kernel,
    judge_host.drill,
    judge_host.aftermath,
    judge_host.metrics,
    judge_aftermath.judge,
    judge_watch.judge,
)


def findings(facts: Facts, paths: Paths) -> list[Finding]:
    """Return everything that is wrong, errors first; nothing unknown is left out."""
    rules = _LOOKING if facts.systemd.error else (*_LOOKING, *_ASKING_SYSTEMD)
    found = [finding for rule in rules for finding in rule(facts, paths)]
    return sorted(found, key=lambda finding: finding.severity is Severity.WARNING)


def is_armed(found: Sequence[Finding]) -> bool:
    """Tell whether the stop is ready: no error among the findings."""
    return all(finding.severity is Severity.WARNING for finding in found)
