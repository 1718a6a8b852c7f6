"""What quantum-ess-watch.service runs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from ess import journal
from ess.errors import ConfigError
from ess.exits import ExitCode
from ess.paths import MAIN
from ess.watch import drill
from ess.watch import settings as configured
from ess.watch.assembly import assemble
from ess.watch.boot import boot
from ess.watch.notify import Notify
from ess.watch.watcher import Watcher, moment

if TYPE_CHECKING:
    from ess.paths import Paths


def run(paths: Paths) -> ExitCode:
    """Watch until killed; return only when the watcher is switched off.

    A signal ends it where it is: a kill must not be worse than a stop, so nothing is done at the
    end. Of another scope than MAIN it is the watcher of a drill. Raises EssError when it cannot
    watch, or not ask for a stop.
    """
    journal.about_scope(paths.scope)
    notify = Notify()
    settings = configured.load(paths)
    if settings.unread:
        raise ConfigError("; ".join(settings.problems))
    if not settings.on("QT_ESS_ENABLED"):
        off = f"QT_ESS_ENABLED in {paths.watch_config} is not true: nothing is watched"
        journal.notice(f"watcher: {off}")
        notify.ready(off)
        notify.leave()
        return ExitCode.DONE
    put_together = assemble if paths.scope == MAIN else drill.assemble
    assembly = put_together(paths, settings, moment(boot()))
    for problem in assembly.problems:
        journal.error(f"watcher: {problem}")
    asyncio.run(Watcher(paths, assembly.parts, notify).run())
    raise AssertionError("the watch has an end")
