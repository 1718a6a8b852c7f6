"""Taking the flags away, for a release alone; the same rules as ops/lib/unlatch.sh.

The enforcer may just be putting back the flag on disk when the release begins, and it comes to be
there after it was removed: that copy is of the trip that is being released, and goes, too. Whatever
else appears is a new stop.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ess import latch
from ess.errors import ReleaseError

if TYPE_CHECKING:
    from ess.paths import Paths


class Unlatching:
    """The removal of both flags. Needs the marker of a release, which keeps the enforcer from
    putting them back.
    """

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._ids: set[str] = set()

    def clear(self) -> None:
        """Remove both flags. Raises ReleaseError."""
        flags = (self._paths.var_flag, self._paths.run_flag)
        # A flag that somebody touched has no id, and its copy on disk has the enforcer's.
        said = (*flags, self._paths.enforcer)
        self._ids = {latch.identity(file) for file in said} - {""}
        for flag in flags:
            _clear(flag)

    def clear_late_copy(self) -> None:
        """Remove the flag on disk if it is such a copy, and nothing else. Raises ReleaseError.

        It is looked at once more under a name that nobody touches: a touch between the look and the
        removal would be lost.
        """
        flag = self._paths.var_flag
        if not self._is_late(flag):
            return
        aside = f"{flag}.late"
        if not _rename(flag, aside):
            return
        if self._is_late(aside):
            _clear(aside)
        else:
            _rename(aside, flag)

    def _is_late(self, file: str) -> bool:
        """Tell whether it records the trip that is being released, and is older than the marker:
        whoever trips now leaves another id, and whoever touches it makes it newer.
        """
        return latch.identity_before(file, self._paths.releasing) in self._ids


def _clear(flag: str) -> None:
    try:
        latch.clear(flag)
    except OSError as error:
        raise ReleaseError(f"{flag} cannot be removed: {error.strerror}") from error


def _rename(old: str, new: str) -> bool:
    """Return whether it was there."""
    try:
        os.rename(old, new)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise ReleaseError(f"{old} cannot be removed: {error.strerror}") from error
    return True
