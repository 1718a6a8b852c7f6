"""Which watch.env it is.

By it the watcher tells what it runs with, and others see whether that still lies there. Time and
size alone: anybody may read what the watcher tells, and the file has secrets in it.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ess.paths import Paths

MISSING = "missing"


def edition(paths: Paths) -> str:
    """Return what changes with every change of the file; "" when it cannot be looked at."""
    try:
        found = os.stat(paths.watch_config)
    except FileNotFoundError:
        return MISSING
    except OSError:
        return ""
    return f"{found.st_mtime_ns}-{found.st_size}"
