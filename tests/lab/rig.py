"""A guarded host: the product with the trading stack behind its gate, and what tests do to it."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from typing import TYPE_CHECKING

from tests.lab.stack import TRADING_UNITS

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterable, Mapping

    from tests.lab.lab import Lab

LIB = "/usr/local/lib/quantum-ess"
CONTROLLER = f"{LIB}/ops/ess_controller.sh"
INSTALL = f"{LIB}/ops/install.sh"
CONF = "/etc/quantum-ess/ess.env"
RUN_FLAG = "/run/quantum/ESS_ON"
VAR_FLAG = "/var/lib/quantum-ess/ESS_ON"
RUNNING = "/var/lib/quantum-ess/running"
DRILL = "/var/lib/quantum-ess/last-drill"
ENFORCER = "quantum-ess-trigger.service"
SENTRY = "quantum-ess-sentry.service"

# Ignores the polite stop, comes back at once, and systemd alone would wait for it for ever.
STUBBORN = """[Unit]
StartLimitIntervalSec=0
[Service]
ExecStart=/bin/bash -c 'trap "" TERM; exec sleep infinity'
Restart=always
RestartSec=0
TimeoutStopSec=infinity
[Install]
WantedBy=multi-user.target
"""

BOT = "stubborn-bot.service"
WATCHER = "quantum-ess-watch.service"
WATCH_SETTINGS = "/etc/quantum-ess/watch.env"

# In front of a bash script of a test: `nap` waits 20 ms and starts no process for that. Who asks
# systemd again and again without it takes a processor from what is tested.
NAP = "exec {nap}<> <(:); nap() { read -rt 0.02 -u $nap || :; }; "

# A release with the shipped settle of 2 s a unit would make every test of it last 8 s.
# What the labs' layer was installed with.
BRISK = {"QT_ESS_SETTLE": "0.1"}


def has_process(unit: str) -> str:
    """Return bash that tells whether the unit lives, and asks nobody: for a loop."""
    return f"read -r _ 2>/dev/null </sys/fs/cgroup/system.slice/{unit}/cgroup.procs"


def environment(settings: Mapping[str, str]) -> str:
    """Return the text of a configuration with these settings."""
    return "".join(f'{key}="{value}"\n' for key, value in settings.items())


def watch_settings(**keys: str) -> str:
    """Return settings with which the watcher runs; keys without QT_ESS_."""
    wanted = {
        "ENABLED": "true",
        "CHECK_INTERVAL": "1",
        "WATCH_REDIS_URL": "redis://127.0.0.1:6379/0",
        **keys,
    }
    return "".join(f"QT_ESS_{key}={value}\n" for key, value in wanted.items())


def _put(path: str, text: str) -> str:
    return f"cat >{path} <<'END_OF_FILE'\n{text}END_OF_FILE\n"


# What configure() and put_unit() do, for a layer: many a test begins with it.
_CONFIGURE = f"{INSTALL} --configure || (($? == 5))\n"
WITH_BOT = (
    _put(f"/etc/systemd/system/{BOT}", STUBBORN)
    + _put(CONF, environment({"QT_ESS_TRADING_UNITS": " ".join((*TRADING_UNITS, BOT)), **BRISK}))
    + "systemctl daemon-reload\n"
    + _CONFIGURE
)
WITH_WATCHER = (
    _put(WATCH_SETTINGS, watch_settings())
    + f"chmod 0640 {WATCH_SETTINGS}\n"
    + _put(CONF, environment(BRISK))
    + _CONFIGURE
    + f"systemctl --quiet disable --now {WATCHER}\n"
    + "rm -rf /var/lib/quantum-ess/watch/*\n"
)


def configure(lab: Lab, settings: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Write the configuration and have the installer apply it."""
    lab.write(CONF, environment(settings))
    done = lab.exec(INSTALL, "--configure", check=False, timeout=60)
    assert done.returncode in (0, 5), done.stdout + done.stderr
    return done


def arm(
    lab: Lab, *units: str, settings: Mapping[str, str] | None = None, configured: bool = False
) -> Lab:
    """Start the four trading stand-ins (and `units`, already written) behind the gate.

    `configured`: the lab's layer was, for just these units.
    """
    everything = (*TRADING_UNITS, *units)
    lab.write(DRILL, f"epoch={int(time.time())}\nmode=canary\nresult=PASS\n")
    if not configured and (units or settings not in (None, BRISK)):
        names = {"QT_ESS_TRADING_UNITS": " ".join(everything)} if units else {}
        configure(lab, names | dict(settings or {}))
    lab.systemctl("--quiet", "enable", "--now", *everything)
    wait_trading(lab, everything)
    done = ess(lab, "status")
    assert done.returncode == 0, done.stdout
    return lab


