"""The command line: parse, call, and turn what comes back into an exit code."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING, Any

import click

from ess import __version__
from ess.argv import CATEGORIES, Request, is_reason
from ess.cli_alert import ack, alert, deliver
from ess.cli_monitor import monitor
from ess.cli_watch import watch
from ess.console import Console
from ess.errors import EssError, NotRootError
from ess.exits import ExitCode, table
from ess.loading import loading

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ess.latch import Receipt
    from ess.paths import Paths
    from ess.status import Form

_SHELLS = ("bash", "zsh", "fish")
_COMPLETE = "_ESS_COMPLETE"
_EPILOG = f"""\b
Exit codes:
{table()}

\b
To complete commands with <Tab>:  eval "$(ess completion bash)"
"""
_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 80}


class _Call:
    """What the commands of one run share."""

    def __init__(self, paths: Paths, arguments: Sequence[str], receipt: Receipt | None) -> None:
        self.paths = paths
        self.arguments = arguments
        self.receipt = receipt

    def require_root(self) -> None:
        """Raise NotRootError, with the command to use, for anybody else."""
        if os.geteuid() != 0:
            verb = click.get_current_context().command_path.removeprefix("ess ")
            may = f'run "ess {verb}"' if " " in verb else verb
            command = shlex.join(["sudo", "ess", *self.arguments])
            raise NotRootError(f"only root may {may}", f"run: {command}")


def run(paths: Paths, arguments: list[str], receipt: Receipt | None) -> int:
    """Run one command line and return its exit code; expected errors become one line."""
    console = Console()
    if arguments:
        # Completion belongs to the shell, which passes no arguments; a variable left behind in an
        # environment must not turn a command into a list of words.
        os.environ.pop(_COMPLETE, None)
    try:
        code = main(
            args=arguments,
            prog_name="ess",
            standalone_mode=False,
            complete_var=_COMPLETE,
            obj=_Call(paths, arguments, receipt),
        )
    except click.UsageError as error:
        console.error(f"{error.format_message().rstrip('.')}; {_instead(error, arguments)}")
        return ExitCode.USAGE
    except click.Abort as error:
        raise KeyboardInterrupt from error
    except EssError as error:
        console.error(str(error))
        return error.exit_code
    except SystemExit as error:
        # click's answer to a reader that went away.
        return ExitCode.DONE if error.code == 1 else int(error.code or 0)
    return int(code or 0)


def _instead(error: click.UsageError, arguments: Sequence[str]) -> str:
    """Return what to do instead; who mistypes here may well want trading stopped."""
    verb = " ".join(arguments[:1])
    known = verb in main.commands
    path = f"ess {verb}" if known else "ess"
    see = f"see: {error.ctx.command_path if error.ctx else path} --help"
    if verb == "activate":
        return f"NOTHING WAS STOPPED; run: sudo ess activate; {see}"
    return see if known else f"to stop trading: sudo ess activate; {see}"


def _version(function: Callable[..., Any]) -> Callable[..., Any]:
    return click.version_option(__version__, prog_name="quantum-ess")(function)


def _reason(_ctx: click.Context, _parameter: click.Parameter, value: str | None) -> str | None:
    if value is not None and not is_reason(value):
        raise click.UsageError(f"--reason needs a text, not {value}")
    return value


@click.group(context_settings=_SETTINGS, epilog=_EPILOG, no_args_is_help=False)
@_version
def main() -> None:
    """Emergency stop for the trading services of this host.

    In an emergency: sudo ess activate
    """


@main.command()
@click.option("--reason", metavar="TEXT", callback=_reason, help="Why; kept with the latch.")
@click.option(
    "--category",
    type=click.Choice(CATEGORIES),
    help="1: ask processes to end, then kill. 0: kill at once. Default: as configured.",
)
@_version
@click.pass_obj
def activate(call: _Call, reason: str | None, category: str | None) -> ExitCode:
    """Stop trading now and keep it stopped.

    Nothing starts trading again but "ess deactivate". Monitoring stays up. Members of the group
    quantum-ess need no root for this.
    """
    with loading():
        from ess import trip  # noqa: PLC0415 - each command loads what it needs
        from ess.request import may_ask  # noqa: PLC0415 - each command loads what it needs

    if os.geteuid() != 0 and may_ask(call.paths):
        from ess import asking  # noqa: PLC0415 - most who activate are root

        return asking.activate(call.paths, Request(reason, category))
    call.require_root()
    return trip.activate(call.paths, Request(reason, category), call.receipt)


@main.command()
@click.option("--reason", metavar="TEXT", callback=_reason, help="Why it is safe to trade again.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.option("--all", "every", is_flag=True, help="Start every trading unit.")
@click.option("--no-start", is_flag=True, help="Release the latch, start nothing.")
@_version
@click.pass_obj
def deactivate(call: _Call, /, reason: str | None, **flags: bool) -> ExitCode:
    """Release the latch and start what was running when it fell.

    Units are started one by one, in the configured order, and each has to stay up before the next.
    If one does not, the latch is set again.
    """
    with loading():
        from ess import plan, release  # noqa: PLC0415 - each command loads what it needs

    call.require_root()
    if flags["every"] and flags["no_start"]:
        raise click.UsageError("--all and --no-start exclude each other")
    which = plan.Which.ALL if flags["every"] else plan.Which.RUNNING
    which = plan.Which.NONE if flags["no_start"] else which
    return release.deactivate(call.paths, plan.Order(which, reason, confirmed=flags["yes"]))


@main.command()
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@click.option("--quiet", is_flag=True, help="Print nothing; exit code 7 when latched.")
@_version
@click.pass_obj
def status(call: _Call, /, **flags: bool) -> ExitCode:
    """Say whether it is active, trading is down, and the stop is armed."""
    with loading():
        from ess import status as screen  # noqa: PLC0415 - each command loads what it needs

    return screen.status(call.paths, _form(flags))


@main.command()
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@_version
@click.pass_obj
def doctor(call: _Call, /, **flags: bool) -> ExitCode:
    """Explain everything that is wrong and how to mend it."""
    with loading():
        from ess import status as screen  # noqa: PLC0415 - each command loads what it needs

    return screen.doctor(call.paths, _form(flags))


def _form(flags: Mapping[str, bool]) -> Form:
    from ess.status import Form  # noqa: PLC0415 - each command loads what it needs

    if flags.get("quiet"):
        return Form.NOTHING
    return Form.JSON if flags["as_json"] else Form.TEXT


@main.command()
@click.option("--canary", is_flag=True, help="On a stand-in unit; the default.")
@click.option("--production", is_flag=True, help="Really stop trading.")
@click.option("--json", "record", metavar="FILE", help="Write the result to FILE.")
@_version
@click.pass_obj
def drill(call: _Call, /, record: str | None, **flags: bool) -> ExitCode:
    """Prove that the stop works on this host.

    Runs on a stand-in unit with a latch of its own; trading goes on untouched. With --production
    trading is really stopped and started again, after you confirm.
    """
    with loading():
        from ess import drill as proof  # noqa: PLC0415 - each command loads what it needs

    call.require_root()
    if flags["canary"] and flags["production"]:
        raise click.UsageError("--canary and --production exclude each other")
    proof.become(call.paths, "production" if flags["production"] else "canary", record)


@main.command()
@click.option("--limit", metavar="N", type=click.IntRange(min=1), default=20, show_default=True)
@click.option("--since", metavar="DAY", default="", help="Only those since then (UTC).")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@_version
@click.pass_obj
def history(call: _Call, /, limit: int, since: str, *, as_json: bool) -> ExitCode:
    """List the last activations: when, how fast, for how long, by whom and why."""
    with loading():
        from ess.audit import history as log  # noqa: PLC0415 - each command loads what it needs

    return log.show(call.paths, limit=limit, since=since, as_json=as_json)


@main.group(no_args_is_help=False)
def audit() -> None:
    """The audit log of everything the stop did."""


@audit.command()
@_version
@click.pass_obj
def verify(call: _Call, /) -> ExitCode:
    """Say whether the audit log is whole, and where it is not."""
    with loading():
        from ess.audit import history as log  # noqa: PLC0415 - each command loads what it needs

    return log.verify(call.paths)


@main.command()
@click.argument("shell", type=click.Choice(_SHELLS))
@_version
def completion(shell: str) -> None:
    """Print the shell's completion script, to be evaluated."""
    from click.shell_completion import get_completion_class  # noqa: PLC0415 - rarely needed

    made_by = get_completion_class(shell)
    if made_by is not None:
        Console().out(made_by(main, {}, "ess", _COMPLETE).source())


for command in (ack, alert, deliver, monitor, watch):
    main.add_command(command)
