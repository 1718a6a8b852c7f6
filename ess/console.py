"""Writing to a person, who may have closed the terminal, stopped it, or piped us into `head`.

No failure to write may stop what is being written about, and nothing is written through Python's
buffered streams: their last flush would change the exit code.
"""

from __future__ import annotations

import os
import select
import sys
import textwrap

# How long a terminal that takes no more may hold up a stop before a line is dropped (s).
SHORT_PATIENCE = 0.1
_STDOUT, _STDERR = 1, 2
_COLUMNS = 79
_CODES = {"bad": "1;31", "good": "1;32", "warn": "1;33", "strong": "1"}


class Console:
    """Standard output and error. With `patience` (s) a line that cannot go out is dropped."""

    def __init__(self, patience: float | None = None) -> None:
        self._patience = patience
        self.interactive = _is_terminal(_STDOUT)
        dumb = os.environ.get("TERM", "dumb") == "dumb"
        self._colour = self.interactive and not dumb and not os.environ.get("NO_COLOR")

    def out(self, text: str = "") -> None:
        """Write lines to standard output."""
        self._write(_STDOUT, f"{text}\n")

    def words(self, text: str, indent: int) -> None:
        """Write one line; on a terminal as many as it takes, those after the first indented.

        A program, and whoever looks for words in a file, gets it whole.
        """
        self.out(_fitting(text, indent) if self.interactive else text)

    def raw(self, text: str) -> None:
        """Write to standard output without ending the line."""
        self._write(_STDOUT, text)

    def error(self, text: str) -> None:
        """Write one line of our own to standard error; a terminal gets it without broken words."""
        line = f"ess: {text}"
        if _is_terminal(_STDERR):
            line = _fitting(line, len("ess: "))
        self._write(_STDERR, f"{line}\n")

    def paint(self, text: str, tone: str) -> str:
        """Return `text` coloured where a person wants and sees colour."""
        return f"\033[{_CODES[tone]}m{text}\033[0m" if self._colour else text

    def _write(self, descriptor: int, text: str) -> None:
        data = text.encode("utf-8", "replace")
        try:
            while data and self._ready(descriptor):
                # PIPE_BUF: what poll() promises will not block.
                data = data[os.write(descriptor, data[: select.PIPE_BUF]) :]
        except OSError:
            return

    def _ready(self, descriptor: int) -> bool:
        if self._patience is None:
            return True
        poll = select.poll()
        poll.register(descriptor, select.POLLOUT)
        return bool(poll.poll(self._patience * 1000))


def stdin_is_terminal() -> bool:
    """Tell whether a person can be asked."""
    return sys.stdin is not None and _is_terminal(0)


def _fitting(text: str, indent: int) -> str:
    return textwrap.fill(
        text,
        _COLUMNS,
        subsequent_indent=" " * indent,
        break_on_hyphens=False,
        break_long_words=False,
    )


def _is_terminal(descriptor: int) -> bool:
    try:
        return os.isatty(descriptor)
    except OSError:
        return False
