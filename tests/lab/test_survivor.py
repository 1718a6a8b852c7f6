"""A process that outlives SIGKILL: it hangs in a frozen file system, as on a dead disk.

It is named, never called contained, cut off the network, and the release undoes the cut.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lab.disk import frozen, loop_disk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.lab.lab import Lab

UNIT = "quantum-execution.service"
BASH = "/usr/local/lib/quantum-ess/ops/ess_controller.sh"
HANGS = "[Service]\nExecStart=/bin/bash -c 'while :; do echo >/mnt/disk/file; sleep 0.02; done'\n"


def denied(lab: Lab) -> list[str]:
    """Return the networks that the unit's processes cannot reach."""
    return lab.show(UNIT, "IPAddressDeny")["IPAddressDeny"].split()


@pytest.fixture
def disk(lab: Lab, tmp_path: Path) -> Iterator[str]:
    """A file system of its own in the lab, which can be made to hang."""
    with loop_disk(lab, tmp_path / "disk", "/mnt/disk") as mount_point:
        yield mount_point
        lab.sh("systemctl kill -s KILL " + UNIT, check=False)


@pytest.mark.parametrize("tool", [BASH, "ess"])
def test_what_survives_sigkill_is_named_and_cut_off(lab: Lab, disk: str, tool: str) -> None:
    lab.put_unit(UNIT, HANGS)
    lab.systemctl("start", UNIT)
    lab.wait_until(lambda: lab.exists(f"{disk}/file"), what="the unit writes")
    with frozen(lab, disk):
        tripped = lab.exec(tool, "activate", check=False)
        assert tripped.returncode == 4
        assert "NOT CONTAINED" in tripped.stdout + tripped.stderr
        seen = lab.exec(tool, "status", check=False)
        assert seen.returncode == 4
        assert f"{UNIT}  pids {lab.pids(UNIT)[0]}" in seen.stdout
        lab.wait_until(
            lambda: set(denied(lab)) == {"::/0", "0.0.0.0/0"},
            what="cut off the network",
        )
        assert f"{UNIT} SURVIVES SIGKILL" in lab.journal("-t", "quantum-ess")
    lab.wait_until(lambda: not lab.populated(UNIT), what="dead once the disk answers")
    assert lab.exec(tool, "status", check=False).returncode == 0
    lab.exec(tool, "deactivate", "--no-start", "--yes")
    assert denied(lab) == []
