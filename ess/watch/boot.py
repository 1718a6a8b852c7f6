"""The id of this boot, for the watcher, whose sandbox may show another than everybody else sees.

A container has an id of its own laid over that of its host, and the watcher gets a /proc of its own
without that. What it wrote would then be of another boot for all who read it.
"""

from __future__ import annotations

import os
import re
import uuid

from ess import spool

# Set by the unit, by systemd's specifier %b.
KEY = "QT_ESS_BOOT"
_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)


def boot() -> str:
    """Return the id of this boot as systemd has it, "" when nobody tells."""
    given = os.environ.get(KEY, "")
    return str(uuid.UUID(given)) if _ID.fullmatch(given) else spool.boot()
