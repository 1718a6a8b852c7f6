"""The audit log on disk: /var/log/quantum-ess/audit.jsonl and what logrotate made of it.

Only one process appends at a time (the aftermath holds a lock); anybody who may read may verify.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from typing import IO, TYPE_CHECKING, Any, NamedTuple, cast

from ess import regular
from ess.audit import chain, tally
from ess.audit.chain import BrokenRecordError, Head

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from ess.paths import Paths

_MODE = 0o640
_HEAD_LARGEST = 1 << 16
_TAIL = 1 << 18  # bytes of the log that are looked through for what was recorded already


class Remembered(NamedTuple):
    """What is kept beside the log: its last record, and what all of them add up to."""

    head: Head
    tally: tally.Tally


class Log:
    """The log, opened for appending. Raises OSError."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        os.makedirs(os.path.dirname(paths.audit), mode=0o750, exist_ok=True)
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        self._descriptor = os.open(paths.audit, flags, _MODE)
        torn = self._cut_torn_line()
        # logrotate may come between a crash and this run; then another file has the last record.
        self.tail = self._read_tail() or _last(paths)
        self.head = _continue(self.tail, head(paths))
        self.tally = self._catch_up()
        if torn:
            self.append({"event": "audit-repaired", "at": stamp(), "torn_bytes": torn})

    def append(self, content: Mapping[str, object]) -> Head:
        """Add a record; return once it is on disk. What a failure leaves is repaired."""
        line, new = chain.forge(self.head, content)
        written = os.write(self._descriptor, line)
        if written != len(line):
            self._cut_torn_line()
            raise OSError(f"{self._paths.audit}: only {written} of {len(line)} bytes were written")
        os.fsync(self._descriptor)
        self.head = new
        self.tally = tally.add(self.tally, content)
        _remember(self._paths, Remembered(new, self.tally))
        return new

    def close(self) -> None:
        """Give the file back."""
        os.close(self._descriptor)

    def _cut_torn_line(self) -> int:
        """Set aside what a crash left of a line that was being written; return its bytes."""
        size = os.fstat(self._descriptor).st_size
        start = max(0, size - _TAIL)
        data = os.pread(self._descriptor, size - start, start)
        torn = data[data.rfind(b"\n") + 1 :]
        if torn:
            with open(f"{self._paths.audit}.torn-{time.time_ns()}", "xb") as aside:
                aside.write(torn)
                os.fsync(aside.fileno())
            os.ftruncate(self._descriptor, size - len(torn))
            os.fsync(self._descriptor)
        return len(torn)

    def _catch_up(self) -> tally.Tally:
        """Add up what was written and not remembered: after a crash, one record."""
        known = remembered(self._paths)
        if known and known.head.seq == self.head.seq:
            return known.tally
        last = known or Remembered(Head(), tally.Tally())
        found = tally.total(last.tally, _after(self._paths, last.head.seq, self.tail))
        if self.head.seq:
            _remember(self._paths, Remembered(self.head, found))
        return found

    def _read_tail(self) -> list[chain.Record]:
        size = os.fstat(self._descriptor).st_size
        start = max(0, size - _TAIL)
        lines = os.pread(self._descriptor, size - start, start).split(b"\n")
        found = []
        for line in lines[1 if start else 0 :]:
            with contextlib.suppress(BrokenRecordError):
                found.append(chain.record(line))
        return found


