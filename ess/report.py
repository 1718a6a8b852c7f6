"""What status and doctor look like: a screen of 80 columns, or JSON. Pure.

The first line answers the question, the next says what to do; somebody reads this at 3 a.m.
"""

from __future__ import annotations

import datetime
import json
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from ess import judge_watch
from ess.armed import is_armed
from ess.findings import Severity
from ess.latch import State
from ess.text import clean

if TYPE_CHECKING:
    from ess.exits import ExitCode
    from ess.findings import Finding
    from ess.watch.look import Watch

WIDTH = 80
Paint = Callable[[str, str], str]
Acked = Mapping[str, bool | None]
_SHOWN_PIDS = 10
_AGES = ((86400, "days"), (3600, "h"), (60, "min"))


@dataclass(frozen=True, slots=True)
class Alive:
    """A trading unit with living processes."""

    unit: str
    pids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class View:
    """All that status knows at `now` (s since the epoch)."""

    state: State
    findings: tuple[Finding, ...]
    now: float
    note: Mapping[str, str] = field(default_factory=dict)
    alive: tuple[Alive, ...] = ()
    unknown: str = ""
    queued: tuple[str, ...] = ()
    systemd_silent: bool = False
    watch: Watch | None = None

    @property
    def active(self) -> bool:
        """The latch is on, or not known to be off."""
        return self.state is not State.CLEAR

    @property
    def contained(self) -> bool:
        """No trading process lives, no job of a trading unit is queued, and that is known."""
        return not (self.alive or self.unknown or self.queued)


def status_text(view: View, paint: Paint, most: int | None = None) -> str:
    """Return the status screen; of the reasons to be disarmed the first `most`, or all."""
    lines = _active(view, paint) if view.active else _inactive(view, paint, most)
    return "\n".join(lines)


def doctor_text(found: Sequence[Finding], paint: Paint, acked: Acked | None = None) -> str:
    """Return the doctor's screen: every finding, what follows from it and what mends it.

    `acked`: which alert channels took the test of the last drill; None when that is not known.
    """
    channels = _channels(acked)
    between = [""] if found and channels else []
    return "\n".join([*_doctor(found, paint), *between, *channels])


def _doctor(found: Sequence[Finding], paint: Paint) -> list[str]:
    if not found:
        return [paint("ARMED: nothing is wrong with the stop.", "good")]
    errors = _errors(found)
    head = (
        paint(f"DISARMED: {_count(len(errors), 'error')}.", "bad")
        if errors
        else paint(f"ARMED, with {_count(len(found), 'warning')}.", "warn")
    )
    lines = [head]
    for finding in found:
        lines += ["", *_finding(finding, explain=True)]
    return lines


def _channels(acked: Acked | None) -> list[str]:
    if acked is None:
        return []
    if not acked:
        return _wrap("No alert channel is configured: nobody is told of a stop.")
    words = {True: "yes", False: "NO", None: "not tried"}
    # A name and its answer stay on one line.
    answers = ", ".join(
        f"{name} {words[answer]}".replace(" ", "\0") for name, answer in acked.items()
    )
    lines = _wrap(f"Alert channels acked in the last drill: {answers}.")
    return [line.replace("\0", " ") for line in lines]


def status_json(view: View, code: ExitCode) -> str:
    """Return the status for machines."""
    return _dump(status_record(view, code))


def status_record(view: View, code: ExitCode) -> dict[str, object]:
    """Return what status_json tells, before it is JSON."""
    note = view.note
    return {
        "ess": "ACTIVE" if view.active else "INACTIVE",
        "latch": view.state.value,
        "contained": view.contained if view.active else None,
        "armed": is_armed(view.findings),
        "since": note.get("at"),
        "operator": note.get("operator"),
        "source": note.get("source"),
        "reason": note.get("reason"),
        "alive": [asdict(alive) for alive in view.alive],
        "queued": list(view.queued),
        "unknown": view.unknown,
        "findings": _rows(view.findings),
        "watcher": judge_watch.record(view.watch, view.now) if view.watch else None,
        "exit_code": int(code),
    }


def doctor_json(found: Sequence[Finding], code: ExitCode, acked: Acked | None = None) -> str:
    """Return the findings for machines, and what the screen says of alert channels."""
    answer = {"armed": is_armed(found), "findings": _rows(found), "channels": acked}
    return _dump({**answer, "exit_code": int(code)})


