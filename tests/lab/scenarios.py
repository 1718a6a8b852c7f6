"""What each controller has to do, whichever it is: one table for bash and for Python."""

from __future__ import annotations

from dataclasses import dataclass

from tests.lab.rig import CONTROLLER, RUN_FLAG, VAR_FLAG
from tests.lab.stack import TRADING_UNITS

GOVERNOR, ENGINE, APPLY, EXECUTION = ORDER = (
    "quantum-governor.service",
    "quantum-ai-engine.service",
    "quantum-apply-layer.service",
    "quantum-execution.service",
)
assert sorted(ORDER) == sorted(TRADING_UNITS)
INSTALL = "/usr/local/lib/quantum-ess/ops/install.sh --configure >/dev/null 2>&1 || :"
LOCK = "/run/quantum-ess/release.lock"
CONF = "/etc/quantum-ess/ess.env"
# A unit of which it is known that it does not come up again.
STILLBORN = (
    f"mkdir -p /etc/systemd/system/{APPLY}.d;"
    f" printf '[Service]\\nExecStart=\\nExecStart=/usr/bin/false\\n'"
    f" >/etc/systemd/system/{APPLY}.d/stillborn.conf; systemctl daemon-reload"
)
REVIVED = f"rm /etc/systemd/system/{APPLY}.d/stillborn.conf; systemctl daemon-reload"

ACTIVE = "ESS STATUS: ACTIVE"
INACTIVE = "ESS STATUS: INACTIVE"
CONTAINED = "CONTAINED: no trading process is alive."
NOT_CONTAINED = "NOT CONTAINED: trading is not (known to be) down."
ARMED = "ARMED: trading may run, and the stop is ready."
OUTSIDE = "NOT CONTAINED: trading runs outside its units."
# The program of a trading unit, from somebody's shell.
STRAY = (
    "systemd-run -q --collect --unit=by-hand"
    f" $(sed -n s/^ExecStart=//p /etc/systemd/system/{ENGINE} | sed s/%N/quantum-ai-engine/g)"
)
STRAY_ENDED = "systemctl stop by-hand"
WATCH, WATCH_UNIT = "/etc/quantum-ess/watch.env", "quantum-ess-watch.service"
WANTED = f"sed -i.was s/^#*QT_ESS_ENABLED=.*/QT_ESS_ENABLED=true/ {WATCH}"
UNWANTED = f"mv {WATCH}.was {WATCH}"
# It runs and says nothing, ever.
MUTE = (
    f"{WANTED}; mkdir -p /run/systemd/system/{WATCH_UNIT}.d; printf"
    " '[Unit]\\nOnFailure=\\n[Service]\\nType=exec\\nExecStart=\\nExecStart=sleep infinity\\n"
    "WatchdogSec=0\\n'"
    f" >/run/systemd/system/{WATCH_UNIT}.d/mute.conf; systemctl daemon-reload;"
    f" systemctl start {WATCH_UNIT}"
)
UNMUTE = (
    f"systemctl stop {WATCH_UNIT}; rm -r /run/systemd/system/{WATCH_UNIT}.d;"
    f" systemctl daemon-reload; {UNWANTED}"
)
WATCHER = "Watcher: %s - automatic triggers do not work; see: ess doctor"
BY_HAND = "  why      the flag was set by hand"


@dataclass(frozen=True)
class Scenario:
    """A command, on a host that trades and is armed unless `given` (bash) changes that.

    `says` are whole lines of stdout; of `head`, its first lines; `tells` is part of it, wherever
    its lines end; `complains` is part of stderr.
    `alive` are the units that live afterwards, in the order in which the command said "up".
    One that `spoils` leaves another latch than it was given, also after `undo`.
    """

    name: str
    command: str
    code: int
    latched: bool
    alive: tuple[str, ...]
    head: tuple[str, ...] = ()
    says: tuple[str, ...] = ()
    tells: str = ""
    complains: str = ""
    given: str = "true"
    undo: str = "true"
    nobody: bool = False
    frozen: bool = False
    spoils: bool = False


def trips(name: str, command: str = "activate", given: str = "true", **more: object) -> Scenario:
    """Return a scenario after which trading is stopped, and that was well so."""
    return Scenario(name, command, 0, latched=True, alive=(), given=given, **more)  # type: ignore[arg-type]


