"""The watcher of the canary: the installed one, with one limit, and figures that nobody else reads.

Which drill it belongs to, it is told by a file that root writes; without one it does not run. What
it writes is the canary's, and in Redis it reads below a key that has the name of this drill in it:
no other watcher, of this host or another, hears of its figures, nor it of theirs.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from ess import keyfile, regular
from ess.errors import DrillError
from ess.watch import assembly, custom, evaluators, prometheus_source
from ess.watch.drawdown import Drawdown
from ess.watch.figures import Keys
from ess.watch.sample import figure, number
from ess.watch.settings import EXPRESSION
from ess.watch.source import heard_now

if TYPE_CHECKING:
    from ess.paths import Paths
    from ess.watch.assembly import Assembly
    from ess.watch.sample import Now
    from ess.watch.settings import Settings
    from ess.watch.source import Deliver, Report

# What is written first, and what then breaks the limit, whatever it is: 200 % below.
EQUITY = {"arm": 1000, "break": -1000}
_LARGEST = 4096
_POLL = 0.02  # s
_ID = re.compile(r"[0-9a-f-]{36}", re.ASCII)
# Silence is not what is drilled, and the dry run of the real one is not to save the canary.
_SETTINGS = {
    "QT_ESS_DRY_RUN": "false",
    "QT_ESS_EQUITY_SILENCE": "1440",
    "QT_ESS_MAX_DATA_STALENESS": "1440",
    "QT_ESS_WATCH_FEEDS": "",
}


class Through(StrEnum):
    """How the figure reaches the watcher."""

    REDIS = "redis"
    PROMETHEUS = "prometheus"
    OWN = "own"  # a file of the drill's


@dataclass(frozen=True, slots=True)
class Drill:
    """`identity`: of no other drill; `at`: when Prometheus breaks the limit (s since the epoch)."""

    identity: str
    through: Through
    at: float

    @property
    def keys(self) -> Keys:
        """Where in Redis its figures are."""
        stem = f"quantum:ess:drill:{self.identity}"
        return Keys(f"{stem}:figures", f"{stem}:latest", f"{stem}:stop")


class Figures:
    """A source: the lines `NAME VALUE` that root adds to a file."""

    name = "drill"

    def __init__(self, path: str) -> None:
        self._path = path
        self._heard = 0

    def run(self, deliver: Deliver, report: Report) -> None:
        """Deliver what is added, for ever."""
        while True:
            self.once(deliver, report)
            time.sleep(_POLL)

    def once(self, deliver: Deliver, report: Report) -> None:  # noqa: ARG002 - of the protocol
        """Deliver what is there now."""
        try:
            text = regular.read(self._path, _LARGEST).decode("ascii", "replace")
        except FileNotFoundError:
            return
        # The last one is not yet whole, or empty.
        lines = text.split("\n")[:-1]
        pairs = [line.partition(" ") for line in lines[self._heard :]]
        self._heard = len(lines)
        if pairs:
            heard = heard_now()
            deliver([number(name, value, None, heard) for name, _, value in pairs], "")


def load(paths: Paths) -> Drill:
    """Return the drill that is under way. Raises DrillError when none is."""
    path = f"{paths.runtime_dir}/drill"
    try:
        found = keyfile.parse(regular.read(path, _LARGEST), path, [], lambda _key, _value: "")
    except OSError as error:
        raise DrillError(f"no drill is under way: {path}: {error.strerror or error}") from error
    try:
        identity, at = found["ID"], figure(found["AT"])
        if not _ID.fullmatch(identity) or at is None:
            raise ValueError(path)
        return Drill(identity, Through(found["THROUGH"]), at)
    except (KeyError, ValueError) as error:
        raise DrillError(f"{path} describes no drill") from error


def sources(settings: Settings) -> list[str]:
    """Return what the watcher is configured to hear: redis, prometheus, custom."""
    off = settings.words("QT_ESS_WATCH_OFF")
    there = {
        "redis": settings.text(assembly.REDIS),
        "prometheus": settings.expressions(),
        "custom": [name for name in custom.names() if f"custom:{name}" not in off],
    }
    return [name for name, found in there.items() if found]


def assemble(paths: Paths, settings: Settings, now: Now) -> Assembly:
    """Return the watcher of the canary. Raises DrillError when no drill is under way."""
    drill = load(paths)
    own = Figures(f"{paths.runtime_dir}/figures")
    return assembly.assemble(paths, _only(settings, drill), now, drill.keys, (own,))


def _only(settings: Settings, drill: Drill) -> Settings:
    """Return the settings with the drawdown alone, its limit as configured, from one source."""
    kept = {key: value for key, value in settings.values.items() if not key.startswith(EXPRESSION)}
    kept |= _SETTINGS | {"QT_ESS_WATCH_OFF": ""}
    everything = [one.name for one in evaluators.configured(replace(settings, values=kept))]
    everything += [f"custom:{name}" for name in custom.names()]
    kept["QT_ESS_WATCH_OFF"] = " ".join(name for name in everything if name != Drawdown.name)
    if drill.through is not Through.REDIS:
        kept[assembly.REDIS] = ""
    if drill.through is Through.PROMETHEUS:
        kept[f"{EXPRESSION}DRILL"] = f"vector(time()) > {drill.at:.3f}"
    else:
        kept[prometheus_source.KEY] = ""
    return replace(settings, values=kept, problems=())
