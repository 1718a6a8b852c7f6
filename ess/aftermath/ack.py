"""`ess ack`: somebody knows of the stop and takes care; the reminders end, the latch stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ess import spool
from ess.aftermath import case_store
from ess.console import Console
from ess.errors import AftermathError
from ess.exits import ExitCode
from ess.operator import operator

if TYPE_CHECKING:
    from ess.aftermath.channel import Case
    from ess.paths import Paths


def acknowledge(paths: Paths, reason: str) -> ExitCode:
    """Note for each open stop that a person has it in hand; return once that is on disk.

    Raises AftermathError when it cannot be written down: the reminders go on.
    """
    console = Console()
    try:
        cases = [case for case in case_store.load(paths).values() if case.latched]
    except OSError as error:
        raise AftermathError(f"{paths.cases}: {error.strerror}", "is the disk well?") from error
    waiting = [case for case in cases if "acked_by" not in case.facts]
    for case in waiting:
        _acknowledge(paths, case, reason)
    console.out(_first_line(cases, waiting))
    if cases:
        console.out("Trading stays stopped. Next: ess status")
    return ExitCode.DONE


def _acknowledge(paths: Paths, case: Case, reason: str) -> None:
    said = {"operator": operator(), "reason": reason}
    if not spool.put(paths, "ack", said, case.id):
        raise AftermathError("not acknowledged: no spool takes it", "is the disk full?")


def _first_line(cases: list[Case], waiting: list[Case]) -> str:
    if waiting:
        return f"Acknowledged by {operator()}: no more reminders of this stop."
    if cases:
        return f"Already acknowledged by {cases[-1].facts['acked_by']}."
    return "Nothing to acknowledge: no stop waits for anybody."
