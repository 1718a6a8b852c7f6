"""The lab itself: a proof is worth no more than the machine it ran on."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.lab.host import CHECKOUT, LAB_SH, LabError, cgroup_root, lab_sh
from tests.lab.lab import Lab
from tests.lab.stack import MONITOR_UNITS, TRADING_UNITS, put_monitor_stack, put_trading_stack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.lab.conftest import BootLab

SLEEPER = "[Service]\nExecStart=/usr/bin/sleep infinity\n"


def host_overlays() -> str:
    return "\n".join(
        line for line in Path("/proc/mounts").read_text().splitlines() if "quantum-ess-lab" in line
    )


def in_time(predicate: Callable[[], bool], seconds: float = 5) -> bool:
    end, pause = time.monotonic() + seconds, 0.02
    while not (found := predicate()) and time.monotonic() < end:
        time.sleep(pause := min(1.5 * pause, 0.2))
    return found


def processes_of(name: str) -> list[str]:
    """Return the command lines, on this host, that belong to the lab."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            cgroup = (entry / "cgroup").read_text()
            command = (entry / "cmdline").read_text().replace("\0", " ").strip()
            if f"-{name}/" in cgroup or command.endswith((f"_keeper {name}", f"_janitor {name}")):
                found.append(f"{entry.name} {command}")
    return found


def traces_of(name: str) -> list[str]:
    # Also in the hierarchies of cgroup v1, where this host has them.
    hierarchies = [cgroup_root(), *Path("/sys/fs/cgroup").iterdir()]
    cgroups = [str(path) for one in hierarchies for path in one.glob(f"qtlab-*-{name}")]
    return processes_of(name) + cgroups


def pid_of(name: str, command: str) -> int:
    return next(int(line.split()[0]) for line in processes_of(name) if command in line)


@pytest.fixture(scope="module")
def kept() -> Iterator[dict[str, Lab]]:
    """A lab with Debian alone of each image, for tests that leave nothing behind."""
    labs: dict[str, Lab] = {}
    yield labs
    for lab in labs.values():
        lab.down()


@pytest.fixture
def shared(kept: dict[str, Lab], lab_image: str) -> Lab:
    if lab_image not in kept:
        kept[lab_image] = Lab.up(image=lab_image)
    return kept[lab_image]


@pytest.mark.both_systemds
def test_boots_a_real_systemd(bare_lab: Lab, lab_image: str) -> None:
    assert bare_lab.systemctl("is-system-running").stdout.strip() == "running"
    assert bare_lab.read("/proc/1/comm").strip() == "systemd"
    version = bare_lab.systemctl("--version").stdout.split()[1]
    assert version == {"bookworm": "252", "trixie": "257"}[lab_image]


@pytest.mark.both_systemds
def test_the_stack_runs_and_survives_a_reboot(bare_lab: Lab) -> None:
    put_trading_stack(bare_lab)
    put_monitor_stack(bare_lab)
    assert bare_lab.exec("redis-cli", "ping").stdout.strip() == "PONG"
    bare_lab.reboot()
    for unit in (*TRADING_UNITS, *MONITOR_UNITS):
        assert bare_lab.state(unit) == "active", unit


def test_trading_stand_in_comes_back_from_sigkill(bare_lab: Lab) -> None:
    put_trading_stack(bare_lab, "momentum-bot.service")
    (old,) = bare_lab.host_pids("momentum-bot.service")
    assert "/opt/bots/momentum-bot.py" in Path(f"/proc/{old}/cmdline").read_text()
    os.kill(old, signal.SIGKILL)
    bare_lab.wait_until(lambda: bare_lab.host_pids("momentum-bot.service") not in ([], [old]))


def test_exec_reports_output_status_and_input(shared: Lab) -> None:
    done = shared.exec("sh", "-c", "cat; echo err >&2; exit 7", check=False, input="in")
    assert (done.returncode, done.stdout, done.stderr) == (7, "in", "err\n")
    with pytest.raises(LabError, match="exit 7"):
        shared.sh("exit 7")
    assert shared.exec("env", env={"LOUD": "1"}).stdout.count("LOUD=1") == 1
    assert "PYTEST" not in shared.exec("env").stdout


def test_exec_ends_as_its_command_does(shared: Lab) -> None:
    ends = {"exit 3": 3, "kill -KILL $$": -9, "kill -TERM $$": -15, "exec /no/such": 127}
    for script, end in ends.items():
        assert shared.exec("sh", "-c", script, check=False).returncode == end, script
    assert shared.exec("/no/such", check=False).returncode == 127
    assert shared.exec("/etc/hosts", check=False).returncode == 126


def test_exec_is_in_every_namespace_and_in_the_cgroup_of_the_lab(shared: Lab) -> None:
    script = "for one in cgroup ipc mnt net pid uts; do readlink /proc/$0/ns/$one; done"
    ours, theirs = (shared.exec("sh", "-c", script, pid).stdout for pid in ("self", "1"))
    assert ours == theirs
    assert theirs.count("\n") == 6
    assert "/lab.exec\n" in shared.read("/proc/self/cgroup")
    assert shared.exec("pwd").stdout == "/\n"


