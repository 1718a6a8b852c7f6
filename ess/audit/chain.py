"""The hash chain of the audit log. Pure.

Each record is one JSON object a line: sorted keys, no blanks, ASCII. `hash` is the SHA-256 (hex)
over the same line without `hash`; `prev` is the hash of the record before it, GENESIS for the
first; `seq` counts from 1. So no line can be changed, taken out, put in or moved unseen, and where
the log ends is known from outside (the head file, the checkpoints in the journal).
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

GENESIS = "0" * 64
Record = dict[str, Any]


class Head(NamedTuple):
    """The last record of a chain."""

    seq: int = 0
    hash: str = GENESIS


class Fault(NamedTuple):
    """What is wrong, and in which line (`FILE:NUMBER`)."""

    where: str
    what: str


class BrokenRecordError(ValueError):
    """A line is no record of a chain."""


def forge(head: Head, content: Mapping[str, Any]) -> tuple[bytes, Head]:
    """Return the line for `content` that follows `head`, with its newline, and the new head."""
    record = {**content, "seq": head.seq + 1, "prev": head.hash}
    digest = _digest(record)
    return _canonical({**record, "hash": digest}) + b"\n", Head(head.seq + 1, digest)


def record(line: bytes) -> Record:
    """Return the record in a line, its hash verified. Raises BrokenRecordError."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BrokenRecordError("is no JSON") from error
    if not isinstance(found, dict) or _canonical(found) != line.rstrip(b"\n"):
        raise BrokenRecordError("is not in the form in which records are written")
    if type(found.get("seq")) is not int or not isinstance(found.get("prev"), str):
        raise BrokenRecordError("has no seq or prev")
    if found.get("hash") != _digest({key: found[key] for key in found if key != "hash"}):
        raise BrokenRecordError("was edited: its hash is another")
    return found


def head_of(found: Mapping[str, Any]) -> Head:
    """Return the head that a verified record makes."""
    return Head(found["seq"], found["hash"])


def verify(
    lines: Iterable[tuple[str, bytes]], known: Mapping[int, str], last: Head | None
) -> Iterator[Fault]:
    """Yield what is wrong with a log; nothing when it is whole.

    `lines`: (`FILE:NUMBER`, line), oldest first. `known`: hashes by seq, from checkpoints
    elsewhere. `last`: the head as it is remembered elsewhere, None when it is not.
    """
    head: Head | None = None
    where = "the log"
    for where, line in lines:
        try:
            found = record(line)
        except BrokenRecordError as error:
            yield Fault(where, str(error))
            head = None
            continue
        yield from _follows(where, head, found, known)
        head = head_of(found)
    yield from _ends(where, head, known, last)


def _follows(
    where: str, head: Head | None, found: Record, known: Mapping[int, str]
) -> Iterator[Fault]:
    seq = found["seq"]
    if head is not None and (seq, found["prev"]) != (head.seq + 1, head.hash):
        yield Fault(where, f"record {seq} does not follow record {head.seq}")
    if known.get(seq, found["hash"]) != found["hash"]:
        yield Fault(where, f"record {seq} is not the one whose checkpoint is in the journal")


def _ends(
    where: str, head: Head | None, known: Mapping[int, str], last: Head | None
) -> Iterator[Fault]:
    end = head.seq if head else 0
    expected = max([*known, last.seq if last else 0], default=0)
    if head is not None and expected > end:
        yield Fault(where, f"the log ends with record {end}; record {expected} was written")
    elif head is None and expected:
        yield Fault(where, f"there is no log; record {expected} was written")
    if head and last and last.seq == end and last.hash != head.hash:
        yield Fault(where, f"record {end} is not the one that was written last")


def _canonical(found: Mapping[str, Any]) -> bytes:
    return json.dumps(found, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()


def _digest(found: Mapping[str, Any]) -> str:
    return hashlib.sha256(_canonical(found)).hexdigest()
