"""The part of the command line that is about the watcher."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from ess import __version__
from ess.console import Console
from ess.loading import loading
from ess.paths import Paths

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
@click.option("--scope", type=click.Choice(["main", "canary"]), default="main")
@click.pass_obj
def run(call: _Call, /, scope: str) -> ExitCode:
    """Watch; quantum-ess-watch.service runs this."""
    with loading():
        from ess.watch import service  # noqa: PLC0415 - each command loads what it needs

    return service.run(Paths(call.paths.root, scope))


@watch.command(hidden=True)
@click.argument("step", type=click.Choice(["sources", "arm", "break", "forget"]))
@click.pass_obj
def drill(call: _Call, /, step: str) -> None:
    """Tell what there is to drill, or write and remove a figure; `ess drill` runs this."""
    call.require_root()
    with loading():
        from ess.watch import drill as canary  # noqa: PLC0415 - each command loads what it needs
        from ess.watch import settings  # noqa: PLC0415

    paths = Paths(call.paths.root, "canary")
    if step == "sources":
        Console().out(" ".join(canary.sources(settings.load(paths))))
        return
    with loading():
        from ess.watch import drill_figure  # noqa: PLC0415 - needs the package redis

    if step == "forget":
        drill_figure.forget(paths)
    else:
        Console().out(drill_figure.write(paths, canary.EQUITY[step]))


@watch.command(hidden=True)
@click.argument("name")
def evaluator(name: str) -> ExitCode:
    """Answer for the evaluator NAME; the watcher runs this, once for each of the operator's own."""
    with loading():
        from ess.watch import evaluator as process  # noqa: PLC0415

    return process.run(name)
