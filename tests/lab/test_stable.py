"""A lab that is used again is as it was made, or it is not used again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lab import scenarios
from tests.lab.rig import (
    DRILL,
    RUN_FLAG,
    SENTRY,
    assert_released,
    touch,
    trip,
    wait_contained,
)
from tests.lab.stable import Stable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.lab import Lab


@pytest.fixture
def stable() -> Iterator[Stable]:
    stable = Stable(without=lambda _: ("aftermath", "deliver"))
    yield stable
    stable.drop()


def test_what_a_trip_leaves_is_taken_back(stable: Stable, lab_image: str) -> None:
    lab = stable.lab(lab_image)
    trip(lab)
    stable.back()
    assert stable.lab(lab_image) is lab
    assert_released(lab)
    assert not told(lab)
    touch(lab)
    wait_contained(lab)
    lab.wait_until(lambda: told(lab), what="the journal tells of this trip, and not of the first")


def told(lab: Lab) -> bool:
    return "ESS ACTIVATION" in lab.journal("-t", "quantum-ess")


SPOILT = {
    "a drop-in": "mkdir -p /etc/systemd/system/{u}.d; echo >/etc/systemd/system/{u}.d/x.conf",
    "a drop-in until the next boot": "systemctl set-property --runtime {u} CPUWeight=50",
    "the configuration": "echo QT_ESS_SETTLE=0 >>/etc/quantum-ess/ess.env",
    "our own program": "echo >>/usr/local/lib/quantum-ess/ops/lib/enforce.sh",
    "something laid down": "touch /run/screen",
    "a program of trading": scenarios.STRAY,
    "the last drill": f"echo epoch=1 >{DRILL}",
    "the sentry": f"systemctl stop {SENTRY.replace('.service', '.timer')}",
    "the directory of the latch": f"rm -rf {RUN_FLAG.rpartition('/')[0]}",
}


@pytest.mark.timeout(120)
def test_a_lab_that_was_changed_is_not_used_again(stable: Stable, lab_image: str) -> None:
    kept = []
    for name, script in SPOILT.items():
        lab: Lab = stable.lab(lab_image)
        lab.sh(script.format(u="quantum-governor.service"))
        stable.back()
        if stable.labs:
            kept.append(name)
            stable.drop()
    assert kept == []
