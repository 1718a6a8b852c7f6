"""Where the watcher writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ess.paths import Paths


def state(paths: Paths) -> str:
    """Return the directory of what the watcher remembers, and of how it stands."""
    return f"{paths.state_dir}/watch"
