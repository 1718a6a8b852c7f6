"""`ess monitor`: once, or again and again until Ctrl-C."""

from __future__ import annotations

import contextlib
import select
import shutil
import signal
from typing import TYPE_CHECKING

from ess.console import Console
from ess.exits import ExitCode
from ess.monitor import document, screen
from ess.monitor.gather import Gatherer
from ess.monitor.layout import crop
from ess.monitor.painter import painter, plain

if TYPE_CHECKING:
    from types import FrameType

    from ess.paths import Paths

_NARROWEST = 40
_LOWEST = 5
_STDOUT = 1


def once(paths: Paths, most: int, *, as_json: bool) -> ExitCode:
    """Show how it is now, with the last `most` activations; return what `ess status` would.

    Raises EssError when there is no way to systemd at all.
    """
    picture = Gatherer(paths, most).picture()
    console = Console()
    width, _ = _size(console)
    told = screen.lines(picture, width)
    console.out(document.text(picture) if as_json else plain(console, told))
    return picture.code


def keep_showing(paths: Paths, most: int, interval: int) -> ExitCode:
    """Show it every `interval` s until a signal ends it, or the reader is gone; return DONE.

    Raises EssError when there is no way to systemd at all.
    """
    console, gatherer = Console(), Gatherer(paths, most)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    with contextlib.suppress(KeyboardInterrupt), painter(console) as show:
        while True:
            picture = gatherer.picture()
            width, height = _size(console)
            told = screen.lines(picture, width)
            show(crop(told, height) if console.interactive else told)
            if _reader_is_gone(interval):
                break
    return ExitCode.DONE


def _end(_number: int, _frame: FrameType | None) -> None:
    # As Ctrl-C does: the terminal is put in order on the way out.
    raise KeyboardInterrupt


def _reader_is_gone(seconds: int) -> bool:
    """Wait so long, less when nobody reads any more."""
    poll = select.poll()
    # Nothing but POLLERR and POLLHUP, which are always told.
    poll.register(_STDOUT, 0)
    return bool(poll.poll(seconds * 1000))


def _size(console: Console) -> tuple[int, int]:
    if not console.interactive:
        return screen.WIDTH, 0
    columns, rows = shutil.get_terminal_size((screen.WIDTH, 24))
    # The last row stays empty: writing into its last column would scroll.
    return min(screen.WIDTH, max(_NARROWEST, columns)), max(_LOWEST, rows - 1)
