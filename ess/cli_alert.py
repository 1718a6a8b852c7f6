"""The part of the command line that is about alerts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ess import __version__
from ess.errors import BrokenError

if TYPE_CHECKING:
    from types import ModuleType

    from ess.cli import _Call
    from ess.exits import ExitCode


@click.group()
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
    trial = _trial()
    call.require_root()
    return trial.run(call.paths, channel)  # type: ignore[no-any-return]


@click.command(hidden=True)
@click.option("--test", "channel", metavar="CHANNEL", required=True)
@click.pass_obj
def deliver(call: _Call, /, channel: str) -> ExitCode:
    """Send a marked test through CHANNEL; "ess alert test" runs this."""
    trial = _trial()
    call.require_root()
    return trial.deliver(call.paths, channel)  # type: ignore[no-any-return]


def _trial() -> ModuleType:
    try:
        from ess.alerts import trial  # noqa: PLC0415 - each command loads what it needs
    except ImportError as error:
        raise BrokenError(str(error)) from error
    return trial
