"""A root directory whose watcher is switched on."""

from __future__ import annotations

from pathlib import Path

from ess.paths import Paths
from ess.watch import places


def made(root: str) -> Paths:
    """Return its paths; nothing has been judged there yet."""
    paths = Paths(root)
    config = Path(paths.watch_config)
    config.parent.mkdir(parents=True)
    config.write_text("QT_ESS_ENABLED=true\n")
    config.chmod(0o640)
    Path(places.state(paths)).mkdir(parents=True)
    return paths
