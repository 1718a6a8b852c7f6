"""A person releases before the watcher has looked at the latch that it asked for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from ess.watch.rearm import RETRY
from tests.lab.rig import BRISK, any_flag, arm, wait_contained, wait_latched
from tests.lab.test_watcher import UNIT, said, say, switch_on

if TYPE_CHECKING:
    from tests.lab.lab import Lab

BASELINES = "/var/lib/quantum-ess/watch/baselines.json"
STANDING = "/var/lib/quantum-ess/watch/standing.json"


def judged(lab: Lab) -> float:
    """Return when the watcher has judged everything last (s since boot)."""
    when: float = json.loads(lab.read(STANDING))["boottime"]
    return when


def await_judged(lab: Lab, after: float) -> float:
    """Return when it has judged everything after that moment."""
    lab.wait_until(lambda: judged(lab) > after, 40, "everything was judged")
    return judged(lab)


def fallen(guarded: Lab) -> tuple[Lab, float]:
    """Latched by the watcher for what equity lost; and when it had judged before (s since boot)."""
    guarded.systemctl("start", "redis-server.service")
    arm(guarded, settings=BRISK)
    lab = switch_on(guarded, CHECK_INTERVAL="10")
    say(lab, "equity", 1000, 1000, 1000)
    before = await_judged(lab, judged(lab))
    say(lab, "equity", 910)
    wait_latched(lab)
    return lab, before


@pytest.mark.every_image
@pytest.mark.timeout(180)
def test_it_does_not_stop_trading_again_before_it_gets_worse(guarded: Lab) -> None:
    lab, before = fallen(guarded)
    wait_contained(lab)
    lab.exec("ess", "deactivate", "--yes", "--reason", "seen", timeout=30)
    assert judged(lab) == before, "not within one interval"
    assert said(lab, "(request, quantum-ess: flash-crash: equity fell by 9.00 %") == 1
    # By then it would have asked again.
    await_judged(lab, before + 10 + RETRY)
    assert said(lab, "stop asked for: ") == 1
    assert not any_flag(lab)
    say(lab, "equity", 909)
    say(lab, "equity", 905)
    wait_latched(lab)
    assert said(lab, "stop asked for: flash-crash: equity fell by 9.50 %") == 1


@pytest.mark.timeout(180)
def test_nor_does_one_that_ended_between_its_request_and_the_release(guarded: Lab) -> None:
    lab, before = fallen(guarded)
    lab.wait_until(lambda: '"asked":{"request"' in lab.read(BASELINES), what="it is written down")
    lab.systemctl("kill", "--signal=KILL", UNIT)
    lab.systemctl("stop", UNIT)
    assert judged(lab) == before, "it has not looked at the latch since"
    wait_contained(lab)
    lab.exec("ess", "deactivate", "--yes", "--reason", "seen", timeout=30)
    lab.systemctl("start", UNIT)
    await_judged(lab, before)
    say(lab, "equity", 909)
    say(lab, "equity", 905)
    wait_latched(lab)
    assert said(lab, "stop asked for: flash-crash: equity fell by 9.50 %") == 1
    assert said(lab, "stop asked for: ") == 2
