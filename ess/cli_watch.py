"""The part of the command line that is about the watcher."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ess import __version__
from ess.loading import loading

if TYPE_CHECKING:
    from ess.cli import _Call
    from ess.exits import ExitCode


@click.group(no_args_is_help=False)
def watch() -> None:
    """The watcher, which trips when a limit is broken."""


@watch.command()
@click.version_option(__version__, prog_name="quantum-ess")
@click.pass_obj
def check(call: _Call, /) -> ExitCode:
    """Read and judge everything once, and trip nothing.

    Prints each evaluator with its value and its limit. Exit code 0: no limit is broken, and
    everything could be read; else 5.
    """
    with loading():
        from ess.watch import check as once  # noqa: PLC0415 - each command loads what it needs

    return once.check(call.paths)


@watch.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@click.version_option(__version__, prog_name="quantum-ess")
@click.pass_obj
def rebase(call: _Call, /, names: tuple[str, ...]) -> ExitCode:
    """Measure anew from where the account stands now.

    For a drawdown or a daily loss that was looked into and that you accept: without this, the
    evaluator NAME stops trading again after every release.
    """
    with loading():
        from ess.watch import anew  # noqa: PLC0415 - each command loads what it needs

    call.require_root()
    return anew.ask(call.paths, names)


@watch.command(hidden=True)
@click.pass_obj
def run(call: _Call, /) -> ExitCode:
    """Watch; quantum-ess-watch.service runs this."""
    with loading():
        from ess.watch import service  # noqa: PLC0415 - each command loads what it needs

    return service.run(call.paths)


@watch.command(hidden=True)
@click.argument("name")
def evaluator(name: str) -> ExitCode:
    """Answer for the evaluator NAME; the watcher runs this, once for each of the operator's own."""
    with loading():
        from ess.watch import evaluator as process  # noqa: PLC0415

    return process.run(name)
