"""Tries to start trading, a thousand times and in every way there is, while a watcher looks on.

usage: storm.py SEED COUNT. Prints one JSON object: how often each way was tried, what the witnesses
and the watcher saw, and how long it took.
"""

import json
import os
import random
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

AT_ONCE = 3

PLAIN = "storm-plain.service"
UNITS = [
    f"storm-{name}.service"
    for name in ("plain", "edited", "wanted", "upheld", "failover", "bound", "timed", "pathed")
] + ["storm-many@1.service", "storm-many@2.service"]
DECOYS = ("wants", "requires", "upholds", "onfailure", "onsuccess", "bindsto", "stoppost")
MODES = (
    *("replace", "fail", "replace-irreversibly", "isolate", "flush", "ignore-dependencies"),
    *("ignore-requirements", "triggering", "restart-dependencies", "lenient"),
)
VERBS = (
    *("start", "restart", "try-restart", "reload-or-restart", "try-reload-or-restart"),
    *("reload", "condrestart", "force-reload"),
)


def run(*argv: str, **environment: str) -> int:
    """Run a command, whose answer is not what counts here."""
    return subprocess.run(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **environment},
        timeout=60,
        check=False,
    ).returncode


def manager(method: str, signature: str, *arguments: str) -> None:
    run(
        *("busctl", "call", "org.freedesktop.systemd1", "/org/freedesktop/systemd1"),
        *("org.freedesktop.systemd1.Manager", method, signature, *arguments),
    )


class Storm:
    """The ways, each a method; which one and on what is drawn from the seed."""

    def __init__(self, seed: str) -> None:
        self.draw = random.Random(seed)

    def unit(self) -> str:
        return self.draw.choice(UNITS)

    def verb(self) -> None:
        block = self.draw.choice((["--no-block"], []))
        run("systemctl", *block, self.draw.choice(VERBS), self.unit())

    def verb_of_many(self) -> None:
        run("systemctl", self.draw.choice(VERBS), *self.draw.sample(UNITS, 4))

    def verb_with_pattern(self) -> None:
        run("systemctl", "--all", self.draw.choice(VERBS), "storm-*.service")

    def job_mode(self) -> None:
        verb = self.draw.choice(("start", "restart", "try-restart"))
        run("systemctl", "--no-block", f"--job-mode={self.draw.choice(MODES)}", verb, self.unit())

    def start_and_reset(self) -> None:
        unit = self.unit()
        run("systemctl", "reset-failed", unit)
        run("systemctl", "start", unit)

    def enable_now(self) -> None:
        run("systemctl", "--now", self.draw.choice(("enable", "reenable")), PLAIN)

    def isolate(self) -> None:
        run("systemctl", "isolate", self.draw.choice(("storm.target", "multi-user.target")))

    def decoy(self) -> None:
        run("systemctl", "restart", f"decoy-{self.draw.choice(DECOYS)}.service")

    def timer(self) -> None:
        run("systemctl", "restart", "storm-timed.timer")

    def path(self) -> None:
        run("systemctl", "reset-failed", "storm-pathed.path", "storm-pathed.service")
        run("systemctl", "restart", "storm-pathed.path")

    def socket(self) -> None:
        run("systemctl", "reset-failed", "storm-plain.socket")
        run("systemctl", "start", "storm-plain.socket")
        run("bash", "-c", "timeout 0.05 bash -c 'echo go >/run/storm/fifo'")

    def accepting_socket(self) -> None:
        run("systemctl", "start", "storm-taken.socket")
        connect = "import socket as s; s.socket(s.AF_UNIX).connect('/run/storm/socket')"
        run("python3", "-I", "-S", "-c", connect)

    def bus_activation(self) -> None:
        call = ("busctl", "--timeout=0.1", "call", "net.storm", "/", "net.storm", "Trade")
        run(*call)

    def bus_start(self) -> None:
        mode = self.draw.choice(MODES[:4])
        method = self.draw.choice(("StartUnit", "RestartUnit", "ReloadOrRestartUnit"))
        manager(method, "ss", self.unit(), mode)

    def bus_job(self) -> None:
        manager("EnqueueUnitJob", "sss", self.unit(), self.draw.choice(VERBS[:3]), "replace")

    def transient_that_pulls(self) -> None:
        prop = self.draw.choice(("Wants", "Requires", "Upholds", "BindsTo"))
        run("systemd-run", "-q", "--collect", f"--property={prop}={self.unit()}", "true")

    def transient_of_that_name(self) -> None:
        run("systemd-run", "-q", f"--unit={self.unit()}", "/inside/witness.sh", "transient")

    def transient_instance(self) -> None:
        name = f"storm-many@{self.draw.randrange(9)}.service"
        run("systemd-run", "-q", f"--unit={name}", "/inside/witness.sh", "instance")

    def later(self) -> None:
        run("systemd-run", "-q", "--collect", "--on-active=1ms", "systemctl", "start", self.unit())

    def edit(self) -> None:
        run("systemctl", "edit", "storm-edited.service", SYSTEMD_EDITOR="/inside/edit.sh")
        run("systemctl", "start", "storm-edited.service")

    def set_property(self) -> None:
        run("systemctl", "set-property", "--runtime", PLAIN, "IPAccounting=yes")
        run("systemctl", "start", PLAIN)

    def kill(self) -> None:
        run("systemctl", "kill", "-s", "KILL", self.unit())
        run("systemctl", "restart", self.unit())

    def daemon_reload(self) -> None:
        run("systemctl", "daemon-reload")
        run("systemctl", "start", self.unit())

    def daemon_reexec(self) -> None:
        run("systemctl", "daemon-reexec")
        run("systemctl", "start", self.unit())

    def kill_enforcer(self) -> None:
        run("systemctl", "kill", "-s", "KILL", "quantum-ess-trigger.service")
        run("systemctl", "start", self.unit())

    def stop_watch(self) -> None:
        watches = ("quantum-ess.path", "quantum-ess-halt.path", "quantum-ess-disk.path")
        run("systemctl", "stop", *watches)
        run("systemctl", "start", self.unit())


SLOW = {"daemon_reload": 0.12, "daemon_reexec": 0.06, "edit": 0.15, "verb_with_pattern": 0.3}
WEIGHT = {"verb": 8.0, "job_mode": 6.0, "bus_start": 3.0, "decoy": 4.0, "enable_now": 0.1, **SLOW}


def watch() -> "subprocess.Popen[str]":
    watcher = subprocess.Popen(
        ["python3", "-I", "/inside/watch.py", "storm-*.service"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert watcher.stdout
    watcher.stdout.readline()
    return watcher


def main() -> None:
    seed, count = sys.argv[1], int(sys.argv[2])
    ways = [name for name in vars(Storm) if not name.startswith("_") and name != "unit"]
    draw = random.Random(seed)
    drawn = ways + draw.choices(ways, [WEIGHT.get(way, 1.0) for way in ways], k=count - len(ways))
    draw.shuffle(drawn)
    watcher = watch()
    began = time.monotonic()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(
            pool.map(lambda item: getattr(Storm(f"{seed} {item[0]}"), item[1])(), enumerate(drawn))
        )
    # Whatever was started without waiting for it has its chance, too.
    run("systemctl", "start", "--wait", "decoy-last.service")
    seen, _ = watcher.communicate("")
    born = Path("/run/storm/born")
    result = {
        "tried": {way: drawn.count(way) for way in ways},
        "born": born.read_text().splitlines() if born.exists() else [],
        "lived": json.loads(seen),
        "seconds": round(time.monotonic() - began, 1),
    }
    sys.stdout.write(json.dumps(result))


main()
