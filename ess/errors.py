"""The errors a person may see: what is wrong, where, and what to do about it."""

from ess.exits import ExitCode


class EssError(Exception):
    """Base of every expected error; str() is the one line a person reads."""

    exit_code = ExitCode.USAGE

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.what}; {self.hint}" if self.hint else self.what


class ConfigError(EssError):
    """The configuration does not say one clear thing; `what` begins with file:line."""


class NotRootError(EssError):
    """The command needs root."""

    exit_code = ExitCode.NOT_ROOT


class ManagerError(EssError):
    """systemd gave no answer, or refused; nothing may be concluded about the unit asked for."""

    exit_code = ExitCode.NOT_ARMED


class CgroupError(EssError):
    """The cgroup tree cannot be read; nothing may be concluded about what is running."""

    exit_code = ExitCode.NOT_CONTAINED


class ReleaseError(EssError):
    """The release was refused or has failed; `what` says whether the latch is on."""

    exit_code = ExitCode.NOT_RELEASED


class DrillError(EssError):
    """The drill could not be run, so it proves nothing."""

    exit_code = ExitCode.NOT_ARMED


class AftermathError(EssError):
    """What follows an event could not be done now; the event waits in the spool."""

    exit_code = ExitCode.NOT_ARMED


class AuditError(EssError):
    """The audit log cannot be read, or is not whole."""

    exit_code = ExitCode.NOT_ARMED


class WatchError(EssError):
    """The watcher cannot be asked, or does not run."""

    exit_code = ExitCode.NOT_ARMED


class BrokenError(ImportError):
    """A part of the program cannot be loaded; nothing was done that bash could not do again."""
