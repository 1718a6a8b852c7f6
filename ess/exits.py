"""The exit codes of every command, in one table."""

from enum import IntEnum


class ExitCode(IntEnum):
    """What a command of ours ended with; 1 is left to the interpreter failing."""

    DONE = 0
    USAGE = 2
    NOT_ROOT = 3
    NOT_CONTAINED = 4
    NOT_ARMED = 5
    NOT_RELEASED = 6
    LATCHED = 7


MEANING: dict[ExitCode, str] = {
    ExitCode.DONE: "done",
    ExitCode.USAGE: "usage or configuration error; nothing was changed",
    ExitCode.NOT_ROOT: "not root",
    ExitCode.NOT_CONTAINED: "not contained: latched, but trading is not proved dead",
    ExitCode.NOT_ARMED: "not armed, or a drill failed",
    ExitCode.NOT_RELEASED: "release refused or failed: the latch is still, or again, set",
    ExitCode.LATCHED: 'latched and contained (only "status --quiet")',
}


def table() -> str:
    """Return the table as text, one code a line, for --help."""
    return "\n".join(f"{code.value}  {meaning}" for code, meaning in MEANING.items())
