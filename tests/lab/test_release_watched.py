"""A release where nothing watches the flag: it is watched first, or nothing is released."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lab.rig import CONTROLLER, assert_held, assert_released, trip

if TYPE_CHECKING:
    from tests.lab.lab import Lab

pytestmark = pytest.mark.latch_alone

WATCH = "quantum-ess.path"


@pytest.mark.parametrize("tool", [CONTROLLER, "ess"])
def test_watch_that_was_stopped(armed: Lab, tool: str) -> None:
    """Python removed the flags, and then found that nothing watches them."""
    trip(armed)
    armed.systemctl("stop", WATCH)
    done = armed.exec(tool, "deactivate", check=False, timeout=30)
    assert done.returncode == 0, done.stdout + done.stderr
    assert_released(armed)


@pytest.mark.parametrize("tool", [CONTROLLER, "ess"])
def test_watch_that_cannot_be_started(armed: Lab, tool: str) -> None:
    trip(armed)
    masked = f"/etc/systemd/system/{WATCH}"
    armed.sh(f"systemctl stop {WATCH}; mv {masked} /root; ln -s /dev/null {masked}")
    armed.systemctl("daemon-reload")
    try:
        done = armed.exec(tool, "deactivate", check=False, timeout=30)
        assert done.returncode == 6
        assert "does not start" in done.stderr
        assert "the latch is still set" in done.stderr
    finally:
        armed.sh(f"mv -T /root/{WATCH} {masked}; systemctl daemon-reload; systemctl start {WATCH}")
    assert_held(armed)