def test_exec_that_overruns_is_killed(shared: Lab) -> None:
    with pytest.raises(LabError, match="no end after"):
        shared.exec("sleep", "4242", timeout=0.5)
    shared.wait_until(lambda: shared.exec("pgrep", "-f", "4242", check=False).returncode == 1)


def test_exec_in_a_dead_lab_is_no_answer(bare_lab: Lab) -> None:
    bare_lab.power_cut()
    with pytest.raises(LabError, match="is down"):
        bare_lab.exec("true", check=False)


def test_exec_is_fast(shared: Lab) -> None:
    started = time.monotonic()
    for _ in range(20):
        shared.exec("true")
    assert (time.monotonic() - started) / 20 < 0.1


def test_tty_is_a_terminal(shared: Lab) -> None:
    done = shared.tty("bash", "-c", 'test -t 0 && read -rp "sure? " x; echo "<$x>"', typed="y\n")
    assert "sure? " in done.stdout
    assert "<y>" in done.stdout


def test_files_stay_inside(shared: Lab) -> None:
    shared.write("/var/run/quantum-lab-test/deep/file", "text\n", mode=0o600)
    assert shared.read("/run/quantum-lab-test/deep/file") == "text\n"
    assert not Path("/run/quantum-lab-test").exists()
    shared.exec("ln", "-s", "/nowhere", "/run/dangling")
    assert shared.exists("/run/dangling")
    assert not shared.exists("/run/nothing")


def power_cycle(lab: Lab) -> None:
    lab.power_cut()
    lab.boot()


@pytest.mark.parametrize("restart", [Lab.reboot, power_cycle])
def test_reboot_and_power_cut_keep_the_disk_and_lose_run(
    bare_lab: Lab, restart: Callable[[Lab], None]
) -> None:
    bare_lab.write("/var/lib/kept", "x")
    bare_lab.write("/run/lost", "x")
    machine_id = bare_lab.read("/etc/machine-id")
    restart(bare_lab)
    assert bare_lab.exists("/var/lib/kept")
    assert not bare_lab.exists("/run/lost")
    assert bare_lab.read("/etc/machine-id") == machine_id


def test_leader_is_found_though_others_of_systemd_end_meanwhile(
    shared: Lab, tmp_path: Path
) -> None:
    """A reboot failed, and said nothing, when a child of PID 1 was listed first and was gone."""
    (tmp_path / "init.scope").mkdir()
    (tmp_path / "init.scope/cgroup.procs").write_text(f"999999999\n{shared.leader}\n")
    parts = " ".join(f"{LAB_SH.parent}/lab/{name}.sh" for name in ("common", "machine"))
    script = f"for part in {parts}; do . $part; done; PAYLOAD={tmp_path}; find_leader; echo $REPLY"
    done = subprocess.run(["bash", "-ec", script], capture_output=True, text=True, check=True)
    assert done.stdout == f"{shared.leader}\n"


def test_a_late_janitor_does_not_end_the_next_machine(bare_lab: Lab) -> None:
    janitor = pid_of(bare_lab.name, f"_janitor {bare_lab.name}")
    os.kill(janitor, signal.SIGSTOP)
    late = threading.Timer(1, os.kill, (janitor, signal.SIGCONT))
    late.start()
    bare_lab.power_cut()
    bare_lab.boot()
    late.join()
    time.sleep(0.5)
    assert bare_lab.exec("true").returncode == 0


def test_deaf_pid1(bare_lab: Lab) -> None:
    bare_lab.put_unit("sleeper.service", SLEEPER)
    bare_lab.systemctl("start", "sleeper")
    with bare_lab.pid1_frozen():
        with pytest.raises(LabError, match="no end after"):
            bare_lab.systemctl("is-active", "sleeper", timeout=1)
        assert len(bare_lab.pids("sleeper.service")) == 1
    assert bare_lab.state("sleeper.service") == "active"
    assert bare_lab.show("sleeper", "MainPID") == {
        "MainPID": str(bare_lab.pids("sleeper.service")[0])
    }


def test_labs_do_not_share_a_cgroup(boot_lab: BootLab) -> None:
    first, second = boot_lab(), boot_lab()
    for lab in (first, second):
        lab.put_unit("sleeper.service", SLEEPER)
        lab.systemctl("start", "sleeper")
    assert first.read("/etc/machine-id") != second.read("/etc/machine-id")
    first.sh("echo 1 >/sys/fs/cgroup/system.slice/sleeper.service/cgroup.kill")
    first.wait_until(lambda: not first.populated("sleeper.service"))
    assert second.state("sleeper.service") == "active"


