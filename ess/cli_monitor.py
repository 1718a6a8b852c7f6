"""The part of the command line that shows everything on one screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ess import __version__
from ess.loading import loading

if TYPE_CHECKING:
    from ess.cli import _Call
    from ess.exits import ExitCode


@click.command()
@click.option("--watch", "again", is_flag=True, help="Keep it up to date until Ctrl-C.")
@click.option(
    "--interval",
    metavar="S",
    type=click.IntRange(1, 60),
    default=5,
    show_default=True,
    help="Seconds between two looks.",
)
@click.option(
    "--history",
    metavar="N",
    type=click.IntRange(0, 50),
    default=3,
    show_default=True,
    help="How many activations to list.",
)
@click.option("--json", "as_json", is_flag=True, help="For machines.")
@click.version_option(__version__, prog_name="quantum-ess")
@click.pass_obj
def monitor(call: _Call, /, interval: int, history: int, **flags: bool) -> ExitCode:
    """Show everything: the stop, the units, every limit and how close it is.

    Exit code as of "ess status"; 0 when --watch is ended by Ctrl-C.
    """
    with loading():
        from ess.monitor import show  # noqa: PLC0415 - each command loads what it needs

    if flags["as_json"] and flags["again"]:
        raise click.UsageError("--json and --watch exclude each other")
    if flags["again"]:
        return show.keep_showing(call.paths, history, interval)
    return show.once(call.paths, history, as_json=flags["as_json"])
