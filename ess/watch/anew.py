"""`ess watch rebase NAME`: a person's word, handed to the watcher."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from ess import journal
from ess.console import Console
from ess.errors import WatchError
from ess.exits import ExitCode
from ess.operator import operator
from ess.spool import boot
from ess.text import clean
from ess.watch import places, rebase, standing
from ess.watch.sample import Now

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ess.paths import Paths


def ask(paths: Paths, names: Sequence[str]) -> ExitCode:
    """Have the watcher measure anew for the evaluators `names`, in its next round.

    Raises UsageError when no evaluator is called so, WatchError when no watcher runs to do it.
    """
    directory = places.state(paths)
    now = Now(time.time(), time.clock_gettime(time.CLOCK_BOOTTIME), boot())
    known = standing.read(directory, now)
    if known is None or not known.is_current:
        raise WatchError("the watcher does not run", "see: systemctl status quantum-ess-watch")
    there = [one.evaluator for one in known.verdicts]
    for name in names:
        if name not in there:
            raise click.UsageError(f"no evaluator {clean(name, 80)}; there are: {', '.join(there)}")
    try:
        rebase.ask(directory, list(names))
    except OSError as error:
        what = f"{directory} takes no request: {error.strerror or error}"
        raise WatchError(what, "is the disk full?") from error
    journal.notice(f"watcher: {operator()} accepts how it stands: {', '.join(names)}")
    Console().out(
        f"Asked for: {', '.join(names)}. The watcher measures anew within {known.interval:g} s.\n"
        "Next: ess watch check; journalctl -t quantum-ess -n 5"
    )
    return ExitCode.DONE
