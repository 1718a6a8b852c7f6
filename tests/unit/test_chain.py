"""The chain: any edit, deletion, insertion, reordering and truncation is found, with its line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from ess.audit import chain
from ess.audit.chain import Head

if TYPE_CHECKING:
    from collections.abc import Sequence

LENGTH = 12


def forged(length: int = LENGTH) -> tuple[list[bytes], Head]:
    head, lines = Head(), []
    for number in range(length):
        line, head = chain.forge(head, {"event": "trip", "reason": f"number {number}"})
        lines.append(line)
    return lines, head


def faults(
    lines: Sequence[bytes], last: Head | None = None, known: dict[int, str] | None = None
) -> list[chain.Fault]:
    placed = [(f"log:{number}", line) for number, line in enumerate(lines, start=1)]
    return list(chain.verify(placed, known or {}, last))


LINES, LAST = forged()


def test_a_whole_log_has_no_fault() -> None:
    assert faults(LINES, LAST) == []
    assert faults(LINES[5:], LAST) == [], "older files were rotated away"
    assert faults([]) == []


@given(st.data())
@settings(max_examples=300)
def test_one_changed_byte_is_found_in_its_line(data: st.DataObject) -> None:
    number = data.draw(st.integers(0, LENGTH - 1))
    line = bytearray(LINES[number])
    place = data.draw(st.integers(0, len(line) - 2))
    line[place] ^= data.draw(st.integers(1, 255))
    changed = [*LINES[:number], bytes(line), *LINES[number + 1 :]]
    assert f"log:{number + 1}" in {fault.where for fault in faults(changed, LAST)}


@given(st.integers(0, LENGTH - 2))
def test_a_deleted_line_is_found(number: int) -> None:
    found = faults(LINES[:number] + LINES[number + 1 :], LAST)
    assert bool(found) == (number > 0), "the first may have been rotated away"


@given(st.integers(1, LENGTH - 1), st.integers(1, LENGTH - 1))
def test_an_inserted_or_moved_line_is_found(source: int, target: int) -> None:
    moved = [*LINES[:target], LINES[source], *LINES[target:]]
    assert faults(moved, LAST)
    if source != target:
        rest = LINES[:source] + LINES[source + 1 :]
        assert faults([*rest[:target], LINES[source], *rest[target:]], LAST)


@given(st.integers(0, LENGTH - 1))
def test_truncation_is_found_by_what_is_remembered(length: int) -> None:
    assert faults(LINES[:length], LAST)
    assert faults(LINES[:length], known={LAST.seq: LAST.hash})


def test_a_log_rewritten_as_a_whole_is_found_by_a_checkpoint() -> None:
    known = {4: json.loads(LINES[3])["hash"]}
    head, rewritten = Head(), []
    for number in range(LENGTH):
        line, head = chain.forge(head, {"event": "drill", "number": number})
        rewritten.append(line)
    assert faults(rewritten, head) == []
    assert [fault.where for fault in faults(rewritten, head, known)] == ["log:4"]


def test_the_last_line_edited_with_its_hash_is_found() -> None:
    forged_line, _ = chain.forge(
        Head(LENGTH - 1, json.loads(LINES[-2])["hash"]), {"event": "drill"}
    )
    assert faults([*LINES[:-1], forged_line], LAST)
