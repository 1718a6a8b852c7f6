"""The part of the command line that is about alerts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ess import __version__
from ess.loading import loading

if TYPE_CHECKING:
    from ess.cli import _Call
    from ess.exits import ExitCode


@click.group(no_args_is_help=False)
def alert() -> None:
    """The messages that tell people of a stop."""


@alert.command()
@click.argument("channel", required=False)
@click.version_option(__version__, prog_name="quantum-ess")
@click.pass_obj
def test(call: _Call, /, channel: str | None) -> ExitCode:
    """Send a marked test to everybody, or through CHANNEL only.

    Prints what each channel answered. Exit code 0: every one was delivered.
    """
    with loading():
        from ess.alerts import trial  # noqa: PLC0415 - each command loads what it needs

    call.require_root()
    return trial.run(call.paths, channel)


@click.command()
@click.option("--reason", metavar="TEXT", default="", help="Kept in the audit log.")
@click.version_option(__version__, prog_name="quantum-ess")
@click.pass_obj
def ack(call: _Call, /, reason: str) -> ExitCode:
    """Say that you have the stop in hand: nobody else is reminded of it.

    Trading stays stopped.
    """
    with loading():
        from ess.aftermath import ack as waiting  # noqa: PLC0415 - each command loads what it needs

    call.require_root()
    return waiting.acknowledge(call.paths, reason)


@click.command(hidden=True)
@click.argument("channel")
@click.option("--test", is_flag=True, help="Send a marked test.")
@click.option("--operator", metavar="NAME", default="", help="Who asked for the test.")
@click.pass_obj
def deliver(call: _Call, /, channel: str, operator: str, *, test: bool) -> ExitCode:
    """Tell CHANNEL what is to be told; `ess deliver` (ess/aftermath/service.py) runs this."""
    with loading():
        from ess.aftermath import deliver as rounds  # noqa: PLC0415

    call.require_root()
    if not test:
        return rounds.turn(call.paths, channel)
    with loading():
        from ess.alerts import trial  # noqa: PLC0415

    return trial.deliver(call.paths, channel, operator or "unknown")
