"""A unit with Slice=-.slice lives directly below the cgroup root, and was never killed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lab import ground as g

if TYPE_CHECKING:
    from tests.lab.lab import Lab

pytestmark = pytest.mark.latch_alone

UNIT = "quantum-loose.service"


@pytest.mark.both_systemds
def test_it_is_killed_like_any_other(guarded: Lab) -> None:
    g.guard(guarded, {UNIT: g.service(f"ExecStart={g.STUBBORN}\nSlice=-.slice\n")})
    g.start(guarded, UNIT)

    assert g.touch_and_time(guarded, UNIT) < g.PROMISE

    g.assert_contained(guarded, UNIT)
