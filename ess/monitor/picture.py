"""All that the monitor shows, as it was at one time."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ess.audit.history import Activation
    from ess.exits import ExitCode
    from ess.report import View
    from ess.watch.look import Watch


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