LATCHED = f"{CONTROLLER} activate --reason 'funding gone mad' >/dev/null"
TOUCHED = f"touch {RUN_FLAG}; until grep -qs contained /run/quantum-ess/enforcer; do :; done"

SCENARIOS = (
    # --- on a host that trades, and goes on to ---
    Scenario("status: armed", "status", 0, latched=False, alive=ORDER, head=(INACTIVE, ARMED)),
    Scenario("status --quiet: armed", "status --quiet", 0, latched=False, alive=ORDER),
    Scenario(
        "status: the watch is stopped",
        "status",
        5,
        latched=False,
        alive=ORDER,
        head=(INACTIVE,),
        given="systemctl stop quantum-ess.path",
        undo="systemctl start quantum-ess.path",
    ),
    Scenario(
        "status: needs no root",
        "status",
        0,
        latched=False,
        alive=ORDER,
        head=(INACTIVE, ARMED),
        nobody=True,
    ),
    Scenario(
        "status: a trading program runs outside its unit",
        "status",
        5,
        latched=False,
        alive=ORDER,
        head=(INACTIVE, "DISARMED: 1 reason; a stop may not work."),
        tells="its program also runs outside it: pid ",
        given=STRAY,
        undo=STRAY_ENDED,
    ),
    Scenario(
        "status: the watcher is stopped",
        "status",
        0,
        latched=False,
        alive=ORDER,
        head=(INACTIVE, ARMED),
        says=(WATCHER % "DOWN (stopped)",),
        given=WANTED,
        undo=UNWANTED,
    ),
    Scenario(
        "status: the watcher says nothing",
        "status",
        0,
        latched=False,
        alive=ORDER,
        head=(INACTIVE, ARMED),
        tells="Watcher: SILENT, it has said nothing since this host was started - automatic"
        " triggers may not work; see: ess doctor",
        given=MUTE,
        undo=UNMUTE,
    ),
    Scenario(
        "activate: not root",
        "activate",
        3,
        latched=False,
        alive=ORDER,
        complains="sudo",
        nobody=True,
    ),
    Scenario(
        "activate: mistyped",
        "activate now",
        2,
        latched=False,
        alive=ORDER,
        complains="NOTHING WAS STOPPED",
    ),
    Scenario(
        "deactivate: nothing to do",
        "deactivate",
        0,
        latched=False,
        alive=ORDER,
        head=(INACTIVE, "The latch is not set: nothing to release."),
    ),
    # --- the stop ---
    trips("status: touched", "status", TOUCHED, head=(ACTIVE, CONTAINED), says=(BY_HAND,)),
    trips("activate", head=(ACTIVE, "The latch is set. Stopping trading:")),
    trips("activate, at once", "activate --category 0", head=(ACTIVE,)),
    trips("activate after a touch", given=f"touch {RUN_FLAG}", head=(ACTIVE,)),
    trips("activate after a FIFO", given=f"mkfifo {RUN_FLAG}", head=(ACTIVE,)),
    trips("activate with a dangling symlink", given=f"ln -s /nowhere {VAR_FLAG}", head=(ACTIVE,)),
    trips(
        "activate while PID 1 hangs",
        frozen=True,
        head=(ACTIVE,),
        says=("systemd does not answer: killed through the kernel.",),
        complains="stopping trading through the kernel",
    ),
    Scenario(
        "activate: a trading program runs outside its unit",
        "activate",
        4,
        latched=True,
        alive=(),
        head=(ACTIVE,),
        says=(OUTSIDE,),
        tells="in /system.slice/by-hand.service Next: end it by hand; nothing else does: sudo kill",
        given=STRAY,
        undo=STRAY_ENDED,
    ),
    # --- while one latch holds, up to its release ---
    trips("status: latched", "status", LATCHED, head=(ACTIVE, CONTAINED)),
    trips("status says why", "status", LATCHED, says=("  why      funding gone mad",)),
    Scenario("status --quiet: latched", "status --quiet", 7, latched=True, alive=(), given=LATCHED),
    Scenario(
        "status: latched, and a trading program runs outside its unit",
        "status",
        4,
        latched=True,
        alive=(),
        head=(ACTIVE, NOT_CONTAINED),
        says=("Next: end what runs outside its unit; nothing else does that:",),
        given=f"{LATCHED}; {STRAY}",
        undo=STRAY_ENDED,
    ),
    trips(
        "status: latched, and the watcher is masked",
        "status",
        f"{LATCHED}; {WANTED}; mv /etc/systemd/system/{WATCH_UNIT} /root/;"
        f" systemctl mask {WATCH_UNIT}",
        head=(ACTIVE, CONTAINED),
        says=(WATCHER % "DOWN (masked)",),
        undo=f"systemctl unmask {WATCH_UNIT}; mv /root/{WATCH_UNIT} /etc/systemd/system/;"
        f" systemctl daemon-reload; {UNWANTED}",
    ),
    trips("activate while active", given=LATCHED, head=(ACTIVE,), says=(CONTAINED,)),
    Scenario(
        "deactivate: mistyped",
        "deactivate --all --no-start",
        2,
        latched=True,
        alive=(),
        given=LATCHED,
    ),
    Scenario(
        "deactivate: not root",
        "deactivate --no-start",
        3,
        latched=True,
        alive=(),
        complains=" deactivate --no-start",
        given=LATCHED,
        nobody=True,
    ),
    Scenario(
        "deactivate: another one is at it",
        "deactivate",
        6,
        latched=True,
        alive=(),
        complains="; this one did nothing",
        given=f"{LATCHED}; systemd-run -q --unit=other flock {LOCK} sleep 60;"
        f" until ! flock -n {LOCK} true; do :; done",
        undo="systemctl stop other",
    ),
    Scenario(
        "deactivate",
        "deactivate --reason calm",
        0,
        latched=False,
        alive=ORDER,
        says=(INACTIVE, "Released. Started:", *(f"  {unit}" for unit in ORDER)),
        given=LATCHED,
    ),
    # --- other releases ---
    Scenario(
        "deactivate after a touch", "deactivate", 0, latched=False, alive=ORDER, given=TOUCHED
    ),
    Scenario(
        "deactivate --all",
        "deactivate --all",
        0,
        latched=False,
        alive=ORDER,
        given=f"systemctl stop {ENGINE}; {LATCHED}",
    ),
    Scenario(
        "deactivate: stopped by hand before",
        "deactivate",
        0,
        latched=False,
        alive=(GOVERNOR, APPLY),
        given=f"systemctl stop {ENGINE} {EXECUTION}; {LATCHED}",
    ),
    Scenario(
        "deactivate --no-start",
        "deactivate --no-start",
        0,
        latched=False,
        alive=(),
        says=(INACTIVE, "Released. Started: nothing."),
        given=LATCHED,
    ),
    Scenario(
        "deactivate: a unit does not come up",
        "deactivate",
        6,
        latched=True,
        alive=(),
        says=(ACTIVE,),
        complains=f"journalctl -u {APPLY}",
        given=f"{LATCHED}; {STILLBORN}",
        undo=REVIVED,
        spoils=True,
    ),
    Scenario(
        "deactivate: it is not known what ran",
        "deactivate",
        6,
        latched=True,
        alive=(),
        complains="--no-start",
        given=f"{LATCHED}; echo unknown >/var/lib/quantum-ess/running",
        spoils=True,
    ),
    Scenario(
        "deactivate: a reason is required",
        "deactivate",
        6,
        latched=True,
        alive=(),
        complains="reason",
        given=f"cp {CONF} /root/; echo 'QT_ESS_REQUIRE_REASON=yes' >>{CONF}; {INSTALL}; {LATCHED}",
        undo=f"cp /root/ess.env {CONF}; {INSTALL}",
    ),
    Scenario(
        "deactivate while PID 1 hangs",
        "deactivate",
        6,
        latched=True,
        alive=(),
        complains="not answer",
        given=LATCHED,
        frozen=True,
    ),
    # Whoever is told to choose between --all and --no-start gets nowhere with either.
    Scenario(
        "deactivate while PID 1 hangs, and it is not known what ran",
        "deactivate",
        6,
        latched=True,
        alive=(),
        complains="release refused: systemd does not answer; the latch is still set",
        given=f"{LATCHED}; echo unknown >/var/lib/quantum-ess/running",
        frozen=True,
    ),
)
