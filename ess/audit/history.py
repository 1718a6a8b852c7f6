"""`ess history` and `ess audit verify`: what was, and whether the log of it is whole."""

from __future__ import annotations

import datetime
import json
from typing import TYPE_CHECKING, NamedTuple

from ess import journal, process
from ess.audit import chain
from ess.audit import log as audit
from ess.console import Console
from ess.errors import AuditError, ConfigError, EssError, NotRootError
from ess.exits import ExitCode
from ess.text import clean

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ess.audit.chain import Record
    from ess.paths import Paths

_JOURNAL_PATIENCE = 10.0  # s
_REASON_WIDTH = 22
_BEGINNINGS = ("trip", "contained", "not-contained")


class Activation(NamedTuple):
    """One fall of the latch. `at`, `released`: UTC, ISO 8601, "" when not known; `ms`: from the
    flag to contained, None when trading was not seen contained; `seconds`: from trip to release;
    `detail`: what whoever asked for it went by, in his own words.
    """

    id: str
    at: str = ""
    operator: str = ""
    source: str = ""
    reason: str = ""
    ms: int | None = None
    released: str = ""
    seconds: int | None = None
    detail: str = ""


def activations(records: Iterable[Record]) -> list[Activation]:
    """Return the activations that the records tell of, newest first. Pure."""
    found: dict[str, Activation] = {}
    details: dict[str, str] = {}
    for one in records:
        key = str(one.get("activation") or "")
        # An alert belongs to what it told of, and that need not be an activation.
        if key in found or (key and one.get("event") in _BEGINNINGS):
            found[key] = _told(found.get(key, Activation(key)), one)
        # The request may be recorded before the trip that follows it.
        if one.get("event") == "request" and one.get("first") == "yes":
            details[key] = clean(str(one.get("detail", "")))
    known = (one._replace(detail=details.get(key, "")) for key, one in found.items())
    return sorted(known, key=lambda one: one.at, reverse=True)


def show(paths: Paths, *, limit: int, since: str, as_json: bool) -> ExitCode:
    """Print the last `limit` activations, of those since a day or moment.

    Raises AuditError; NotRootError; ConfigError when `since` is neither.
    """
    start = _moment(since) if since else ""
    try:
        found = activations(audit.records(paths))
    except OSError as error:
        raise _unreadable(error) from error
    chosen = [one for one in found if one.at >= start][:limit]
    console = Console()
    if as_json:
        console.out(json.dumps([one._asdict() for one in chosen], indent=2))
    else:
        console.out(text(chosen))
    return ExitCode.DONE


def text(chosen: list[Activation]) -> str:
    """Return a table of at most 80 columns. Pure."""
    if not chosen:
        return "No activation is recorded."
    lines = [f"{'when (UTC)':<20} {'down in':>9} {'lasted':>10}  {'by':<12} why"]
    for one in chosen:
        down = "not seen" if one.ms is None else f"{one.ms} ms"
        lasted = "is active" if one.seconds is None else _span(one.seconds)
        why = one.reason or "no reason written"
        by = one.operator or "unknown"
        lines.append(f"{one.at[:19]:<20} {down:>9} {lasted:>10}  {by[:12]:<12} {_cut(why)}")
    return "\n".join(lines)


def verify(paths: Paths) -> ExitCode:
    """Say whether the audit log is whole. Raises AuditError when it is not; NotRootError."""
    console = Console()
    try:
        # The log first: what is written meanwhile must not look like what was cut off.
        last = audit.head(paths)
        known = checkpoints()
        lines = list(audit.lines(paths))
    except (OSError, EOFError) as error:
        raise _unreadable(error) from error
    if not lines and last is None and not known:
        console.out("The audit log is empty: nothing was recorded yet.")
        return ExitCode.DONE
    faults = list(chain.verify(lines, known, last))
    if faults:
        console.out("The audit log is NOT whole:")
        for fault in faults:
            console.out(f"  {fault.where}\n      {fault.what}")
        raise AuditError("the audit log was changed", "keep its files and find out who did it")
    first = chain.record(lines[0][1])["seq"]
    console.out(f"The audit log is whole: records {first} to {first + len(lines) - 1}.")
    if not known:
        console.out("The journal has no checkpoint of it: a log rewritten as a whole passes, too.")
    return ExitCode.DONE


def checkpoints(newest: int | None = None) -> dict[int, str]:
    """Return the checkpoints in the journal (the `newest` only), hashes by seq; none when the
    journal has none.
    """
    argv = ["journalctl", "-o", "json", "--no-pager", f"MESSAGE_ID={journal.CHECKPOINT}"]
    argv += [f"--lines={newest}"] if newest else []
    found: dict[int, str] = {}
    for line in process.run(argv, _JOURNAL_PATIENCE).out.splitlines():
        entry = json.loads(line)
        # Anybody may write to the journal, but only root as root.
        if entry.get("_UID") == "0":
            found[int(entry["ESS_AUDIT_SEQ"])] = str(entry["ESS_AUDIT_HASH"])
    return found


def _told(one: Activation, record: Record) -> Activation:
    at = str(record.get("at", ""))
    match record.get("event"):
        case "trip":
            operator, source, reason = (
                clean(str(record.get(key, ""))) for key in ("operator", "source", "reason")
            )
            return one._replace(at=at, operator=operator, source=source, reason=reason)
        case "contained":
            ms = record.get("took", "")
            return one._replace(at=one.at or at, ms=int(ms) if str(ms).isdigit() else None)
        case "release-finished":
            return one._replace(released=at, seconds=_seconds(one.at, at))
    return one


def _seconds(begun: str, ended: str) -> int | None:
    try:
        span = datetime.datetime.fromisoformat(ended) - datetime.datetime.fromisoformat(begun)
    except ValueError:
        return None
    return max(0, round(span.total_seconds()))


def _moment(since: str) -> str:
    try:
        moment = datetime.datetime.fromisoformat(since)
    except ValueError as error:
        what = f"--since {clean(since, 40)}: no day or time"
        raise ConfigError(what, "write it as 2026-01-31 or 2026-01-31T08:00") from error
    if moment.tzinfo is not None:
        moment = moment.astimezone(datetime.UTC)
    return moment.replace(tzinfo=None).isoformat(timespec="seconds")


def _span(seconds: int) -> str:
    hours, rest = divmod(seconds, 3600)
    return f"{hours} h {rest // 60} min" if hours else f"{rest // 60} min {rest % 60} s"


def _cut(why: str) -> str:
    return why if len(why) <= _REASON_WIDTH else f"{why[: _REASON_WIDTH - 3]}..."


def _unreadable(error: Exception) -> EssError:
    if isinstance(error, PermissionError):
        return NotRootError("only root may read the audit log", "run it with sudo")
    where = getattr(error, "filename", None) or "the audit log"
    return AuditError(f"{where}: {getattr(error, 'strerror', None) or error}", "is the disk well?")
