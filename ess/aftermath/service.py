"""What quantum-ess-aftermath.service and quantum-ess-deliver.service run: `ess aftermath|deliver`.

Each trip starts them, on a host that has just been stopped: nothing is loaded here but what they
need, and so not the command line.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ess.errors import EssError, NotRootError

if TYPE_CHECKING:
    from ess.paths import Paths

# A stop that keeps its promise is contained in so long (s): who was started by the trip takes that
# event, too, and a quick release's second one.
LINGER = 2.0


def run(paths: Paths, service: str) -> int:
    """Run one service and return its exit code; expected errors become one line."""
    try:
        if os.geteuid() != 0:
            raise NotRootError(f"only root may {service}")
        return _aftermath(paths) if service == "aftermath" else _deliver(paths)
    except EssError as error:
        from ess.console import Console  # noqa: PLC0415 - mostly there is nothing to say

        Console().error(str(error))
        return error.exit_code


def _aftermath(paths: Paths) -> int:
    from ess.aftermath import intake  # noqa: PLC0415 - each service loads what it needs

    return intake.run(paths, LINGER)


def _deliver(paths: Paths) -> int:
    from ess.aftermath import deliver  # noqa: PLC0415 - each service loads what it needs

    return deliver.run(paths)
