"""Five restarts of the watch within 10 s hit systemd's start limit and left it failed."""

import pytest

from tests.lab import ground as g
from tests.lab.lab import Lab

pytestmark = pytest.mark.latch_alone

WATCH = (
    "quantum-ess.path",
    "quantum-ess-quick.path",
    "quantum-ess-disk.path",
    "quantum-ess-request.path",
    "quantum-ess-request-names.path",
    "quantum-ess-sentry.timer",
    "quantum-ess-drill.timer",
)
UNIT = "quantum-execution.service"


@pytest.mark.both_systemds
def test_watch_that_is_restarted_in_a_hurry_still_watches(guarded: Lab) -> None:
    g.guard(guarded, {UNIT: g.service()})
    g.start(guarded, UNIT)
    for _ in range(10):
        guarded.systemctl("restart", *WATCH)
    assert {guarded.state(unit) for unit in WATCH} == {"active"}
    assert g.touch_and_time(guarded, UNIT) < g.PROMISE
    g.assert_contained(guarded, UNIT)