def _active(view: View, paint: Paint) -> list[str]:
    lines = [paint("ESS STATUS: ACTIVE", "bad")]
    if view.state is State.UNKNOWN:
        lines += _wrap("The state of the latch could not be read; it is treated as active.")
    lines += _containment(view, paint)
    lines += ["", *_note(view), *_watcher(view, paint)]
    if view.findings:
        many = _count(len(view.findings), "finding")
        lines += _wrap(f"{many} about the stop itself: ess doctor", "  also     ")
    return lines


def _containment(view: View, paint: Paint) -> list[str]:
    if view.contained:
        lines = [paint("CONTAINED: no trading process is alive.", "good")]
        if view.systemd_silent:
            lines += _wrap("systemd does not answer; this was read from the kernel.")
        return [*lines, "Next: find out what happened. To resume trading: sudo ess deactivate"]
    lines = [paint("NOT CONTAINED: trading is not (known to be) down.", "bad")]
    for alive in view.alive:
        pids = " ".join(map(str, alive.pids[:_SHOWN_PIDS]))
        more = " ..." if alive.pids[_SHOWN_PIDS:] else ""
        lines += _wrap(f"{alive.unit}  pids {pids}{more}", "  ALIVE    ")
    lines += [f"  QUEUED   {job}" for job in view.queued]
    if view.unknown:
        lines += _wrap(clean(view.unknown), "  UNKNOWN  ")
    return [
        *lines,
        "Next: sudo ess activate",
        "If that does not end them: cut this host off the network or power it off.",
    ]


def _note(view: View) -> list[str]:
    note = view.note
    since = note.get("at", "unknown")
    lines = _wrap(f"{since}{_age(since, view.now)}", "  since    ")
    lines += _wrap(note.get("operator") or "unknown", "  by       ")
    lines += _wrap(note.get("source") or "a flag set by hand", "  source   ")
    return lines + _wrap(note.get("reason") or "no reason written", "  why      ")


def _inactive(view: View, paint: Paint, most: int | None) -> list[str]:
    lines = [paint("ESS STATUS: INACTIVE", "strong")]
    errors = _errors(view.findings)
    if not errors:
        lines.append(paint("ARMED: trading may run, and the stop is ready.", "good"))
        lines.append("To stop trading now: sudo ess activate")
        lines += _watcher(view, paint)
        if view.findings:
            lines.append(f"{_count(len(view.findings), 'warning')}: ess doctor")
        return lines
    lines.append(paint(f"DISARMED: {_count(len(errors), 'reason')}; a stop may not work.", "bad"))
    lines.append("Next: mend what is listed here. To stop trading now: sudo ess activate")
    lines += _watcher(view, paint)
    for finding in errors[:most]:
        lines += ["", *_finding(finding, explain=False)]
    if most is not None and len(errors) > most:
        lines += ["", f"{_count(len(errors) - most, 'more reason')}: ess doctor"]
    return lines


def _watcher(view: View, paint: Paint) -> list[str]:
    """Return what is to be said of the watcher: nothing where it is switched off."""
    told = judge_watch.line(view.watch, view.now) if view.watch else None
    if told is None or not told.text:
        return []
    return [paint(line, told.tone) for line in _wrap(told.text, "Watcher: ")]


def _finding(finding: Finding, *, explain: bool) -> list[str]:
    lines = _wrap(f"{finding.code}: {finding.where}", "  ")
    lines += _wrap(clean(finding.message), "      ")
    if explain:
        lines += _wrap(finding.meaning, "      ")
    commands = clean(finding.fix).split("; ")
    lines += _wrap(commands[0], "      mend: ")
    for command in commands[1:]:
        lines += _wrap(command, "            ")
    if explain and finding.severity is Severity.WARNING:
        lines[0] += "  (warning)"
    return lines


def _wrap(text: str, first: str = "") -> list[str]:
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=first,
        subsequent_indent=" " * len(first),
        break_on_hyphens=False,
        break_long_words=False,
    )


def _age(stamp: str, now: float) -> str:
    try:
        seconds = now - datetime.datetime.fromisoformat(stamp).timestamp()
    except (ValueError, OverflowError):
        return ""
    for size, unit in _AGES:
        if seconds >= size:
            return f" ({seconds // size:.0f} {unit} ago)"
    return f" ({seconds:.0f} s ago)" if seconds >= 0 else " (in the future)"


def _errors(found: Sequence[Finding]) -> list[Finding]:
    return [finding for finding in found if finding.severity is Severity.ERROR]


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _rows(found: Sequence[Finding]) -> list[dict[str, str]]:
    return [
        asdict(finding) | {"severity": finding.severity.value, "meaning": finding.meaning}
        for finding in found
    ]


def _dump(value: object) -> str:
    return json.dumps(value, indent=2)
