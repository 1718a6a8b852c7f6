"""What status and doctor look like: a screen of 80 columns, or JSON. Pure.

The first line answers the question, the next says what to do; somebody reads this at 3 a.m.
"""

from __future__ import annotations

import datetime
import textwrap
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ess.armed import is_armed
from ess.findings import Severity
from ess.latch import State
from ess.paths import Paths
from ess.text import clean
from ess.watch import how

if TYPE_CHECKING:
    from ess.exits import ExitCode
    from ess.findings import Finding
    from ess.watch.look import Watch

WIDTH = 80
Paint = Callable[[str, str], str]
Acked = Mapping[str, bool | None]
_SHOWN_PIDS = 10
_AGES = ((86400, "days"), (3600, "h"), (60, "min"))


class Alive(NamedTuple):
    """A trading unit with living processes; `outside`: they were never in its cgroup."""

    unit: str
    pids: tuple[int, ...]
    outside: bool = False


class View(NamedTuple):
    """All that status knows at `now` (s since the epoch)."""

    state: State
    findings: tuple[Finding, ...]
    now: float
    note: Mapping[str, str] = {}
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
        return [
            "No alert channel is configured: nobody is told of a stop.",
            *wrap(f"Next: name one in {Paths().aftermath_config}; then: sudo ess alert test"),
        ]
    words = {True: "yes", False: "NO", None: "not tried"}
    # A name and its answer stay on one line.
    answers = ", ".join(
        f"{name} {words[answer]}".replace(" ", "\0") for name, answer in acked.items()
    )
    lines = wrap(f"Alert channels acked in the last drill: {answers}.")
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
        "alive": [alive._asdict() for alive in view.alive],
        "queued": list(view.queued),
        "unknown": view.unknown,
        "findings": _rows(view.findings),
        "watcher": how.record(view.watch, view.now) if view.watch else None,
        "exit_code": int(code),
    }


def doctor_json(found: Sequence[Finding], code: ExitCode, acked: Acked | None = None) -> str:
    """Return the findings for machines, and what the screen says of alert channels."""
    answer = {"armed": is_armed(found), "findings": _rows(found), "channels": acked}
    return _dump({**answer, "exit_code": int(code)})


def _active(view: View, paint: Paint) -> list[str]:
    lines = [paint("ESS STATUS: ACTIVE", "bad")]
    if view.state is State.UNKNOWN:
        lines += wrap("The state of the latch could not be read; it is treated as active.")
    lines += _containment(view, paint)
    lines += ["", *note_lines(view.note, view.now), *_watcher(view, paint)]
    if view.findings:
        many = _count(len(view.findings), "finding")
        lines += wrap(f"{many} about the stop itself: ess doctor", "  also     ")
    return lines


def _containment(view: View, paint: Paint) -> list[str]:
    if view.contained:
        lines = [paint("CONTAINED: no trading process is alive.", "good")]
        if view.systemd_silent:
            lines += wrap("systemd does not answer; this was read from the kernel.")
        return [*lines, "Next: find out what happened. To resume trading: sudo ess deactivate"]
    lines = [paint("NOT CONTAINED: trading is not (known to be) down.", "bad")]
    for alive in view.alive:
        pids = " ".join(map(str, alive.pids[:_SHOWN_PIDS]))
        more = " ..." if alive.pids[_SHOWN_PIDS:] else ""
        where = "  outside it" if alive.outside else ""
        lines += wrap(f"{alive.unit}  pids {pids}{more}{where}", "  ALIVE    ")
    lines += [f"  QUEUED   {job}" for job in view.queued]
    if view.unknown:
        lines += wrap(clean(view.unknown), "  UNKNOWN  ")
    outside = [str(pid) for alive in view.alive if alive.outside for pid in alive.pids]
    if outside:
        lines.append("Next: end what runs outside its unit; nothing else does that:")
        lines += wrap(f"sudo kill -KILL {' '.join(outside[:_SHOWN_PIDS])}", "  ")
    if not outside or len(outside) < len(view.alive) or view.unknown or view.queued:
        lines.append(f"{'Then' if outside else 'Next'}: sudo ess activate")
    return [*lines, "If that does not end them: cut this host off the network or power it off."]


def note_lines(note: Mapping[str, str], now: float) -> list[str]:
    """Return what the latch says of itself: since when, by whom, why."""
    since = note.get("at", "unknown")
    lines = wrap(f"{since}{_age(since, now)}", "  since    ")
    lines += wrap(note.get("operator") or "unknown", "  by       ")
    lines += wrap(note.get("source") or "a flag set by hand", "  source   ")
    return lines + wrap(note.get("reason") or "no reason written", "  why      ")


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
    told = how.line(view.watch, view.now) if view.watch else None
    if told is None or not told.text:
        return []
    return [paint(line, told.tone) for line in wrap(told.text, "Watcher: ")]


def _finding(finding: Finding, *, explain: bool) -> list[str]:
    mark = "  (warning)" if explain and finding.severity is Severity.WARNING else ""
    # No break before it, and no line of its own: it is put back where it was.
    lines = wrap(f"{finding.code}: {finding.where}{mark.replace(' ', chr(0))}", "  ")
    lines = [line.replace("\0", " ") for line in lines]
    lines += wrap(clean(finding.message), "      ")
    if explain:
        lines += wrap(finding.meaning, "      ")
    commands = clean(finding.fix).split("; ")
    lines += wrap(commands[0], "      mend: ")
    for command in commands[1:]:
        lines += wrap(command, "            ")
    return lines


def wrap(text: str, first: str = "") -> list[str]:
    """Return lines of at most 80 columns, those after the first as far to the right as its text."""
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
        finding._asdict() | {"severity": finding.severity.value, "meaning": finding.meaning}
        for finding in found
    ]


def _dump(value: object) -> str:
    import json  # noqa: PLC0415 - the screen does without

    return json.dumps(value, indent=2)
