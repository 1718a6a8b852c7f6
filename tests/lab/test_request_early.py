"""The flag of a request does not wait until the reader has read its own parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lab import asking
from tests.lab import ground as g
from tests.lab.asking import MEMBER, READER
from tests.lab.stack import TRADING_UNITS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.lab import Lab

furnish = asking.furnish
# The last part the reader reads.
PART = "/usr/local/lib/quantum-ess/ops/lib/asked.sh"


@pytest.fixture
def slow(ground: g.Ground, trading: Lab) -> Iterator[Lab]:
    """One whose reader takes 4 s to read itself, and is at rest."""
    trading.wait_until(lambda: trading.state(READER) == "inactive", what="the reader at rest")
    trading.sh(f"cp -a {PART} /root/part; sed -i '1i [[ $1 != request ]] || sleep 4' {PART}")
    yield trading
    if trading in ground.labs:
        trading.sh(f"cp -a /root/part {PART}")


@pytest.mark.parametrize("name", ["x", ".x"])
def test_the_flag_comes_before_the_readers_parts(slow: Lab, name: str) -> None:
    asking.script(slow, MEMBER, 'echo "reason=flash crash" >"$1"', name)
    slow.wait_until(lambda: slow.exists(g.RUN_FLAG), 2, "the flag")
    # It is there before its text is.
    slow.wait_until(lambda: asking.flag(slow, g.RUN_FLAG).get("source"), 1, "its text")
    early = asking.flag(slow, g.RUN_FLAG)
    assert early["source"] == "request"
    assert asking.left(slow), "the reader is not yet at work"
    g.dead(slow, *TRADING_UNITS)
    asking.assert_stopped(slow)
    # One trip, which is this one, and whose words came later.
    said = asking.flag(slow)
    assert said["id"] == early["id"] == asking.flag(slow, g.RUN_FLAG)["id"]
    assert (said["operator"], said["reason"]) == (MEMBER, "flash crash")
    assert said["at"] == early["at"]
    events = slow.wait_until(lambda: asking.events(slow), what="recorded")
    assert events[-1]["first"] == "yes"
    assert events[-1]["activation"] == said["id"]
    assert "flash crash" in g.status(slow).stdout


def test_a_reader_that_is_started_without_a_request_sets_nothing(trading: Lab) -> None:
    for _ in range(3):
        trading.systemctl("start", READER)
        trading.wait_until(lambda: trading.state(READER) == "inactive", what="it has ended")
    asking.assert_stays_released(trading)
    assert len(g.alive(trading, *TRADING_UNITS)) == len(TRADING_UNITS)


def test_parts_that_are_broken_cost_no_stop(trading: Lab) -> None:
    broken = "/usr/local/lib/quantum-ess/ops/lib/latch.sh"
    trading.sh(f"cp -a {broken} /root/part; echo 'syntax (error' >{broken}")
    try:
        asking.script(trading, MEMBER, "touch x")
        trading.wait_until(lambda: trading.exists(g.RUN_FLAG), 2, "the flag")
        g.dead(trading, *TRADING_UNITS)
    finally:
        trading.sh(f"cp -a /root/part {broken}")
    asking.assert_stopped(trading)
