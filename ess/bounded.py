"""Work that could block for ever, done in a child that cannot outlive its time.

A thread would not do: a read from a dead disk cannot be interrupted, and a C library that waits
holds the interpreter. A child can be left behind.
"""

from __future__ import annotations

import os
import select
import signal
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Work = Callable[[], bytes]

_HIGHEST_DESCRIPTOR = 1024
_CHUNK = 65536
_BURIAL = 0.1
# Exit status of a child whose work raised.
_RAISED = 70
# Bytes before an answer of several.
_LENGTH = 4


def call(work: Work, seconds: float) -> bytes | None:
    """Return what `work` returns, run in a child, or None when it failed or took too long (s).

    Raises OSError when there is no process to be had.
    """
    pid, reader = _begin(lambda _writer: work, seconds)
    try:
        data = _read_all(reader, time.monotonic() + seconds)
    finally:
        os.close(reader)
    if data is None:
        _bury(pid)
        return None
    return data if os.waitpid(pid, 0)[1] == 0 else None


def each(works: Sequence[Work], seconds: float) -> list[bytes | None]:
    """Return what call() would of each, in a child for all of them while none fails or hangs (s).

    Raises OSError when there is no process to be had.
    """
    answers: list[bytes | None] = []
    while len(answers) < len(works):
        answers += _answers(works[len(answers) :], seconds)
    return answers


def spawn(work: Callable[[], object], seconds: float, keep: int | None = None) -> None:
    """Start `work` in a child that is killed after `seconds`, and do not wait for it.

    It has the descriptor `keep` of ours, and no other. Does nothing when there is no process to be
    had.
    """
    try:
        pid = os.fork()
    except OSError:
        return
    if pid == 0:

        def silent() -> bytes:
            work()
            return b""

        _child(silent, seconds, None, keep)


def _begin(work: Callable[[int], Work], seconds: float) -> tuple[int, int]:
    """Start a child and return it, and where to read; `work`: what it does, by where it writes."""
    reader, writer = os.pipe()
    try:
        pid = os.fork()
    except OSError:
        os.close(reader)
        os.close(writer)
        raise
    if pid == 0:
        _child(work(writer), seconds, writer)
    os.close(writer)
    return pid, reader


def _answers(works: Sequence[Work], seconds: float) -> list[bytes | None]:
    """Return the answers of the first of these, up to one that there is none of."""
    pid, reader = _begin(lambda writer: lambda: _in_turn(works, seconds, writer), seconds)
    found: list[bytes | None] = []
    try:
        while len(found) < len(works) and None not in found:
            found.append(_read_one(reader, time.monotonic() + seconds))
    finally:
        os.close(reader)
    if None in found:
        _bury(pid)
    else:
        os.waitpid(pid, 0)
    return found


def _in_turn(works: Sequence[Work], seconds: float, writer: int) -> bytes:
    for work in works:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        data = work()
        _write(writer, len(data).to_bytes(_LENGTH, "little") + data)
    return b""


def _child(work: Work, seconds: float, writer: int | None, keep: int | None = None) -> None:
    status = _RAISED
    try:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, seconds)
        _detach(writer if keep is None else keep)
        data = work()
        if writer is not None:
            _write(writer, data)
        status = 0
    finally:
        # Nothing of the parent may run twice: no exception handler, no buffer, no lock of its.
        os._exit(status)


def _detach(keep: int | None) -> None:
    """Leave the terminal and let go of every descriptor of the parent but `keep`.

    Whoever reads our output waits for its end, and a lock lasts until the last holder lets go:
    a child stuck in the kernel must keep neither.
    """
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    first = 3
    if keep is not None:
        os.closerange(first, keep)
        first = keep + 1
    os.closerange(first, _HIGHEST_DESCRIPTOR)


def _write(writer: int, data: bytes) -> None:
    while data:
        data = data[os.write(writer, data) :]


def _read_one(reader: int, deadline: float) -> bytes | None:
    """Return what is behind its length, None when there is no such thing by then."""
    head = _read_exactly(reader, _LENGTH, deadline)
    return head and _read_exactly(reader, int.from_bytes(head, "little"), deadline)


def _read_exactly(reader: int, count: int, deadline: float) -> bytes | None:
    poll = select.poll()
    poll.register(reader, select.POLLIN)
    data = b""
    while len(data) < count:
        left = deadline - time.monotonic()
        if left <= 0 or not poll.poll(left * 1000):
            return None
        more = os.read(reader, count - len(data))
        if not more:
            return None
        data += more
    return data


def _read_all(reader: int, deadline: float) -> bytes | None:
    poll = select.poll()
    poll.register(reader, select.POLLIN)
    chunks: list[bytes] = []
    while True:
        left = deadline - time.monotonic()
        if left <= 0 or not poll.poll(left * 1000):
            return None
        chunk = os.read(reader, _CHUNK)
        if not chunk:
            return b"".join(chunks)
        chunks.append(chunk)


def _bury(pid: int) -> None:
    """Kill the child and give it a moment to be gone; one stuck in the kernel is left behind."""
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + _BURIAL
    while not os.waitpid(pid, os.WNOHANG)[0] and time.monotonic() < deadline:
        time.sleep(_BURIAL / 50)
