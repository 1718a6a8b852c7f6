"""How the watcher is, by systemd, by its settings and by what it wrote last. Raises nothing.

Part of `ess status`: what is not needed where it is switched off is not loaded there, and a disk
that hangs delays it by half a second.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, NamedTuple

from ess import bounded, keyfile, regular, text
from ess.watch import places, switch
from ess.watch.edition import edition

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ess.paths import Paths
    from ess.watch.standing import Standing

NOT_YOURS = "only root and the group quantum-ess may read how it stands"
# Three times the longest interval that can be set (s): whatever interval the file claims.
_OLDEST = 30.0
_DOWN = ("inactive", "failed", "deactivating")
_PATIENCE = 0.5
_ENABLED = ("enabled", "enabled-runtime")
_DISABLED = ("disabled", "static")


class Watch(NamedTuple):
    """The watcher.

    `wanted`: it is switched on, None when that is not known; `state`: what systemd says of its
    service, "" when it says nothing; `standing`: what it wrote last; `written`: when that was, s
    since the epoch, None when never; `trouble`: why there is no standing; `problems`: of its
    settings, a line each; `hidden`: the settings may not be read; `since`: for how long (s) the
    service has been in its state, None when that is not known; `edition`: of the settings that are
    there now, "" when that is not known.
    """

    wanted: bool | None
    state: str = ""
    standing: Standing | None = None
    written: float | None = None
    trouble: str = ""
    problems: tuple[str, ...] = ()
    hidden: bool = False
    since: float | None = None
    edition: str = ""

    @property
    def outdated(self) -> bool | None:
        """Tell whether it runs with other settings than those there now, None when not known."""
        runs_with = self.standing.edition if self.standing and self.judges else ""
        return runs_with != self.edition if runs_with and self.edition else None

    @property
    def judges(self) -> bool:
        """Tell whether what it wrote is how it stands now; nothing old is ever taken for that."""
        found = self.standing
        fresh = found is not None and found.is_current and found.age <= _OLDEST
        return fresh and not self.is_down

    @property
    def is_down(self) -> bool:
        """Tell whether its service does not run."""
        return self.state.partition(" ")[0] in _DOWN

    @property
    def is_off(self) -> bool:
        """Tell whether nobody expects it to watch."""
        return self.wanted is False and not self.judges


def look(paths: Paths, unit: Mapping[str, str]) -> Watch:
    """Return how it is. `unit`: what systemd says of its service, empty when it says nothing."""
    wanted, hidden = _wanted(paths, unit)
    state = _said(unit)
    if wanted is False and (not state or state.partition(" ")[0] in _DOWN):
        return Watch(wanted=False, state=state)
    found, written, trouble = _stood(paths)
    return Watch(
        wanted,
        state,
        found,
        written,
        trouble,
        _problems(paths, hidden=hidden),
        hidden,
        _since(unit),
        edition(paths),
    )


def _wanted(paths: Paths, unit: Mapping[str, str]) -> tuple[bool | None, bool]:
    """Return whether it is switched on, and whether its settings are kept from us."""
    enabled = unit.get("UnitFileState")
    on: bool | None = None
    hidden = False
    try:
        data = regular.read(paths.watch_config, keyfile.LARGEST + 1)
        on = None if len(data) > keyfile.LARGEST else switch.is_on(data)
    except FileNotFoundError:
        on = False
    except PermissionError:
        hidden = True
        # The installer sees to it that this is what they say.
        on = False if enabled in _DISABLED else None
    except OSError:
        pass
    return (True if enabled in _ENABLED else on), hidden


def _problems(paths: Paths, *, hidden: bool) -> tuple[str, ...]:
    if hidden:
        return ()
    from ess.watch import settings  # noqa: PLC0415 - see above

    return settings.load(paths).problems


def _stood(paths: Paths) -> tuple[Standing | None, float | None, str]:
    """Return what it wrote last, when (s since the epoch), and why that cannot be told."""
    from ess import spool  # noqa: PLC0415 - see above
    from ess.watch import standing  # noqa: PLC0415
    from ess.watch.sample import Now  # noqa: PLC0415

    path = f"{places.state(paths)}/{standing.NAME}"
    try:
        answer = bounded.call(lambda: _read(path, standing.LARGEST), _PATIENCE)
    except OSError as error:
        return None, None, f"it cannot be looked at: {error.strerror}"
    if answer is None:
        return None, None, "its disk does not answer"
    head, _, data = answer.partition(b"\n")
    why, _, stamp = head.decode().partition(" ")
    if why == "missing":
        return None, None, ""
    if why == "denied":
        return None, float(stamp), NOT_YOURS
    now = Now(time.time(), time.clock_gettime(time.CLOCK_BOOTTIME), spool.boot())
    found = standing.parse(data, now)
    if found is None:
        return None, float(stamp), "what it wrote is of another boot, or cannot be understood"
    return found, now.wall - found.age, ""


def _read(path: str, largest: int) -> bytes:
    try:
        written = os.lstat(path).st_mtime
        return f"read {written}\n".encode() + regular.read(path, largest, follow=False)
    except FileNotFoundError:
        return b"missing\n"
    except PermissionError:
        return f"denied {written}\n".encode()
    except OSError:
        return f"odd {written}\n".encode()


def _said(unit: Mapping[str, str]) -> str:
    """Return what systemd says of it, in its words."""
    active, load = unit.get("ActiveState"), unit.get("LoadState")
    if not active:
        return ""
    words = {"not-found": "not installed", "masked": "masked"}
    sub = words.get(load or "") or unit.get("SubState") or "unknown"
    return text.clean(f"{active} ({sub})", 60)


def _since(unit: Mapping[str, str]) -> float | None:
    is_active = unit.get("ActiveState") == "active"
    key = "ActiveEnterTimestampMonotonic" if is_active else "InactiveExitTimestampMonotonic"
    stamp = unit.get(key, "")
    known = stamp.isascii() and stamp.isdigit() and int(stamp) > 0
    return max(0.0, time.monotonic() - int(stamp) / 1e6) if known else None
