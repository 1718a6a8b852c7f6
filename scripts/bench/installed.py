"""The installed product's own Python part: what is measured is what runs."""

import sys
from pathlib import Path

VENV = Path("/opt/quantum-ess/venv")
sys.path += [str(path) for path in VENV.glob("lib/python3*/site-packages")]

import redis  # noqa: E402 - importable only now

from ess import event, spool  # noqa: E402
from ess.active import is_active  # noqa: E402
from ess.mirror import address  # noqa: E402
from ess.paths import Paths  # noqa: E402
from ess.watch import assembly, redis_source, sample, settings, source, watcher  # noqa: E402

PATHS = Paths()

__all__ = [
    "PATHS",
    "VENV",
    "address",
    "assembly",
    "event",
    "is_active",
    "redis",
    "redis_source",
    "sample",
    "settings",
    "source",
    "spool",
    "watcher",
]
