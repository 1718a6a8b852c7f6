"""A release that meets the flag on disk once more: the enforcer's late copy of it, or a new stop.

What lands, lands between the removal of the flags and the look that follows: the release is stopped
meanwhile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lab.rig import (
    CONTROLLER,
    RUN_FLAG,
    RUNNING,
    VAR_FLAG,
    alive,
    assert_held,
    assert_released,
    touch,
    trip,
    wait_latched,
)
from tests.thorough import in_turn

if TYPE_CHECKING:
    import subprocess

    from tests.lab.lab import Lab

pytestmark = pytest.mark.latch_alone

TOOLS = (CONTROLLER, "ess")
LATE = "/run/late"
STOPPERS = "/run/quantum-ess/stoppers"
DISK_PATH = "quantum-ess-disk.path"
# A step of the enforcer's copy, as slow as on a disk that hangs for a moment: it goes on once both
# flags are gone. It runs beside the release, which is stopped until it is through.
SLOW = f"""#!/bin/bash
trap '' TERM
[[ "$*" == *" {{place}}" ]] && mkdir {LATE} || exec /usr/bin/{{step}} "$@"
while [[ -e {RUN_FLAG} ]]; do :; done
read -r release </run/quantum-ess/release.lock
kill -STOP "$release"
/usr/bin/{{step}} "$@"
{{then}}
kill -CONT "$release"
"""


def release_meets(
    lab: Lab, tool: str, then: str = "true", step: str = "ln"
) -> subprocess.CompletedProcess[str]:
    """Release while the enforcer's copy of the flag comes late, and `then` (bash) follows.

    The release is kept from knowing that the enforcer is at it: it would wait for that.
    """
    lab.sh(f"rm -f {STOPPERS}; mkdir {STOPPERS}")
    slow = f"/usr/local/sbin/{step}"
    place = VAR_FLAG if step == "ln" else VAR_FLAG.rpartition("/")[0]
    lab.write(slow, SLOW.format(step=step, place=place, then=then), 0o755)
    if then == "true":
        # PID 1 starts an enforcer for this copy. Where that is faster than the release, it latches
        # again, and there is nothing to see of what the release makes of the copy.
        lab.systemctl("stop", DISK_PATH)
    try:
        lab.sh(f"rm {VAR_FLAG}; until [[ -e {LATE} ]]; do :; done")
        # A child of the shell, which is not stopped with it.
        return lab.sh(f"{tool} deactivate & wait $!", check=False, timeout=30)
    finally:
        lab.exec("rm", "-rf", slow, LATE, STOPPERS)
        lab.systemctl("start", DISK_PATH)


@pytest.mark.parametrize("tool", TOOLS)
def test_late_copy_of_the_flag_that_is_released(armed: Lab, tool: str) -> None:
    trip(armed)
    done = release_meets(armed, tool)
    assert done.returncode == 0, done.stdout + done.stderr
    assert_released(armed)


@pytest.mark.parametrize("tool", TOOLS)
def test_late_copy_of_a_flag_that_was_touched(armed: Lab, tool: str) -> None:
    """That has no id; its copy has the enforcer's."""
    touch(armed)
    armed.wait_until(lambda: armed.exists(RUNNING), what="what ran is written down")
    wait_latched(armed)
    done = release_meets(armed, tool)
    assert done.returncode == 0, done.stdout + done.stderr
    assert_released(armed)


@pytest.mark.parametrize("tool", TOOLS)
def test_copy_that_was_there_and_is_not_any_more(armed: Lab, tool: str) -> None:
    """Who was just done with it takes what the release has removed for what he could not write."""
    trip(armed)
    done = release_meets(armed, tool, step="sync")
    assert done.returncode == 0, done.stdout + done.stderr
    assert_released(armed)


STOPS = (
    f"touch {VAR_FLAG}",
    f"touch {RUN_FLAG}",
    f"cp {VAR_FLAG} {RUN_FLAG}",
    f"sed -i s/^id=.*/id=another/ {VAR_FLAG}",
    f"sed -i /^id=/d {VAR_FLAG}",
    f": >{VAR_FLAG}",
    f"rm {VAR_FLAG}; mkdir {VAR_FLAG}",
    f"rm {VAR_FLAG}; mkfifo {VAR_FLAG}",
    f"mv {VAR_FLAG} {VAR_FLAG}.x; ln -s {VAR_FLAG}.x {VAR_FLAG}",
)


@pytest.mark.parametrize(("stop", "tool"), in_turn(STOPS, TOOLS))
def test_new_stop_in_place_of_a_late_copy(armed: Lab, tool: str, stop: str) -> None:
    trip(armed)
    done = release_meets(armed, tool, stop)
    assert done.returncode == 6, done.stdout + done.stderr
    assert "set the latch again" in done.stderr
    assert alive(armed) == []
    assert_held(armed)
