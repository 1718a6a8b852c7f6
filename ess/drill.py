"""drill: hands over to the proof script, which needs no Python and is what the timer runs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NoReturn

from ess import process
from ess.errors import DrillError

if TYPE_CHECKING:
    from ess.paths import Paths


def become(paths: Paths, which: str, record: str | None) -> NoReturn:
    """Run the proof in our place: its output, prompts and exit code are ours.

    Raises DrillError when it cannot be run.
    """
    argv = ["bash", paths.proof, f"--{which}"]
    if record is not None:
        argv += ["--json", os.path.abspath(record)]
    if not os.access(paths.proof, os.R_OK):
        raise DrillError(
            f"{paths.proof} cannot be read",
            "install quantum-ess again from the checkout: sudo ops/install.sh",
        )
    try:
        process.replace(argv)
    except OSError as error:
        raise DrillError(f"bash cannot be run: {error.strerror}") from error
