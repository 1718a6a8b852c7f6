"""Policy: what follows a stop (alerts, spool, audit log). Nothing of it can keep a stop from
working, so each finding is a warning. Pure.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ess.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ess.facts import Aftermath, Facts
    from ess.paths import Paths

_WAITED = 120  # s; what waits is tried again every 10
_SERVICE = "quantum-ess-aftermath.service"
_DRILL = "sudo ess drill"
_HOURS = 3600


def judge(facts: Facts, paths: Paths) -> Iterator[Finding]:
    """Yield what is wrong; nothing when nobody looked."""
    if facts.aftermath is not None:
        for rule in (
            _unknown,
            _delivery,
            _configuration,
            _packages,
            _spool,
            _failing,
            _unacked,
            _chain,
        ):
            yield from rule(facts, facts.aftermath, paths)


def acked(facts: Facts) -> dict[str, bool | None] | None:
    """Return of each alert channel whether it took the test of the last drill, None when it was
    not tried; None for all when it is not known which there are.
    """
    after = facts.aftermath
    if after is None or ((after.unknown or after.broken) and not after.channels):
        return None
    return {name: facts.disk.drill.channels.get(name) for name in after.channels}


def _unknown(_facts: Facts, after: Aftermath, _paths: Paths) -> Iterator[Finding]:
    for what, why in after.unknown.items():
        yield Finding("aftermath-unknown", what, f"is unknown: {why}", "sudo ess doctor")


def _delivery(_facts: Facts, after: Aftermath, _paths: Paths) -> Iterator[Finding]:
    if after.broken:
        where, _, what = after.broken.partition(" ")
        fix = f"journalctl -u {where.removesuffix('.service')} -n 20; sudo ess alert test"
        yield Finding("delivery-broken", where, what, fix)


def _configuration(_facts: Facts, after: Aftermath, paths: Paths) -> Iterator[Finding]:
    file = paths.aftermath_config
    if after.exposed:
        fix = f"sudo chown 0:0 {file}; sudo chmod 600 {file}"
        yield Finding("alerts-exposed", file, after.exposed, fix)
    for problem in after.problems:
        place, _, what = problem.partition(": ")
        of_place = place.startswith((file, "credential"))
        where, message = (place, what) if of_place else (file, problem)
        passed = [key for key in after.credentials if key in problem]
        source = f"correct {file}"
        if passed or place.startswith("credential"):
            source = f"systemctl cat {paths.deliver_unit}"
        yield Finding("alerts-misconfigured", where, message, f"{source}; sudo ess alert test")


def _packages(_facts: Facts, after: Aftermath, _paths: Paths) -> Iterator[Finding]:
    for name, why in after.packages.items():
        message = f"is needed and cannot be loaded: {why}"
        yield Finding("alerts-package", name, message, "install quantum-ess again")


def _spool(_facts: Facts, after: Aftermath, _paths: Paths) -> Iterator[Finding]:
    for spool, waiting in after.waiting.items():
        if waiting.age > _WAITED:
            many = "1 event waits" if waiting.events == 1 else f"{waiting.events} events wait"
            message = f"{many} to be recorded, the oldest for {_span(waiting.age)}"
            fix = f"sudo systemctl start {_SERVICE}; journalctl -u {_SERVICE} -n 20"
            yield Finding("spool-waiting", spool, message, fix)


def _failing(_facts: Facts, after: Aftermath, _paths: Paths) -> Iterator[Finding]:
    for name in after.channels:
        if name in after.missed:
            since = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(after.missed[name]))
            message = f"could not deliver an alert; nothing got through since {since}"
            yield Finding("alert-failing", name, message, f"sudo ess alert test {name}")


def _unacked(facts: Facts, after: Aftermath, _paths: Paths) -> Iterator[Finding]:
    drill = facts.disk.drill
    if drill.epoch is None:
        return
    refused = [name for name in after.channels if drill.channels.get(name) is False]
    untried = [name for name in after.channels if name not in drill.channels]
    for names, what in ((refused, "not taken"), (untried, "not tried")):
        if names:
            message = f"the test alert of the last drill was {what}"
            fix = f"sudo ess alert test; {_DRILL}"
            yield Finding("alert-unacked", ", ".join(names), message, fix)


def _chain(facts: Facts, after: Aftermath, paths: Paths) -> Iterator[Finding]:
    fix = "sudo ess audit verify; then see RUNBOOK.md: the audit log was changed"
    for where, what in after.faults:
        yield Finding("audit-broken", where, what, fix)
    if not after.faults and facts.disk.drill.chain == "no":
        message = f"was not whole in the drill of {facts.disk.drill.at or 'unknown time'}"
        yield Finding("audit-broken", paths.audit, message, fix)


def _span(seconds: float) -> str:
    if seconds < _HOURS:
        return f"{seconds // 60:.0f} min"
    return f"{seconds // _HOURS:.0f} h"
