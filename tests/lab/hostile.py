"""Trading units that resist being stopped, one entry for each way of resisting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.lab.ground import ALWAYS, STUBBORN, service

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Hostile:
    """One way of resisting.

    `living` are the units that have a process once `start` has run and `ready` (a bash condition)
    holds; `triggers` are units that would start them again.
    """

    name: str
    units: Mapping[str, str]
    trading: tuple[str, ...]
    living: tuple[str, ...]
    start: str
    ready: str = "true"

    @property
    def triggers(self) -> tuple[str, ...]:
        return tuple(unit for unit in self.units if not unit.endswith(".service"))


def one(name: str, body: str, *, unit: str = "", start: str = "", ready: str = "true") -> Hostile:
    """Return a kind that is one service, `hostile-NAME.service`; {u} stands for it."""
    full = f"hostile-{name}.service"
    start = (start or "systemctl start {u}").format(u=full)
    return Hostile(name, {full: service(body, unit)}, (full,), (full,), start, ready.format(u=full))


def stubborn(
    name: str, more: str = "", *, unit: str = "", start: str = "", ready: str = "true"
) -> Hostile:
    return one(name, f"ExecStart={STUBBORN}\n{more}", unit=unit, start=start, ready=ready)


def triggered(name: str, kind: str, trigger: str, *, pull: str = "true", body: str) -> Hostile:
    """Return a kind whose service nobody starts but its timer, socket or path unit."""
    full, by = f"hostile-{name}.service", f"hostile-{name}.{kind}"
    units = {full: service(body), by: f"[{kind.capitalize()}]\n{trigger}\n"}
    return Hostile(name, units, (full,), (full,), f"systemctl start {by}; {pull}")


def state(name: str) -> str:
    return f"[ $(systemctl show -P ActiveState {{u}}) = {name} ]"


LATER = "systemctl start --no-block {u}"
# Frozen any earlier it would still be systemd's own child.
SETTLED = "until [[ $(</proc/$(systemctl show -P MainPID {u})/comm) == sleep ]]; do :; done; "
THEN_FREEZE = "systemctl start {u}; " + SETTLED + "systemctl freeze "
ORPHAN = f"(setsid setsid {STUBBORN} </dev/null &>/dev/null &)"
BRIEF = "ExecStart=/usr/bin/sleep 0.05\n"
MANY = tuple(f"hostile-many@{instance}.service" for instance in ("a", "b", "7"))

KINDS = (
    stubborn("sigterm-trapped", ALWAYS),
    one(
        "fork-bomb",
        "ExecStart=/inside/bomb.pl\n",
        ready="(($(systemctl show -P TasksCurrent {u}) > 400)) || "
        "(($(wc -l </sys/fs/cgroup/system.slice/{u}/cgroup.procs) > 400))",
    ),
    one("hung-execstop", f"ExecStart=/usr/bin/sleep infinity\nExecStop={STUBBORN}\n"),
    one("hung-execstoppost", f"ExecStart=/usr/bin/sleep infinity\nExecStopPost={STUBBORN}\n"),
    stubborn("hung-ten-times", f"ExecStop={STUBBORN}\nExecStopPost={STUBBORN}\n" * 5),
    one(
        "hung-execstartpre",
        f"ExecStartPre=-{STUBBORN}\n" * 2 + f"ExecStart={STUBBORN}\n{ALWAYS}",
        start=LATER,
    ),
    stubborn(
        "hung-execreload",
        f"ExecReload={STUBBORN}\n",
        start="systemctl start {u}; systemctl reload --no-block {u}",
        ready=state("reloading"),
    ),
    stubborn("timeout-infinity", "TimeoutStopSec=infinity\n"),
    one("restartsec-0", f"ExecStart=/usr/bin/sleep 0.02\n{ALWAYS}"),
    one(
        "forking",
        f"Type=forking\nPIDFile=/run/forking.pid\n"
        f"ExecStart=/bin/bash -c '{STUBBORN} & echo $! >/run/forking.pid'\n{ALWAYS}",
    ),
    one(
        "notify",
        "Type=notify\nNotifyAccess=all\n"
        f"ExecStart=/bin/bash -c 'systemd-notify --ready; exec {STUBBORN}'\n{ALWAYS}",
    ),
    one("oneshot", f"Type=oneshot\nRemainAfterExit=yes\nExecStart=/bin/bash -c '{ORPHAN}'\n"),
    one(
        "delegate",
        "Delegate=yes\nExecStart=/inside/delegated.sh\n",
        ready="grep -q . /sys/fs/cgroup/system.slice/{u}/pods.slice/pod.service/deep/cgroup.procs",
    ),
    stubborn("dynamic-user", f"DynamicUser=yes\nStateDirectory=hostile\n{ALWAYS}"),
    one(
        "double-fork",
        f"KillMode=process\nExecStart=/bin/bash -c '{ORPHAN}; exec sleep infinity'\n",
    ),
    stubborn("killmode-none", "KillMode=none\n"),
    stubborn("no-sigkill", "SendSIGKILL=no\nTimeoutStopSec=infinity\n"),
    stubborn("refuse-manual-stop", ALWAYS, unit="RefuseManualStop=yes\n"),
    stubborn("half-started", f"Type=notify\nTimeoutStartSec=infinity\n{ALWAYS}", start=LATER),
    stubborn(
        "half-stopped",
        "TimeoutStopSec=infinity\n",
        start="systemctl start {u}; " + SETTLED + "systemctl stop --no-block {u}",
        ready=state("deactivating"),
    ),
    one(
        "threads",
        "ExecStart=/usr/bin/python3 -I /inside/threads.py\n",
        ready="grep -q '^Threads:.*301' /proc/$(systemctl show -P MainPID {u})/status",
    ),
    stubborn("deep-slice", "Slice=hostile-deep-down.slice\n"),
    stubborn("frozen", ALWAYS, start=THEN_FREEZE + "{u}"),
    stubborn(
        "frozen-slice",
        f"Slice=hostile-ice.slice\n{ALWAYS}",
        start=THEN_FREEZE + "hostile-ice.slice",
    ),
    stubborn(
        "frozen-by-hand",
        f"Slice=frost.slice\n{ALWAYS}",
        start="systemctl start {u}; "
        + SETTLED
        + "echo 1 >/sys/fs/cgroup/frost.slice/cgroup.freeze",
    ),
    triggered(
        "by-timer",
        "timer",
        "OnActiveSec=0\nOnUnitInactiveSec=10ms\nAccuracySec=1ms",
        body=f"Type=oneshot\n{BRIEF}",
    ),
    triggered("by-path", "path", "PathExists=/usr", body=f"Type=oneshot\n{BRIEF}"),
    triggered(
        "by-socket",
        "socket",
        "ListenFIFO=/run/by-socket.fifo",
        pull="echo go >/run/by-socket.fifo",
        body=f"ExecStart={STUBBORN}\nStandardInput=socket\n{ALWAYS}",
    ),
    Hostile(
        "instances",
        {"hostile-many@.service": service(f"ExecStart={STUBBORN}\n{ALWAYS}")},
        ("hostile-many@*.service",),
        MANY,
        f"systemctl start {' '.join(MANY)}",
    ),
    Hostile(
        "escaped-name",
        {"cpu.service": service(f"ExecStart={STUBBORN}\n{ALWAYS}")},
        ("cpu.service",),
        ("cpu.service",),
        "systemctl start cpu.service",
    ),
    Hostile(
        "escaped-dash",
        {r"hostile-a\x2db.service": service(f"ExecStart={STUBBORN}\n{ALWAYS}")},
        ("hostile-a?x2db.service",),
        (r"hostile-a\x2db.service",),
        r"systemctl start 'hostile-a\x2db.service'",
    ),
)

# Those that do not hinder each other resist together; of each it is seen that it is dead in time.
TOGETHER = {
    "deaf": ("sigterm-trapped", "hung-execstop", "hung-execstoppost", "hung-ten-times"),
    "types": ("forking", "notify", "oneshot", "dynamic-user", "threads", "deep-slice"),
    "limits": ("timeout-infinity", "double-fork", "killmode-none", "no-sigkill"),
    "half-way": ("refuse-manual-stop", "hung-execstartpre", "half-started", "half-stopped"),
    "frozen": ("hung-execreload", "frozen", "frozen-slice", "frozen-by-hand"),
    "names": ("instances", "escaped-name", "escaped-dash"),
}


def bands() -> dict[str, tuple[Hostile, ...]]:
    """Return all kinds, each once, as they resist: many together, the others alone."""
    kinds = {kind.name: kind for kind in KINDS}
    together = {band: tuple(kinds.pop(name) for name in names) for band, names in TOGETHER.items()}
    return together | {name: (kind,) for name, kind in kinds.items()}
