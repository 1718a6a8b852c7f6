"""Labs with trading units that the installed product guards, and how a test trips and looks."""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from tests.lab import host
from tests.lab.host import LabError
from tests.lab.lab import Lab

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

INSIDE = Path(__file__).parent / "inside"
RUN_FLAG = "/run/quantum/ESS_ON"
VAR_FLAG = "/var/lib/quantum-ess/ESS_ON"
FLAGS = (RUN_FLAG, VAR_FLAG)
CONTROLLER = "/usr/local/lib/quantum-ess/ops/ess_controller.sh"
INSTALL = "/usr/local/lib/quantum-ess/ops/install.sh"
ESS = "/usr/local/bin/ess"
ENFORCER = "quantum-ess-trigger.service"
PROMISE = 2000
# One lab for all tests of a module; it ends with this process anyway.
LASTING = ("--max-seconds", "1800")
# Ignores what a stop sends first.
STUBBORN = "/usr/bin/env --ignore-signal=TERM,INT,HUP /usr/bin/sleep infinity"
# Programs that lead up to what a unit is to run; systemd's own child calls itself "(NAME)".
STARTING = ("bash", "env", "systemd", "(")
ALWAYS = "Restart=always\nRestartSec=0\n"


def boot(image: str, *, without: Collection[str] = ()) -> Lab:
    """Boot a lab with the product and, in /inside, the helpers of the tests; see Lab.up()."""
    return Lab.up(
        image=image,
        layer=host.product_layer(image),
        bind_ro={INSIDE: "/inside"},
        options=LASTING,
        without=without,
    )


def service(body: str = f"ExecStart=/usr/bin/sleep infinity\n{ALWAYS}", unit: str = "") -> str:
    """Return the text of a service that no start limit protects from us."""
    return f"[Unit]\nStartLimitIntervalSec=0\n{unit}[Service]\n{body}"


def put_units(lab: Lab, units: Mapping[str, str]) -> None:
    for name, text in units.items():
        lab.write(f"/etc/systemd/system/{name}", text)
    lab.systemctl("daemon-reload")


