"""Bringing a screen that changes to a terminal; with rich where it can be had."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ess.console import Console
    from ess.monitor.layout import Line

_STYLES = {"bad": "bold red", "good": "bold green", "warn": "bold yellow", "strong": "bold"}
_HOME_AND_CLEAR = "\033[H\033[2J"


class Painter(Protocol):
    """Shows one screen after the other."""

    def __call__(self, lines: Sequence[Line]) -> None:
        """Show these lines in the place of those before."""


@contextlib.contextmanager
def painter(console: Console) -> Iterator[Painter]:
    """Yield what shows the screen. At the end the terminal is as it was, whatever happens."""
    dumb = os.environ.get("TERM", "dumb") == "dumb"
    if not console.interactive or dumb:
        yield lambda lines: console.out(f"{plain(console, lines)}\n")
        return
    try:
        from rich.console import Console as RichConsole  # noqa: PLC0415 - an extra
        from rich.live import Live  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415
    except ImportError:
        yield lambda lines: console.raw(f"{_HOME_AND_CLEAR}{plain(console, lines)}\n")
        return
    # A terminal of another encoding shows question marks rather than nothing.
    getattr(sys.stdout, "reconfigure", lambda **_: None)(errors="replace")
    no_colour = bool(os.environ.get("NO_COLOR"))
    rich = RichConsole(highlight=False, markup=False, emoji=False, soft_wrap=True)
    with Live(console=rich, screen=True, auto_refresh=False) as live:

        def show(lines: Sequence[Line]) -> None:
            styled = [
                (line.text, "" if no_colour else _STYLES.get(line.tone, "")) for line in lines
            ]
            text = Text("\n").join(Text(told, style) for told, style in styled)
            live.update(text, refresh=True)

        yield show


def plain(console: Console, lines: Sequence[Line]) -> str:
    """Return the lines as text, coloured where a person wants and sees colour."""
    return "\n".join(
        console.paint(line.text, line.tone) if line.tone and line.text else line.text
        for line in lines
    )
