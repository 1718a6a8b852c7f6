"""Where the watcher writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ess.paths import Paths

WOULD_TRIP = "would-trip.json"


def state(paths: Paths) -> str:
    """Return the directory of what the watcher remembers, and of how it stands."""
    return f"{paths.state_dir}/watch"


def would_trip(paths: Paths) -> str:
    """Return the file that says what a watcher in a dry run would have stopped trading for."""
    return f"{state(paths)}/{WOULD_TRIP}"