def head(paths: Paths) -> Head | None:
    """Return the last record as it is remembered beside the log; None when it is not."""
    try:
        return _head_in(_read_head(paths))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def remembered(paths: Paths) -> Remembered | None:
    """Return what is kept beside the log; None when some of it is missing or damaged."""
    try:
        found = _read_head(paths)
        return Remembered(_head_in(found), tally.decode(found["counts"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def files(paths: Paths) -> list[str]:
    """Return the files of the log, oldest first, by the first record in each; last the present."""
    directory, name = os.path.split(paths.audit)
    try:
        names = os.listdir(directory)
    except FileNotFoundError:
        return []
    rotated = [f"{directory}/{one}" for one in names if _is_rotated(one, name)]
    rotated.sort(key=_first_seq)
    return rotated + ([paths.audit] if name in names else [])


def lines(paths: Paths) -> Iterator[tuple[str, bytes]]:
    """Yield (`FILE:NUMBER`, line), oldest first. Raises OSError."""
    yield from _lines_of(files(paths))


def _lines_of(chosen: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    for path in chosen:
        with _opened(path) as file:
            for number, line in enumerate(file, start=1):
                yield f"{path}:{number}", line


def records(paths: Paths) -> Iterator[chain.Record]:
    """Yield the records that can be read, oldest first. Raises OSError."""
    for path in files(paths):
        yield from _records_of(path)


def _records_of(path: str) -> Iterator[chain.Record]:
    for _, line in _lines_of([path]):
        with contextlib.suppress(BrokenRecordError):
            yield chain.record(line)


def stamp(us: int | None = None) -> str:
    """Return a moment (us since the epoch; by default now) as UTC, ISO 8601 with milliseconds."""
    moment = time.time_ns() // 1000 if us is None else us
    seconds, rest = divmod(moment, 1_000_000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{rest // 1000:03d}Z"


def _is_rotated(one: str, name: str) -> bool:
    rest = one.removeprefix(name)
    return one.startswith(name) and rest[:1] in (".", "-") and not rest.startswith(".torn-")


def _opened(path: str) -> IO[bytes]:
    if path.endswith(".gz"):
        import gzip  # noqa: PLC0415 - only a rotated log needs it

        return cast("IO[bytes]", gzip.open(path, "rb"))
    return open(path, "rb")


def _first_seq(path: str) -> int:
    try:
        with _opened(path) as file:
            return int(chain.record(file.readline())["seq"])
    except (OSError, EOFError, BrokenRecordError):
        return 0


def _continue(tail: list[chain.Record], remembered: Head | None) -> Head:
    """Return the head to go on from: the last that was written, whatever became of the file since.

    A crash leaves the log one record ahead of what is remembered, never behind it.
    """
    # Of two that claim the same place the remembered one counts: the log may have been edited.
    heads = ([remembered] if remembered else []) + [chain.head_of(found) for found in tail[-1:]]
    return max(heads, key=lambda one: one.seq, default=Head())


def _last(paths: Paths) -> list[chain.Record]:
    """Return the last record of the newest file that has one."""
    return next(filter(None, map(_last_of, reversed(files(paths)))), [])


def _last_of(path: str) -> list[chain.Record]:
    last: list[chain.Record] = []
    with contextlib.suppress(OSError, EOFError), _opened(path) as file:
        for line in file:
            with contextlib.suppress(BrokenRecordError):
                last = [chain.record(line)]
    return last


def _after(paths: Paths, seq: int, tail: list[chain.Record]) -> Iterator[chain.Record]:
    """Yield the records that follow record `seq`, oldest first; reads no file that has none."""
    if tail and tail[0]["seq"] <= seq + 1:
        yield from (found for found in tail if found["seq"] > seq)
        return
    wanted: list[str] = []
    for path in reversed(files(paths)):
        wanted.insert(0, path)
        if 0 < _first_seq(path) <= seq + 1:
            break
    for path in wanted:
        # What logrotate left damaged counts for what can be read of it.
        with contextlib.suppress(OSError, EOFError):
            yield from (found for found in _records_of(path) if found["seq"] > seq)


def _read_head(paths: Paths) -> Any:
    return json.loads(regular.read(paths.audit_head, _HEAD_LARGEST))


def _head_in(found: Any) -> Head:
    return Head(int(found["seq"]), str(found["hash"]))


def _remember(paths: Paths, new: Remembered) -> None:
    os.makedirs(os.path.dirname(paths.audit_head), mode=0o755, exist_ok=True)
    draft = f"{paths.audit_head}.new"
    counts = tally.encode(new.tally)
    with open(draft, "w", encoding="ascii") as file:
        json.dump({"seq": new.head.seq, "hash": new.head.hash, "counts": counts}, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, paths.audit_head)
