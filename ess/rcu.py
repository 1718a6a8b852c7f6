"""Whether the kernel makes PID 1 wait before it acts on the flag (QT_ESS_RCU_EXPEDITED)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ess.paths import Paths


def is_expedited(paths: Paths) -> bool:
    """Tell whether it does not; what cannot be read counts as waiting. Raises nothing."""
    # The kernel lets rcu_normal overrule rcu_expedited.
    return _is_set(paths.rcu_expedited) and not _is_set(paths.rcu_normal)


def _is_set(path: str) -> bool:
    try:
        with open(path, encoding="ascii") as file:
            return file.read().strip() not in ("", "0")
    except (OSError, ValueError):
        return False
