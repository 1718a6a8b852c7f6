"""`ess watch check`: everything is read and judged once, and nothing follows from it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ess.console import Console
from ess.errors import ConfigError, NotRootError
from ess.exits import ExitCode
from ess.spool import boot
from ess.watch import settings as configured
from ess.watch.assembly import assemble
from ess.watch.source import Report
from ess.watch.verdict import Mood
from ess.watch.watcher import moment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ess.paths import Paths
    from ess.watch.assembly import Assembly
    from ess.watch.sample import Sample
    from ess.watch.settings import Settings
    from ess.watch.verdict import Verdict

# Where the reason begins.
_INDENT = 23
_WORDS = {
    Mood.QUIET: "ok",
    Mood.LEARNING: "waits",
    Mood.BLIND: "BLIND",
    Mood.BREACH: "BROKEN",
}


class _Silent(Report):
    """Keeps what is wrong, and says nothing of it in the journal."""

    def fine(self) -> None:
        self.trouble = ""

    def wrong(self, what: str) -> None:
        self.trouble = what


def check(paths: Paths) -> ExitCode:
    """Print each evaluator with its value and limit; DONE when none is broken and all was read.

    Raises EssError when the settings cannot be read.
    """
    console = Console()
    settings = _settings(paths)
    assembly = assemble(paths, settings, moment(boot()))
    wrong = [*assembly.problems, *_read(assembly)]
    verdicts = assembly.parts.judge.judge(moment(boot()))
    if not settings.on("QT_ESS_ENABLED"):
        console.out(
            "The watcher is switched off (QT_ESS_ENABLED): nothing stops trading by itself."
        )
    for line in _answer(verdicts, wrong):
        console.out(line)
    for verdict in verdicts:
        console.words(_line(verdict), _INDENT)
    for one in wrong:
        console.error(one)
    return ExitCode.NOT_ARMED if wrong or any(one.trips for one in verdicts) else ExitCode.DONE


def _answer(verdicts: Sequence[Verdict], wrong: Sequence[str]) -> list[str]:
    """Return what it comes to, and what to do."""
    broken = [one.evaluator for one in verdicts if one.trips]
    waiting = sum(one.mood is Mood.LEARNING for one in verdicts)
    if broken:
        many = f"{len(broken)} of {len(verdicts)}"
        return [f"{many} would stop trading now.", "Next: RUNBOOK.md section 15 says what to do."]
    if wrong:
        return [
            "No limit is broken, but not everything can be read.",
            "Next: mend what is named at the end.",
        ]
    if waiting:
        return [f"No limit is broken; {waiting} of {len(verdicts)} wait for their first figure."]
    return ["No limit is broken."]


def _settings(paths: Paths) -> Settings:
    settings = configured.load(paths)
    if not settings.unread:
        return settings
    if os.geteuid():
        what = "only root and the group quantum-ess may read the settings of the watcher"
        raise NotRootError(what, "run: sudo ess watch check")
    raise ConfigError("; ".join(settings.problems))


def _read(assembly: Assembly) -> list[str]:
    """Have everything heard once; return what could not be read."""
    wrong, identity = [], boot()

    def take(samples: Sequence[Sample], cursor: str) -> None:
        for sample in samples:
            assembly.parts.judge.hear(sample, moment(identity))
        assembly.reading.cursor = cursor or assembly.reading.cursor

    for source in assembly.parts.sources:
        report = _Silent(source.name)
        source.once(take, report)
        if report.trouble:
            wrong.append(f"{source.name}: {report.trouble}")
    return wrong


def _line(verdict: Verdict) -> str:
    return f"{_WORDS[verdict.mood]:<7} {verdict.evaluator:<14} {verdict.reason}"
