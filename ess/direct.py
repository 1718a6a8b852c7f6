"""The commands of an emergency, when their line is plain: click would cost more than the work.

So would it for the watcher, which each start leaves the host without.

Whatever is not plainly one of them (ess/argv.py) is left to the command line, ess/cli.py, and so is
everything that comes of its being wrong: nothing is said of a command line here.
"""

from __future__ import annotations

import gc
import os

from ess import argv
from ess.errors import EssError
from ess.loading import loading

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from ess.latch import Receipt
    from ess.paths import Paths
    from ess.status import Form

_WATCH = ["watch", "run"]


def run(paths: Paths, arguments: Sequence[str], receipt: Receipt | None) -> int | None:
    """Run a plain command line and return its exit code, or None for any other, of which nothing
    has been done; expected errors become one line.
    """
    try:
        if list(arguments) == _WATCH:
            return _watch(paths)
        return _look(paths, arguments) if os.geteuid() else _act(paths, arguments, receipt)
    except EssError as error:
        from ess.console import Console  # noqa: PLC0415 - for errors only

        Console().error(str(error))
        return error.exit_code


def _act(paths: Paths, arguments: Sequence[str], receipt: Receipt | None) -> int | None:
    request = argv.trip_request(arguments)
    if request is not None:
        with loading():
            from ess import trip  # noqa: PLC0415 - each command loads what it needs

        return trip.activate(paths, request, receipt)
    release = argv.release_request(arguments)
    return _look(paths, arguments) if release is None else _release(paths, release)


def _release(paths: Paths, wanted: argv.Release) -> int:
    with loading():
        from ess import plan, release  # noqa: PLC0415 - each command loads what it needs

    which = plan.Which.ALL if wanted.every else plan.Which.RUNNING
    which = plan.Which.NONE if wanted.no_start else which
    return release.deactivate(paths, plan.Order(which, wanted.reason, confirmed=wanted.confirmed))


def _watch(paths: Paths) -> int:
    with loading():
        from ess.watch import service  # noqa: PLC0415 - each command loads what it needs

    return service.run(paths)


def _look(paths: Paths, arguments: Sequence[str]) -> int | None:
    flags = argv.look_request(arguments)
    if flags is None:
        return None
    # What runs for some 0.1 s leaves nothing behind that is worth looking for.
    gc.disable()
    with loading():
        from ess import status  # noqa: PLC0415 - each command loads what it needs

    command = status.status if arguments[0] == "status" else status.doctor
    return command(paths, _form(flags))


def _form(flags: Collection[str]) -> Form:
    from ess.status import Form  # noqa: PLC0415 - loaded by now

    if "--quiet" in flags:
        return Form.NOTHING
    return Form.JSON if "--json" in flags else Form.TEXT
