"""Where `ess` begins.

For a well-formed `activate` the latch is on disk before anything else of the program is loaded:
whatever is broken there, trading stops. Then the command line takes over. No traceback reaches a
person from here.
"""

from __future__ import annotations

import os
import sys

from ess import argv, latch
from ess.paths import Paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ess.latch import Receipt

_INTERPRETER_BROKEN = 1
_USAGE, _NOT_CONTAINED, _NOT_ARMED, _NOT_RELEASED = 2, 4, 5, 6
# What systemd runs after a stop, again and again: the command line would cost more than the work.
_SERVICES = (["aftermath"], ["deliver"])
# What a command answers when it could not finish: never that all is well.
_UNFINISHED = {
    "activate": _NOT_CONTAINED,
    "status": _NOT_CONTAINED,
    "monitor": _NOT_CONTAINED,
    "deactivate": _NOT_RELEASED,
    "doctor": _NOT_ARMED,
    "drill": _NOT_ARMED,
}


def main() -> int:
    """Run `ess` and return its exit code."""
    os.umask(0o022)
    arguments = sys.argv[1:]
    paths = Paths()
    try:
        receipt = _latch_first(paths, arguments)
        return _hand_over(paths, arguments, receipt)
    except KeyboardInterrupt:
        return _end(paths, arguments, "interrupted")
    except Exception as error:  # noqa: BLE001 - the boundary
        what = f"internal error: {type(error).__name__}: {error}"
        code = _end(paths, arguments, f"{what}; run with QT_ESS_DEBUG=1 for details")
        if os.environ.get("QT_ESS_DEBUG"):
            sys.excepthook(type(error), error, error.__traceback__)
        return code


def _hand_over(paths: Paths, arguments: list[str], receipt: Receipt | None) -> int:
    if arguments in _SERVICES:
        return _serve(paths, arguments)
    try:
        from ess import direct, errors  # noqa: PLC0415 - the latch comes before what can fail
    except ImportError as error:
        return _broken(paths, arguments, error)
    try:
        code = direct.run(paths, arguments, receipt)
        if code is None:
            return _parse(paths, arguments, receipt)
    except errors.BrokenError as error:
        return _broken(paths, arguments, error)
    if __name__ == "__main__":
        # All is said, and through no buffer: to tidy up would take as long as to ask systemd.
        os._exit(code)
    return code


def _parse(paths: Paths, arguments: list[str], receipt: Receipt | None) -> int:
    try:
        from ess import cli  # noqa: PLC0415 - most command lines are plain
    except ImportError as error:
        return _broken(paths, arguments, error)
    return cli.run(paths, arguments, receipt)


def _serve(paths: Paths, arguments: list[str]) -> int:
    try:
        from ess.aftermath import service  # noqa: PLC0415 - no command needs it
    except ImportError as error:
        return _broken(paths, arguments, error)
    # At once: an event that came while the interpreter tidies up would have to wait for the sentry.
    os._exit(service.run(paths, arguments[0]))


def _broken(paths: Paths, arguments: list[str], error: ImportError) -> int:
    _end(paths, arguments, f"the Python part is broken: {error}")
    # 1 makes the wrapper /usr/local/bin/ess turn to the bash controller.
    return _INTERPRETER_BROKEN


def _latch_first(paths: Paths, arguments: list[str]) -> Receipt | None:
    request = argv.trip_request(arguments)
    if request is None or os.geteuid() != 0:
        return None
    try:
        content = latch.note("cli", request.reason or "not given", request.category or "")
        return latch.set_latch(paths, content)
    except Exception:  # noqa: BLE001 - the command line tries once more, and says what happens
        return None


def _end(paths: Paths, arguments: list[str], what: str) -> int:
    verb = arguments[0] if arguments else ""
    line = "ess: " + "".join(char if char.isprintable() else " " for char in what)
    if verb in ("activate", "deactivate"):
        clear = latch.state(paths) is latch.State.CLEAR
        line += "; the latch is NOT SET" if clear else "; the latch IS SET, see: ess status"
    _tell(line)
    return _UNFINISHED.get(verb, _USAGE)


def _tell(line: str) -> None:
    try:
        os.write(2, line.encode("utf-8", "replace") + b"\n")
    except OSError:
        return


if __name__ == "__main__":
    sys.exit(main())
