"""A disk of a lab's own, on a loop device of this host, and a way to make it hang."""

from __future__ import annotations

import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.lab.lab import Lab

# The thaw does not depend on a test, nor on its lab: nothing else ends a process in D state.
THAW_AFTER_S = 9


def _host(*argv: str) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=20).stdout


@contextmanager
def loop_disk(lab: Lab, image: Path, mount_point: str) -> Iterator[str]:
    """Mount a small ext4 in the lab; its processes are gone, and it too, when the block ends."""
    _host("truncate", "-s", "16M", str(image))
    _host("mkfs.ext4", "-q", str(image))
    device = _host("losetup", "-f", "--show", str(image)).strip()
    try:
        number = device.removeprefix("/dev/loop")
        lab.sh(f"mknod /disk b 7 {number} && mkdir -p {mount_point}")
        lab.sh(f"cp -a {mount_point} /disk.old && mount /disk {mount_point}")
        lab.sh(f"cp -a /disk.old/. {mount_point}/ && sync")
        yield mount_point
        lab.sh(f"until umount {mount_point}; do sleep 0.05; done")
    finally:
        _host("losetup", "-d", device)


@contextmanager
def frozen(lab: Lab, mount_point: str) -> Iterator[None]:
    """Freeze the file system; it thaws when the block ends, or after THAW_AFTER_S."""
    enter = ("nsenter", "-t", str(lab.leader), "-m", "--")
    thaw = f"read -t {THAW_AFTER_S}; exec fsfreeze -u {mount_point}"
    thawer = subprocess.Popen(
        [*enter, "bash", "-c", thaw], stdin=subprocess.PIPE, start_new_session=True
    )
    try:
        lab.exec("fsfreeze", "-f", mount_point)
        yield
    finally:
        assert thawer.stdin
        thawer.stdin.close()
        assert thawer.wait(timeout=20) == 0