def test_layer_is_made_once_and_used(boot_lab: BootLab, lab_image: str, tmp_path: Path) -> None:
    (tmp_path / "given").write_text("from the host")
    key = f"test{os.getpid()}"
    command = ("sh", "-c", "cp /src/given /var/lib/layered; date +%N >>/var/lib/made")
    arguments = ("--key", key, "--bind-ro", f"{tmp_path}:/src", lab_image, "selftest", *command)
    layer = lab_sh("layer", *arguments)
    assert lab_sh("layer", *arguments) == layer
    first, second = boot_lab(layer=layer), boot_lab(layer=layer)
    assert first.read("/var/lib/layered") == "from the host"
    assert first.read("/var/lib/made") == second.read("/var/lib/made")
    assert first.read("/etc/machine-id") != second.read("/etc/machine-id")
    with pytest.raises(LabError, match="in use"):
        lab_sh("forget-layer", layer)
    first.down()
    second.down()
    lab_sh("forget-layer", layer)


def test_layer_made_from_a_layer_is_whole_without_it(boot_lab: BootLab, lab_image: str) -> None:
    def make(name: str, script: str, *below: str) -> str:
        key = f"test{os.getpid()}"
        return lab_sh("layer", "--key", key, *below, lab_image, name, "sh", "-ec", script)

    first = "cd /var/lib; mkdir gone made; echo 1 >gone/1; echo 1 >made/1; rm -r /etc/sudoers.d"
    one = make("selfone", first)
    then = "cd /var/lib; cat gone/1 made/1; rm -r gone made; mkdir made; echo 2 >made/2"
    other = make("selftwo", then, "--layer", one)
    lab_sh("forget-layer", one)
    lab = boot_lab(layer=other)
    assert lab.sh("cd /var/lib; ls -d gone made/*", check=False).stdout == "made/2\n"
    assert not lab.exists("/etc/sudoers.d")
    lab.down()
    lab_sh("forget-layer", other)


def test_layer_whose_command_fails_is_not_kept(lab_image: str) -> None:
    with pytest.raises(LabError, match="was not made"):
        lab_sh("layer", "--key", f"bad{os.getpid()}", lab_image, "selftest", "false")


@pytest.fixture
def owned_lab(lab_image: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """A lab whose owner is a process other than this one."""
    name = f"owned-{os.getpid()}-{time.monotonic_ns() % 100000}"
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as owner:
        lab_sh("up", name, "--image", lab_image, "--owner", str(owner.pid))
        yield name, owner
        owner.kill()
    lab_sh("down", name)


def test_nothing_is_left_when_the_owner_is_killed(
    owned_lab: tuple[str, subprocess.Popen[bytes]],
) -> None:
    name, owner = owned_lab
    upper = Path(lab_sh("upper", name))
    owner.kill()
    owner.wait()
    assert in_time(lambda: not traces_of(name)), traces_of(name)
    assert in_time(lambda: not upper.exists())
    assert not host_overlays()


@pytest.mark.parametrize("victim", ["_keeper", "_janitor", "_machine", "systemd-nspawn", "unshare"])
def test_nothing_is_left_when_a_part_is_killed(
    owned_lab: tuple[str, subprocess.Popen[bytes]], victim: str
) -> None:
    name, owner = owned_lab
    os.kill(pid_of(name, victim), signal.SIGKILL)
    if victim == "_janitor":
        owner.kill()
        owner.wait()
        assert in_time(lambda: not processes_of(name)), processes_of(name)
        lab_sh("sweep")
    assert in_time(lambda: not traces_of(name)), traces_of(name)
    assert not host_overlays()


def test_lab_ends_at_its_deadline(lab_image: str) -> None:
    name = f"brief-{os.getpid()}"
    lab_sh("up", name, "--image", lab_image, "--owner", str(os.getpid()), "--max-seconds", "8")
    upper = Path(lab_sh("upper", name))
    # What costs little is asked first: it takes 8 s.
    assert in_time(lambda: not upper.exists(), 20)
    assert in_time(lambda: not traces_of(name)), traces_of(name)


def test_a_killed_test_run_leaves_nothing(tmp_path: Path) -> None:
    ready = tmp_path / "name"
    script = (
        "import sys, time, pathlib\nfrom tests.lab.lab import Lab\nlab = Lab.up()\n"
        "pathlib.Path(sys.argv[1]).write_text(lab.name)\nlab.exec('sleep', '600', timeout=600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, ready], cwd=CHECKOUT) as run:
        assert in_time(lambda: ready.exists() and bool(ready.read_text()), 30)
        name = ready.read_text()
        assert in_time(lambda: any("sleep 600" in line for line in processes_of(name)))
        run.kill()
    assert in_time(lambda: not traces_of(name)), traces_of(name)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("up", "Bad/Name"), "no lab name"),
        (("up", "x", "--image", "sid"), "choose bookworm or trixie"),
        (("up", "x", "--layer", "none"), "no layer none"),
        (("up", "x", "--owner", "999999999"), "not running"),
        (("exec", "no-such-lab", "true"), "lab.sh up no-such-lab"),
        (("reboot", "no-such-lab"), "lab.sh up no-such-lab"),
        (("down", ".."), "no lab name"),
        (("frobnicate",), "unknown command"),
    ],
)
def test_mistakes_are_named(arguments: tuple[str, ...], message: str) -> None:
    done = subprocess.run([LAB_SH, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