def configure(
    lab: Lab, trading: Iterable[str], monitors: Iterable[str] = (), **keys: str
) -> subprocess.CompletedProcess[str]:
    """Make these the trading and monitoring units, as an operator does; keys without QT_ESS_."""
    wanted = {"TRADING_UNITS": " ".join(trading), "MONITOR_UNITS": " ".join(monitors), **keys}
    lines = [f'QT_ESS_{key}="{value}"\n' for key, value in wanted.items()]
    lab.write("/etc/quantum-ess/ess.env", "".join(lines))
    done = lab.exec(INSTALL, "--configure", check=False, timeout=30)
    # 5: disarmed, because no drill was run.
    if done.returncode not in (0, 5):
        raise LabError(f"install.sh --configure: {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def guard(lab: Lab, units: Mapping[str, str], *trading: str) -> None:
    """Put units in place and have the product guard them (all services, unless named)."""
    put_units(lab, units)
    configure(lab, trading or [name for name in units if name.endswith(".service")])


def alive(lab: Lab, *units: str) -> list[str]:
    """Return those that have a process, however systemd escapes the name of the cgroup."""
    return [unit for unit in units if lab.populated(unit) or lab.populated(f"_{unit}")]


def start(lab: Lab, *units: str) -> None:
    """Start units and wait until each has a process."""
    lab.systemctl("start", *units)
    lab.wait_until(lambda: len(alive(lab, *units)) == len(units), what=f"{units} run")


def touch_and_time(lab: Lab, *units: str, flag: str = RUN_FLAG) -> int:
    """Touch the flag; return ms until the last process of the units was seen alive."""
    helper = ("nice", "-n", "-20", "bash", "/inside/trip.sh", flag, *units)
    return int(lab.exec(*helper, timeout=20).stdout)


def settled(lab: Lab, *units: str) -> bool:
    """Tell whether each unit runs what it is to run, and not still what leads up to that."""
    return all((seen := commands(lab, unit)) and not _starting(seen) for unit in units)


def _starting(names: set[str]) -> bool:
    return any(name.startswith(STARTING) for name in names)


def commands(lab: Lab, unit: str) -> set[str]:
    """Return the names of the programs that run in a unit."""
    found = set()
    for pid in lab.host_pids(unit) + lab.host_pids(f"_{unit}"):
        with contextlib.suppress(OSError):
            found.add(Path(f"/proc/{pid}/comm").read_text().strip())
    return found


def hang(lab: Lab, directory: str) -> None:
    """Mount something that never answers there: whoever looks into it hangs, deaf to SIGKILL."""
    lab.sh(
        f"mkdir -p {directory}; systemd-run -q --unit=never python3 -I /inside/never.py {directory}"
    )
    lab.wait_until(lambda: f" {directory} fuse" in lab.read("/proc/mounts"), what="the mount")


def latched(lab: Lab) -> bool:
    return any(lab.exists(flag) for flag in FLAGS)


def dead(lab: Lab, *units: str) -> None:
    """Wait until no process of the units lives."""
    lab.wait_until(lambda: not alive(lab, *units), PROMISE / 1000, f"{units} dead")


def down(lab: Lab, *units: str) -> None:
    """Wait until systemd, too, knows that the units are down: its words follow the kernel's."""
    lab.wait_until(
        lambda: not units or set(lab.states(*units).values()) <= {"inactive", "failed"},
        20,
        f"{units} down",
    )


def status(lab: Lab, *arguments: str, tool: str = CONTROLLER) -> subprocess.CompletedProcess[str]:
    return lab.exec(tool, "status", *arguments, check=False)


def assert_contained(lab: Lab, *units: str, tool: str = CONTROLLER) -> None:
    """Both flags are set, nothing lives, and status says exactly that once systemd knows, too."""
    assert alive(lab, *units) == []
    lab.wait_until(lambda: all(map(lab.exists, FLAGS)), what="both flags")
    down(lab, *units)
    seen = lab.wait_until(
        lambda: (said := status(lab, tool=tool)).returncode == 0 and said, what="status: contained"
    )
    assert isinstance(seen, subprocess.CompletedProcess)
    assert "NOT CONTAINED" not in seen.stdout, seen.stdout
    assert "ESS STATUS: ACTIVE" in seen.stdout
    assert "CONTAINED" in seen.stdout


def release(lab: Lab, *arguments: str) -> None:
    """Release the latch (arguments of deactivate; by default nothing is started)."""
    lab.exec(CONTROLLER, "deactivate", *(arguments or ("--no-start",)), timeout=30)
    assert not latched(lab)


class Ground:
    """One furnished lab, kept from test to test; one that fails or leaves it unclean ends it."""

    def __init__(
        self, furnish: Callable[[Lab], None], *, without: Callable[[str], Collection[str]]
    ) -> None:
        self._furnish = furnish
        self._without = without
        self._image = ""
        self._lab: Lab | None = None

    def lab(self, image: str) -> Lab:
        """Return the lab of this image; boot and furnish it when there is none."""
        if self._lab is None or self._image != image:
            self.drop()
            self._lab = boot(image, without=self._without(image))
            self._image = image
            self._furnish(self._lab)
        return self._lab

    @property
    def labs(self) -> list[Lab]:
        """The lab, if one is up."""
        return [] if self._lab is None else [self._lab]

    def clean(self, *units: str) -> None:
        """Release, stop and forget; a lab where that does not work is not used again."""
        lab = self._lab
        if lab is None:
            return
        try:
            if alive(lab, *units):
                lab.exec(CONTROLLER, "activate", "--category", "0")
            if latched(lab):
                release(lab)
            lab.exec("systemctl", "stop", *units, check=False, timeout=5)
            lab.exec("systemctl", "reset-failed", check=False)
        except AssertionError:
            self.drop()

    def drop(self) -> None:
        """End the lab, if there is one."""
        if self._lab is not None:
            self._lab.down()
            self._lab = None
