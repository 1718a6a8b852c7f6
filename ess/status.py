"""status and doctor: measure, judge, say."""

from __future__ import annotations

import time
from enum import Enum
from typing import TYPE_CHECKING

from ess import armed, escaped, judge_aftermath, latch, report, tripset
from ess.console import Console
from ess.containment import coming, look
from ess.errors import ManagerError
from ess.exits import ExitCode
from ess.latch import State
from ess.loading import loading
from ess.manager import choose
from ess.measure import measure
from ess.report import Alive, View

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ess.containment import Look
    from ess.facts import Facts
    from ess.findings import Finding
    from ess.manager import Manager
    from ess.paths import Paths

# How long an enforcer that has just been started may take to look around (s).
_ENFORCER_PATIENCE = 1.0
_POLL = 0.02


class Form(Enum):
    """How the answer is given."""

    TEXT = "text"
    JSON = "json"
    NOTHING = "nothing"


def status(paths: Paths, form: Form) -> ExitCode:
    """Say whether the latch is on, trading is down, and the stop is ready.

    Returns DONE when all is as it should be, else NOT_CONTAINED or NOT_ARMED; told to print
    nothing, LATCHED stands for latched and contained.
    """
    view = current(paths)
    code = exit_code(view)
    if form is Form.NOTHING:
        return ExitCode.LATCHED if view.active and code is ExitCode.DONE else code
    console = Console()
    if form is Form.JSON:
        console.out(report.status_json(view, code))
    else:
        console.out(report.status_text(view, console.paint))
    return code


def doctor(paths: Paths, form: Form) -> ExitCode:
    """Say everything that is wrong with the stop, and with what follows one.

    Returns NOT_ARMED if any of it is an error.
    """
    with loading():
        from ess.aftermath import health  # noqa: PLC0415 - status does without

    facts = measure(paths, choose())._replace(aftermath=health.look(paths))
    found = armed.findings(facts, paths)
    acked = judge_aftermath.acked(facts)
    code = ExitCode.DONE if armed.is_armed(found) else ExitCode.NOT_ARMED
    console = Console()
    if form is Form.JSON:
        console.out(report.doctor_json(found, code, acked))
    else:
        console.out(report.doctor_text(found, console.paint, acked))
    return code


def exit_code(view: View) -> ExitCode:
    """Return what a view amounts to. Pure."""
    if view.active:
        return ExitCode.DONE if view.contained else ExitCode.NOT_CONTAINED
    return ExitCode.DONE if armed.is_armed(view.findings) else ExitCode.NOT_ARMED


def current(paths: Paths, manager: Manager | None = None) -> View:
    """Return how it is now, measured. Raises EssError when there is no way to systemd at all."""
    manager = manager or choose()
    facts = measure(paths, manager)
    found = armed.findings(facts, paths)
    if facts.latch is State.CLEAR:
        return View(State.CLEAR, tuple(found), time.time(), watch=facts.watch)
    return _active(paths, manager, facts, found)._replace(watch=facts.watch)


def _active(paths: Paths, manager: Manager, facts: Facts, found: list[Finding]) -> View:
    patterns = tripset.for_trip(paths).trading
    silent = any(finding.code == "systemd-silent" for finding in found)
    soon: list[str] = []
    try:
        soon = [] if silent else coming(manager, patterns)
    except ManagerError:
        silent = True
    # The queue was asked first: what it starts meanwhile is now seen alive.
    seen = _look(paths, patterns)
    # Those that were in it once, the enforcer knows: they are seen by now, or dead.
    outside = [stray for stray in facts.kernel.strays if not stray.left]
    return View(
        facts.latch,
        tuple(found),
        time.time(),
        note=latch.read(paths),
        alive=(
            *(Alive(unit, pids) for unit, pids in seen.pids().items()),
            *(Alive(stray.unit, (stray.pid,), outside=True) for stray in outside),
        ),
        unknown=seen.error,
        queued=tuple(soon),
        systemd_silent=silent,
    )


def _look(paths: Paths, patterns: Sequence[str]) -> Look:
    """Look once the enforcer, which may have only just begun, knows what left its cgroup."""
    deadline = time.monotonic() + _ENFORCER_PATIENCE
    while not escaped.asked(paths) and time.monotonic() < deadline:
        time.sleep(_POLL)
    return look(paths, patterns)