def ess(
    lab: Lab, *argv: str, timeout: float = 30, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the bash controller; never raises because of its exit code."""
    return lab.exec(CONTROLLER, *argv, check=False, timeout=timeout, env=env)


def touch(lab: Lab, flag: str = RUN_FLAG) -> None:
    lab.exec("touch", flag)


def trip(lab: Lab) -> None:
    """Activate, and wait until it is written down what ran."""
    done = ess(lab, "activate")
    assert done.returncode == 0, done.stdout + done.stderr
    lab.wait_until(lambda: lab.exists(RUNNING), what="what ran is written down")


def latched(lab: Lab) -> bool:
    """Tell whether both flags are there."""
    return lab.exists(RUN_FLAG) and lab.exists(VAR_FLAG)


def _at_rest(lab: Lab) -> bool:
    """Tell whether both flags are there for longer than the enforcer takes to look twice."""
    told = lab.exec("stat", "-c", "%.3Z", RUN_FLAG, VAR_FLAG, check=False).stdout.split()
    long_enough = len(told) == 2 and time.time() - max(map(float, told)) > 0.3
    return long_enough and lab.exists(RUNNING)


def remove_by_hand(lab: Lab) -> None:
    """Release as RUNBOOK.md says under "By hand": again when the host was too busy for one act."""
    for _ in range(5):
        lab.wait_until(lambda: _at_rest(lab), what="both flags, seen by the enforcer, and the list")
        lab.exec("rm", "-rf", RUN_FLAG, VAR_FLAG)
        lab.wait_until(
            lambda: latched(lab) or lab.state(ENFORCER) == "inactive", what="released, or put back"
        )
        if not any_flag(lab):
            return
    raise AssertionError("put back five times")


def any_flag(lab: Lab) -> bool:
    return lab.exists(RUN_FLAG) or lab.exists(VAR_FLAG)


def alive(lab: Lab, units: Iterable[str] = TRADING_UNITS) -> list[str]:
    """Name the units that have processes, as the kernel sees it."""
    return [unit for unit in units if lab.populated(unit)]


def wait_contained(lab: Lab, units: Iterable[str] = TRADING_UNITS, timeout: float = 2.5) -> None:
    names = list(units)
    lab.wait_until(lambda: not alive(lab, names), timeout, "trading is dead")


def wait_trading(lab: Lab, units: Iterable[str] = TRADING_UNITS, timeout: float = 5) -> None:
    names = list(units)
    lab.wait_until(lambda: len(alive(lab, names)) == len(names), timeout, "trading runs")


def wait_latched(lab: Lab, timeout: float = 2) -> None:
    lab.wait_until(lambda: latched(lab), timeout, "both flags are there")


def starts(lab: Lab, units: Iterable[str] = TRADING_UNITS) -> dict[str, str]:
    """Return when (us since boot) each unit last started a process; 0: never in this boot."""
    return lab.show_each(list(units), "ExecMainStartTimestampMonotonic")


def assert_held(lab: Lab, units: Iterable[str] = TRADING_UNITS) -> subprocess.CompletedProcess[str]:
    """The latch is on, status says so truly, and a start of any unit is refused; what it said."""
    names = list(units)
    wait_latched(lab)
    before = starts(lab, names)
    refused = lab.systemctl("start", *names, check=False)
    assert refused.returncode != 0
    for unit in names:
        mine = [line for line in refused.stderr.splitlines() if unit in line]
        # The enforcer may cancel the job before the gate can refuse it.
        assert any("ssert" in line or "cancel" in line for line in mine), refused.stderr
    assert alive(lab, names) == []
    assert starts(lab, names) == before
    done = ess(lab, "status")
    assert (done.returncode, done.stdout.splitlines()[:2]) == (
        0,
        ["ESS STATUS: ACTIVE", "CONTAINED: no trading process is alive."],
    )
    return done


def assert_released(lab: Lab, units: Iterable[str] = TRADING_UNITS) -> None:
    """No flag, the watch is armed again, and these units run."""
    names = list(units)
    assert not any_flag(lab)
    assert alive(lab, names) == names
    assert lab.show("quantum-ess.path", "SubState")["SubState"] == "waiting"
    assert not lab.exists(RUNNING)
    done = ess(lab, "status")
    assert done.returncode == 0, done.stdout


def first_line(done: subprocess.CompletedProcess[str]) -> str:
    return (done.stdout.splitlines() or [""])[0]


def enforcer_pid(lab: Lab) -> int | None:
    """Return the enforcer's main process, as this host numbers it, read from the kernel."""
    return next(iter(lab.host_pids(ENFORCER)), None)


def hunt(lab: Lab, unit: str, seconds: float, *, until: Callable[[], bool] | None = None) -> int:
    """SIGKILL the unit's first process again and again; return how often.

    It takes `seconds`, and longer, but not more than twice as long, while `until` is not true.
    """
    began = time.monotonic()
    kills = 0
    while (spent := time.monotonic() - began) < seconds or (until and not until()):
        if spent > 2 * seconds:
            break
        for pid in lab.host_pids(unit)[:1]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                kills += 1
        time.sleep(0.03)
    return kills
