"""All that the monitor shows, as it was at one time."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ess.audit.history import Activation
    from ess.exits import ExitCode
    from ess.report import View
    from ess.watch.standing import Standing

# Three times the longest interval that can be set (s): whatever interval the file claims.
_OLDEST = 30.0
NOT_YOURS = "only root and the group quantum-ess may read how it stands"
_DOWN = ("inactive", "failed")


class Role(Enum):
    """What a unit is for."""

    TRADING = "trading"
    MONITOR = "monitor"


@dataclass(frozen=True, slots=True)
class Unit:
    """`alive`: it has a living process, by the kernel; None when that is not known. `state`: what
    systemd says, "" when it says nothing.
    """

    name: str
    role: Role
    alive: bool | None
    state: str = ""


@dataclass(frozen=True, slots=True)
class Watch:
    """The watcher.

    `wanted`: it is switched on, None when its settings cannot be read; `state`: what systemd says
    of its service, "" when it says nothing; `standing`: what it wrote last; `written`: when that
    was, s since the epoch, None when never; `trouble`: why there is no standing.
    """

    wanted: bool | None
    state: str = ""
    standing: Standing | None = None
    written: float | None = None
    trouble: str = ""

    @property
    def judges(self) -> bool:
        """Tell whether what it wrote is how it stands now; nothing old is ever taken for that."""
        found = self.standing
        fresh = found is not None and found.is_current and found.age <= _OLDEST
        return fresh and self.state.partition(" ")[0] not in _DOWN

    @property
    def is_off(self) -> bool:
        """Tell whether nobody expects it to watch."""
        return self.wanted is False and not self.judges


@dataclass(frozen=True, slots=True)
class Past:
    """The last activations, newest first; `trouble`: why they are not known."""

    activations: tuple[Activation, ...] = ()
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """`code`: what `ess status` would end with; `past`: None when nobody asked."""

    view: View
    code: ExitCode
    units: tuple[Unit, ...]
    watch: Watch
    past: Past | None = None
