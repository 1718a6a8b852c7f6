"""deactivate: the only way back, and a person's act.

Everything is decided before the first flag is touched. Whatever goes wrong after that sets the
latch again.
"""

from __future__ import annotations

import contextlib
import os
import time
from typing import TYPE_CHECKING

from ess import bounded, journal, latch, outlast, plan, ready, request, spool, text, trip, tripset
from ess.consent import permission
from ess.console import Console
from ess.errors import EssError, ManagerError, ReleaseError
from ess.exits import ExitCode
from ess.interrupts import Interrupts
from ess.latch import State
from ess.manager import choose
from ess.operator import operator
from ess.restart import POLL, Restart
from ess.unlatch import Unlatching

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ess.config import Config
    from ess.manager import Manager
    from ess.paths import Paths
    from ess.plan import Order

# A busy systemd may take this long over one request (s).
_PATIENCE = 10.0
# How long the enforcer and the path unit may take over the end of the latch (s).
_ARM_LIMIT = 5.0
# Copies of the flag that the enforcer may still be making; more are not its.
_LATE_COPIES = 3
# How long a disk may take to note what a release did (s).
_TELLING = 1.0


def deactivate(paths: Paths, order: Order) -> ExitCode:
    """Release the latch and start trading again.

    Returns DONE when the latch is off and everything that was to be started is up. Otherwise the
    latch is on: NOT_RELEASED, or ReleaseError when nothing was changed at all; NOT_CONTAINED when
    what was started cannot be stopped again.
    """
    console = Console()
    with Interrupts() as interrupts, ready.lock(paths), _unchanged():
        if latch.state(paths) is State.CLEAR and not os.path.lexists(paths.running):
            console.out("ESS STATUS: INACTIVE\nThe latch is not set: nothing to release.")
            return ExitCode.DONE
        manager = choose(_PATIENCE)
        if not request.await_taken(paths, manager):
            what = f"release refused: a request to stop waits in {paths.requests}, nobody takes it"
            raise ReleaseError(what, f"look at: systemctl status {paths.request_unit}")
        asked = latch.asked(paths)
        ready.await_watched(paths, manager)
        trip_set = tripset.for_trip(paths)
        for note in trip_set.notes:
            console.error(note)
        # Without a latch this finishes a release that was cut short: that started what lives.
        if latch.state(paths) is not latch.State.CLEAR:
            ready.await_contained(paths, trip_set.trading)
        units = plan.choose(paths, order.which, trip_set, manager)
        reason = permission(console, paths, units, order, trip_set.settings)
        outlast.outlast(paths)
        interrupts.defer()
        if latch.asked(paths) != asked or request.waits(paths):
            outlast.end_marker(paths)
            what = "release refused: meanwhile somebody has asked for the stop again"
            raise ReleaseError(what, "find out who and why (ess status), then deactivate again")
        release = _Release(paths, manager, trip_set.settings, console, interrupts)
        return release.run(units, reason, asked)


