"""activate: the latch first, then watch until trading is proved dead.

systemd and the enforcer do the stopping. We start them a second time in case nothing watches the
flag, and do their work ourselves when they do not come.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import TYPE_CHECKING

from ess import (
    bounded,
    escaped,
    journal,
    latch,
    plan,
    regular,
    stoppers,
    strays,
    text,
    tripset,
    users,
)
from ess.argv import Request
from ess.console import SHORT_PATIENCE, Console
from ess.containment import coming, look
from ess.errors import EssError, ManagerError
from ess.exits import ExitCode
from ess.ladder import Ladder
from ess.latch import Receipt, State
from ess.manager import choose
from ess.progress import StopProgress
from ess.systemctl import SystemctlManager

if TYPE_CHECKING:
    from ess.containment import Look
    from ess.facts import Stray
    from ess.manager import Manager
    from ess.paths import Paths
    from ess.tripset import TripSet

# How long trading may take to be down before the answer is no (s).
LIMIT = 5.0
# How long the enforcer may take to show up (s).
ENFORCER_PATIENCE = 0.3
# How much longer than the grace the enforcer may take to kill before we do it too (s).
_OVERDUE = 0.4
# A systemd that is only busy gets a second, longer chance to answer (s).
_QUEUE_PATIENCE = (0.5, 1.5)
_KICK = 2.0
_POLL = 0.015
_SHOWN_PIDS = 10
_ENDED = "InactiveEnterTimestampMonotonic"


def set_latch(paths: Paths, request: Request) -> Receipt:
    """Set the latch for a request from the command line. Raises nothing."""
    reason = request.reason or "not given"
    return latch.set_latch(paths, latch.note("cli", reason, request.category or ""))


def activate(paths: Paths, request: Request, receipt: Receipt | None) -> ExitCode:
    """Stop trading and hold it; `receipt` is the latch if it is set already.

    Returns DONE only when no trading process lives and the latch is set.
    """
    receipt = receipt or set_latch(paths, request)
    journal.notice(f"activation asked for on the command line: {request.reason or 'no reason'}")
    return Trip(paths, request, receipt).run()


def hold(paths: Paths, receipt: Receipt) -> ExitCode:
    """Stop what was started already after a release that failed; the latch is set again."""
    return Trip(paths, Request(), receipt).run()


class Trip:
    """One activation, from the latch on disk to the verdict."""

    def __init__(self, paths: Paths, request: Request, receipt: Receipt) -> None:
        self._paths = paths
        self._request = request
        self._receipt = receipt
        # The terminal may go; the stop goes on.
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        self._managers = [_manager(seconds) for seconds in _QUEUE_PATIENCE]
        self._manager = self._managers[-1]
        self._kick()
        self._console = Console(SHORT_PATIENCE)
        self._set: TripSet = tripset.for_trip(paths)
        category = request.category or self._set.settings.stop_category
        self._grace = 0.0 if category == "0" else self._set.settings.stop_grace
        self._ladder: Ladder | None = None
        self._deaf = False
        self._outside: tuple[Stray, ...] = ()
        self._progress = StopProgress(self._console)

    def run(self) -> ExitCode:
        """Watch until trading is proved dead; DONE only when it is and the latch is set."""
        self._say_latch()
        for note in self._set.notes:
            self._console.error(f"{note}; the stop goes on; afterwards: ess doctor")
        while True:
            self._hold()
            seen = look(self._paths, self._set.trading)
            self._progress.update(seen.units(), self._elapsed())
            contained = seen.empty and self._known() and self._still_empty()
            if contained or self._elapsed() > LIMIT:
                break
            self._push(seen)
            time.sleep(_POLL)
        self._look_back()
        self._progress.finish()
        return self._verdict(seen, contained=contained)

    def _kick(self) -> None:
        """Start what stops trading a second time, in case nothing watches the flag.

        Not the target itself: on a busy host this may come after a release, and would stop trading
        without a latch.
        """
        units = [self._paths.trigger_unit, self._paths.halt_path_unit]
        bounded.spawn(lambda: self._manager.start(units), _KICK, stoppers.held())

    def _hold(self) -> None:
        """Set the latch again if a release that was under way has taken it away: who stops wins."""
        gone = latch.probe(self._paths.run_flag) is State.CLEAR
        if gone and latch.state(self._paths) is State.CLEAR:
            set_latch(self._paths, self._request)

    def _elapsed(self) -> float:
        return time.monotonic() - self._receipt.began

    def _say_latch(self) -> None:
        receipt = self._receipt
        failed = [place for place in receipt.places if place.error]
        for place in failed:
            self._console.error(f"{place.flag} could not be written: {place.error}")
        if not receipt.latched:
            self._console.error(
                "NOT LATCHED: neither flag is on disk. Stopping trading all the same;"
                " it can come back. Power the host off, or free the disks and activate again."
            )
            return
        if failed:
            self._console.error("the other flag holds the latch; mend that disk, activate again")
        self._console.out(self._console.paint("ESS STATUS: ACTIVE", "bad"))
        if receipt.already:
            self._console.out("The latch was set already. Seeing that trading is down:")
        else:
            self._console.out("The latch is set. Stopping trading:")

    def _push(self, seen: Look) -> None:
        """Do the enforcer's work when it does not."""
        if self._ladder is None and self._must_act():
            # Until everything is dead, nobody else is there to go on.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            self._ladder = Ladder(
                self._paths,
                self._manager,
                self._set.trading,
                self._receipt.began + self._grace,
            )
        if self._ladder is not None:
            self._ladder.step(seen)

    def _must_act(self) -> bool:
        elapsed = self._elapsed()
        if elapsed > self._grace + _OVERDUE and elapsed > ENFORCER_PATIENCE:
            self._say_alone()
            return True
        if elapsed <= ENFORCER_PATIENCE or enforcer_lives(self._paths):
            # Category 0 grants nobody anything, and two who kill are no worse than one.
            return self._grace == 0
        self._say_alone()
        return True

    def _say_alone(self) -> None:
        what = "the enforcer does not do its work: stopping trading through the kernel"
        self._progress.error(what)
        journal.error(f"=== ESS ACTIVATION: {what} ===")

    def _known(self) -> bool:
        """Tell whether empty cgroups are a proof: nothing left them, nothing comes into them."""
        # The enforcer looks for what left; where none comes there is nobody to wait for.
        looked = escaped.asked(self._paths) or self._elapsed() > ENFORCER_PATIENCE
        return looked and self._nothing_queued()

    def _nothing_queued(self) -> bool:
        # A systemd that does not answer starts nothing either, and the gate stands when it wakes.
        if self._deaf:
            return True
        for manager in self._managers:
            with contextlib.suppress(ManagerError):
                return not coming(manager, self._set.trading)
        self._deaf = True
        return True

    def _still_empty(self) -> bool:
        # What the queue still held when it was asked may live by now.
        return look(self._paths, self._set.trading).empty

    def _look_back(self) -> None:
        """Ask systemd once more: what was down before we first looked, and what it never had."""
        if self._deaf:
            return
        with contextlib.suppress(ManagerError):
            units = plan.concrete(self._set.trading, self._manager)
            known = self._manager.show(units, [_ENDED, *strays.PROPERTIES])
            ended = sorted((int(known[unit].get(_ENDED) or 0) / 1e6, unit) for unit in units)
            for moment, unit in ended:
                if moment > self._receipt.began:
                    self._progress.down(unit, moment - self._receipt.began)
            with contextlib.suppress(OSError):
                mine = {unit: known[unit] for unit in units}
                self._outside = users.and_strays(mine, {}, self._set, self._manager)

    def _verdict(self, seen: Look, *, contained: bool) -> ExitCode:
        console = self._console
        if self._deaf:
            how = "killed through the kernel" if self._ladder else "this was read from the kernel"
            console.out(f"systemd does not answer: {how}.")
        if not contained:
            self._say_not_contained(seen)
            return ExitCode.NOT_CONTAINED
        if self._outside:
            self._say_outside()
            return ExitCode.NOT_CONTAINED
        # When it fell, who came later does not know.
        after = f" (seen {self._elapsed() * 1000:.0f} ms after the latch)"
        after = "" if self._receipt.already else after
        console.out(f"CONTAINED: no trading process is alive{after}.")
        if latch.state(self._paths) is State.CLEAR:
            console.error("NOT LATCHED: trading can come back; power the host off")
            return ExitCode.NOT_CONTAINED
        console.out("Next: find out what happened. To resume trading: sudo ess deactivate")
        return ExitCode.DONE

    def _say_not_contained(self, seen: Look) -> None:
        console = self._console
        console.out(console.paint(f"NOT CONTAINED after {self._elapsed():.1f} s:", "bad"))
        for unit, pids in seen.pids().items():
            shown = " ".join(map(str, pids[:_SHOWN_PIDS])) + (" ..." if pids[_SHOWN_PIDS:] else "")
            console.words(f"  ALIVE  {unit}  pids {shown}", 9)
        if seen.error:
            console.words(f"  UNKNOWN  {text.clean(seen.error)}", 11)
        if seen.empty:
            console.out("  systemd still has a job of a trading unit to do")
        console.out("Next: cut this host off the network or power it off. Then: ess status")
        journal.error("activation: NOT CONTAINED")

    def _say_outside(self) -> None:
        console = self._console
        console.out(console.paint("NOT CONTAINED: trading runs outside its units.", "bad"))
        for stray in self._outside[:_SHOWN_PIDS]:
            where = text.clean(stray.cgroup)
            console.words(f"  ALIVE  {stray.unit}  pid {stray.pid} in {where}", 9)
        pids = " ".join(str(stray.pid) for stray in self._outside[:_SHOWN_PIDS])
        console.words(f"Next: end it by hand; nothing else does: sudo kill -KILL {pids}", 2)
        console.out("Then: ess status")
        journal.error("activation: NOT CONTAINED: a trading program runs outside its unit")


def enforcer_lives(paths: Paths) -> bool:
    """Tell whether the process that reported itself as the enforcer is one and lives."""
    with contextlib.suppress(OSError, ValueError):
        pid = int(text.key_values(regular.read(paths.enforcer, 4096)).get("pid", ""))
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return os.path.basename(paths.controller).encode() in file.read()
    return False


def _manager(seconds: float) -> Manager:
    try:
        return choose(seconds)
    except EssError:
        return SystemctlManager(seconds)
