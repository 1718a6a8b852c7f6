"""Everything that can be wrong with the stop: a stable code, how bad it is, and what follows from
it. The codes are for scripts and the runbook; the words may change.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Severity(Enum):
    """An error disarms; a warning does not."""

    ERROR = "error"
    WARNING = "warning"


class Finding(NamedTuple):
    """One thing that is wrong: where, what, and the command that mends it."""

    code: str
    where: str
    message: str
    fix: str

    @property
    def severity(self) -> Severity:
        """How bad it is."""
        return CATALOGUE[self.code][0]

    @property
    def meaning(self) -> str:
        """What follows from it."""
        return CATALOGUE[self.code][1]


_E, _W = Severity.ERROR, Severity.WARNING
CATALOGUE: dict[str, tuple[Severity, str]] = {
    "latch-unreadable": (_E, "It cannot be seen whether trading is stopped; taken as stopped."),
    "systemd-silent": (_E, "Nothing is known about the units; systemd may not act on the flag."),
    "path-missing": (_E, "Nothing watches the flag."),
    "path-stopped": (_E, "Nothing watches the flag until the sentry starts it again."),
    "path-failed": (_E, "Nothing watches the flag until the sentry starts it again."),
    "path-masked": (_E, "Nothing watches the flag."),
    "path-disabled": (_E, "After the next boot nothing watches the flag."),
    "quick-path-missing": (_W, "A stop takes some 10 ms longer than it could."),
    "quick-path-stopped": (_W, "A stop takes some 10 ms longer than it could."),
    "quick-path-failed": (_W, "A stop takes some 10 ms longer than it could."),
    "quick-path-masked": (_W, "A stop takes some 10 ms longer than it could."),
    "quick-path-disabled": (_W, "After the next boot a stop takes some 10 ms longer."),
    "disk-path-missing": (_E, "Nothing watches the flag that outlives a reboot."),
    "disk-path-stopped": (_E, "Nothing watches the flag on the disk until the sentry starts it."),
    "disk-path-failed": (_E, "Nothing watches the flag on the disk until the sentry starts it."),
    "disk-path-masked": (_E, "Nothing watches the flag that outlives a reboot."),
    "disk-path-disabled": (_E, "After the next boot nothing watches the flag on the disk."),
    "request-path-missing": (_E, "Who is not root, the watcher too, cannot stop trading."),
    "request-path-stopped": (_E, "A stop asked for without root may take 10 s to come."),
    "request-path-failed": (_E, "A stop asked for without root may take 10 s to come."),
    "request-path-masked": (_E, "A stop asked for without root may take 10 s to come."),
    "request-path-disabled": (_E, "After the next boot nothing watches for requests to stop."),
    "request-directory-wrong": (_E, "Those who may ask for a stop cannot, or others can."),
    "sentry-missing": (_E, "Nothing notices when the watch of the flag dies."),
    "sentry-stopped": (_E, "Nothing notices when the watch of the flag dies."),
    "sentry-failed": (_E, "Nothing notices when the watch of the flag dies."),
    "sentry-masked": (_E, "Nothing notices when the watch of the flag dies."),
    "sentry-disabled": (_E, "After the next boot nothing notices when the watch dies."),
    "drill-timer-missing": (_W, "The weekly drill does not run."),
    "drill-timer-stopped": (_W, "The weekly drill does not run."),
    "drill-timer-failed": (_W, "The weekly drill does not run."),
    "drill-timer-masked": (_W, "The weekly drill does not run."),
    "drill-timer-disabled": (_W, "After the next boot the weekly drill does not run."),
    "unit-missing": (_E, "A part of the stop is not there."),
    "unit-altered": (_E, "What runs in an emergency is not what was installed and drilled."),
    "start-limit": (_E, "systemd refuses to start it again."),
    "needs-reload": (_E, "systemd acts on an older version than the one on disk."),
    "gate-missing": (_E, "The unit can be started while the latch is on."),
    "gate-edited": (_E, "The unit may be startable while the latch is on."),
    "gate-shadowed": (_E, "The unit can be started while the latch is on."),
    "gate-unknown": (_E, "It is not known whether the unit can be started while latched."),
    "halt-outdated": (_E, "The fast first stop does not stop what is configured."),
    "file-missing": (_E, "A part of the stop is not there."),
    "file-altered": (_E, "What runs in an emergency is not what was installed and drilled."),
    "file-unreadable": (_E, "It is not known whether the file is what was installed."),
    "not-installed": (_E, "There is nothing to compare this host with."),
    "config-invalid": (_E, "A trip uses the units of the last installation instead."),
    "config-missing": (_E, "A trip uses the units of the last installation instead."),
    "config-not-installed": (_E, "Gates and halt target are those of another configuration."),
    "directory-wrong": (_E, "Somebody else could set, clear or hide the flag."),
    "runtime-directory-clash": (_E, "When the unit stops, systemd deletes the flag."),
    "unit-unknown": (_E, "A configured trading unit does not exist: misspelt, or not installed."),
    "unit-alias": (_E, "Its processes run under the other name, and no stop looks there."),
    "process-outside-unit": (_E, "The stop may miss this process."),
    "user-outside-unit": (_W, "No stop ends it, and while latched it counts as trading."),
    "runs-elsewhere": (_E, "The stop ends who asked, and what was asked for trades on."),
    "may-leave-unit": (_W, "A stop may not find who left, above all once his parents are dead."),
    "processes-unknown": (_E, "It is not known whether trading runs outside its units."),
    "drill-never": (_E, "Nothing proves that the stop works on this host."),
    "drill-overdue": (_E, "Nothing proves that the stop still works."),
    "drill-failed": (_E, "The stop was seen not to work."),
    "cgroup-missing": (_E, "Processes cannot be found and killed reliably."),
    "cgroup-kill-missing": (_W, "Killing is slower: the kernel is older than 5.14."),
    "release-unfinished": (_E, "A release was broken off; the sentry will set the latch again."),
    "aftermath-unknown": (_W, "It is not known whether people are told of a stop."),
    "delivery-broken": (_W, "Nobody is told of a stop."),
    "alerts-misconfigured": (_W, "Somebody who should be told of a stop may not be."),
    "alerts-exposed": (_W, "Its secrets may be known to others: have new ones made."),
    "alerts-package": (_W, "The channels that need it tell nobody."),
    "alert-failing": (_W, "Whoever it leads to does not learn of a stop."),
    "alert-unacked": (_W, "Nothing proves that whoever they lead to learns of a stop."),
    "spool-waiting": (_W, "What happened is not in the audit log, and nobody was told of it."),
    "audit-broken": (_W, "Somebody changed the log, or a disk lost a part: it proves nothing."),
    "metrics-stale": (_W, "Prometheus sees an old state of this host, or none."),
    "watcher-down": (_W, "No limit is watched: nothing stops trading by itself."),
    "watcher-silent": (_W, "It is not known whether any limit is watched."),
    "watcher-deaf": (_W, "What has no figures is not watched, and stops nothing by itself."),
    "watcher-dry-run": (_W, "A broken limit does not stop trading."),
    "watcher-outdated": (_W, "What was changed in its settings counts after a restart of it."),
    "watcher-disabled": (_W, "After the next boot no limit is watched."),
    "watcher-without-dead-man": (_W, "When the watcher dies or hangs, trading goes on unwatched."),
    "watch-misconfigured": (_W, "The limit may be laxer than was meant: its default counts."),
    "watch-unknown": (_W, "It is not known whether every limit is watched as was meant."),
    "enforcer-missing": (_E, "Nothing kills what comes up while latched, but the gate stands."),
}