class _Release:
    """The part of a release that changes something."""

    def __init__(
        self,
        paths: Paths,
        manager: Manager,
        settings: Config,
        console: Console,
        interrupts: Interrupts,
    ) -> None:
        self._paths = paths
        self._manager = manager
        self._console = console
        self._interrupts = interrupts
        self._unlatching = Unlatching(paths)
        self._said: dict[str, str] = {}
        self._activation = ""
        self._restart = Restart(manager, settings, console, self._check)

    def run(self, units: list[str], reason: str, asked: tuple[int, ...]) -> ExitCode:
        who = f"({operator()}: {reason})"
        self._said = {"operator": operator(), "reason": reason, "units": " ".join(units)}
        self._activation = latch.read(self._paths).get("id", "")
        self._tell("begun")
        journal.notice(f"=== ESS DEACTIVATION INITIATED === {who}", self._about("begun"))
        try:
            self._remove_flags(asked)
            self._await_armed()
            self._restart.prepare(self._paths, units)
            for unit in units:
                self._restart.bring_up(unit)
            self._check()
        except _LatchedAgain:
            return self._stopped_by_others()
        except BaseException as error:
            if isinstance(error, EssError):
                return self._latch_again(error.what, error.hint)
            self._latch_again(str(error) or type(error).__name__)
            raise
        with contextlib.suppress(OSError):
            os.unlink(self._paths.running)
        self._tell("finished")
        journal.notice(f"=== ESS DEACTIVATED === {who}", self._about("finished"))
        self._console.out("ESS STATUS: INACTIVE")
        self._console.out(f"Released. Started:{plan.listed(units)}")
        self._console.out("Next: see that the stop is armed: ess status")
        return ExitCode.DONE

    def _tell(self, how: str, **more: str) -> None:
        """Drop an event for the audit log: the release has begun, finished or failed."""
        fields = {**self._said, **more}

        def put() -> bytes:
            return spool.put(self._paths, f"release-{how}", fields, self._activation).encode()

        # A disk that hangs holds up no release, and above all no new stop.
        with contextlib.suppress(OSError):
            bounded.call(put, _TELLING)

    def _about(self, how: str) -> journal.About:
        return journal.About(f"release-{how}", self._activation)

    def _remove_flags(self, asked: tuple[int, ...]) -> None:
        """Remove both flags; the marker keeps the enforcer from putting them back.

        The list of what ran stays until the release is through: a list without a latch is how the
        sentry knows one that was cut short.
        """
        self._keep_list()
        with open(self._paths.releasing, "w", encoding="ascii"):
            pass
        # After the marker: who asks for a stop later sees that, who asked before left a trace.
        if latch.asked(self._paths) != asked or request.waits(self._paths):
            raise _LatchedAgain
        self._unlatching.clear()

    def _keep_list(self) -> None:
        with contextlib.suppress(OSError), open(self._paths.running, "x", encoding="ascii") as file:
            file.write(f"{plan.UNKNOWN}\n")

    def _await_armed(self) -> None:
        trigger, path = self._paths.trigger_unit, self._paths.path_unit
        requests = self._paths.request_names_unit
        deadline = time.monotonic() + _ARM_LIMIT
        while True:
            self._check()
            states = self._manager.show([trigger, path, requests], ["ActiveState", "SubState"])
            ended = states[trigger].get("ActiveState") in ("inactive", "failed")
            # While the reader of requests ends, their watch would miss some names.
            ended &= states[requests].get("SubState") != "running"
            if ended and states[path].get("SubState") == "waiting":
                break
            if time.monotonic() > deadline:
                raise ReleaseError(f"{path} does not watch again: trading would run unprotected")
            time.sleep(POLL)
        # The enforcer's last copy may have come before its end.
        self._check()
        self._end_marker()

    def _check(self) -> None:
        self._interrupts.check()
        if request.waits(self._paths):
            raise _LatchedAgain
        for _ in range(_LATE_COPIES):
            if latch.state(self._paths) is State.CLEAR:
                return
            self._unlatching.clear_late_copy()
        raise _LatchedAgain

    def _stopped_by_others(self) -> ExitCode:
        self._end_marker()
        said = "=== ESS DEACTIVATION ABORTED: the latch was set again ==="
        journal.error(said, self._about("failed"))
        self._console.error("release stopped: somebody or something has set the latch again")
        why = "the flag was set during a release"
        receipt = latch.set_latch(self._paths, latch.note("flag", why, "", by="unknown"))
        code = self._verify(receipt)
        self._tell("failed", why="the latch was set again")
        return code

    def _latch_again(self, why: str, hint: str = "") -> ExitCode:
        receipt = latch.set_latch(self._paths, latch.note("release", why, ""))
        self._end_marker()
        said = f"=== ESS DEACTIVATION FAILED: {why}; latched again ==="
        journal.error(said, self._about("failed"))
        what = f"release failed: {text.clean(why)}; the latch is set again"
        self._console.error(f"{what}; {hint}" if hint else what)
        code = self._verify(receipt)
        self._tell("failed", why=why)
        return code

    def _verify(self, receipt: latch.Receipt) -> ExitCode:
        """See that what was started already is down again, by our own hand if need be."""
        contained = trip.hold(self._paths, receipt) is ExitCode.DONE
        return ExitCode.NOT_RELEASED if contained else ExitCode.NOT_CONTAINED

    def _end_marker(self) -> None:
        outlast.end_marker(self._paths)


class _LatchedAgain(Exception):  # noqa: N818 - no error: somebody stopped trading
    """A flag has reappeared while the latch was being released."""


@contextlib.contextmanager
def _unchanged() -> Iterator[None]:
    """Say of every failure that comes out of here that nothing was changed."""
    try:
        yield
    except (ReleaseError, ManagerError) as error:
        raise ReleaseError(f"{error.what}; the latch is still set", error.hint) from error
