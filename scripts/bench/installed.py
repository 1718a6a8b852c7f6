"""The installed product's own Python part: what is measured is what runs."""

import sys
from pathlib import Path

VENV = Path("/opt/quantum-ess/venv")
sys.path += [str(path) for path in VENV.glob("lib/python3*/site-packages")]

from ess import event, spool  # noqa: E402 - importable only now
from ess.active import is_active  # noqa: E402
from ess.paths import Paths  # noqa: E402

PATHS = Paths()

__all__ = ["PATHS", "VENV", "event", "is_active", "spool"]
