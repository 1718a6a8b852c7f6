"""Who stops trading has a file open, and so has what he leaves behind: a release waits for them.

What they do later would undo it. It takes them no process, and it ends with them, whatever ends
them; the same file as in ops/lib/stoppers.sh. Imported on the way in: nothing but os.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ess.paths import Paths

_held: list[int] = []


def begin(paths: Paths) -> None:
    """From now on a release waits for this process. Raises nothing.

    Before the flag is set: there is no moment at which a release and we do not see each other.
    """
    if _held:
        return
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        os.makedirs(paths.runtime_dir, mode=0o755, exist_ok=True)
        # Who is not root could hold up every release.
        _held.append(os.open(paths.stoppers, flags, 0o600))
    except OSError:
        # The stop comes first; a release then does not know of us.
        return


def held() -> int | None:
    """Return the descriptor by which we are known: for a child that may outlive us."""
    return _held[0] if _held else None
