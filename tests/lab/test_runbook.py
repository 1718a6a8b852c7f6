"""Every command of RUNBOOK.md does, on a real systemd, what the text around it says."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.checks.runbook import Block, blocks, sections
from tests.lab.asking import by
from tests.lab.host import LabError
from tests.lab.rig import DRILL, ENFORCER, remove_by_hand
from tests.lab.stack import TRADING_UNITS, put_monitor_stack, put_trading_stack

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from tests.lab.ground import Ground
    from tests.lab.lab import Lab

CONTROLLER = "/usr/local/lib/quantum-ess/ops/ess_controller.sh"
CONFIGURE = "/usr/local/lib/quantum-ess/ops/install.sh --configure"
VENV = "/opt/quantum-ess/venv"
NO_PROCESS = (
    *("systemd-run", "--quiet", "--pipe", "--wait", "--collect"),
    *("-p", "SystemCallFilter=~clone clone3 fork vfork", "-p", "SystemCallErrorNumber=EAGAIN"),
)
FLAGS = ("/run/quantum/ESS_ON", "/var/lib/quantum-ess/ESS_ON")


def furnish(lab: Lab) -> None:
    """Make it a host that trades, is watched and armed, with little patience in a release."""
    put_trading_stack(lab)
    put_monitor_stack(lab)
    lab.sh("hostname >>/etc/hosts; sed -i '$s/^/127.0.0.1 /' /etc/hosts")
    lab.sh("echo QT_ESS_SETTLE=0 >/etc/quantum-ess/ess.env")
    lab.exec(*CONFIGURE.split(), check=False, timeout=30)
    lab.sh(f"printf 'epoch=%s\\nmode=canary\\nresult=PASS\\n' $(date +%s) >{DRILL}")
    assert findings(lab) == set()


@pytest.fixture
def host(ground: Ground, lab_image: str) -> Iterator[Lab]:
    """That host; who follows it next finds it armed, or gets another."""
    lab = ground.lab(lab_image)
    lab.begin_journal()
    yield lab
    try:
        bring_about(lab, "trading")
        as_before = lab.exec("bash", CONTROLLER, "status", "--quiet", check=False).returncode == 0
    except AssertionError:
        as_before = False
    if not as_before:
        ground.drop()


def latched(lab: Lab) -> bool:
    return any(map(lab.exists, FLAGS))


def bring_about(lab: Lab, state: str) -> None:
    if state == "any" or (state == "latched" and latched(lab)):
        return
    if latched(lab):
        lab.exec("bash", CONTROLLER, "deactivate", "--no-start", timeout=30)
    lab.systemctl("start", *TRADING_UNITS)
    await_trading(lab)
    if state == "latched":
        logged = stops_logged(lab)
        lab.exec("bash", CONTROLLER, "activate")
        lab.wait_until(lambda: stops_logged(lab) > logged, what="the stop is in the journal")


def stops_logged(lab: Lab) -> int:
    return lab.journal("-t", "quantum-ess").count("TRADING STOPPED")


def await_trading(lab: Lab) -> None:
    lab.wait_until(lambda: all(map(lab.populated, TRADING_UNITS)), what="trading runs")


def await_stopped(lab: Lab) -> None:
    lab.wait_until(lambda: not any(map(lab.populated, TRADING_UNITS)), what="trading is down")


@contextlib.contextmanager
def trouble(lab: Lab, kind: str | None) -> Iterator[None]:
    if kind in (None, "no-process"):
        yield
    elif kind == "systemd-hung":
        with lab.pid1_frozen():
            yield
    else:
        assert kind == "python-broken"
        # Moved away it would be copied, from the layer to the lab's own disk.
        lab.exec("mount", "-t", "tmpfs", "none", VENV)
        yield
        lab.exec("umount", "-l", VENV)


def findings(lab: Lab) -> set[str]:
    report = lab.exec("ess", "doctor", "--json", check=False).stdout
    return {finding["code"] for finding in json.loads(report)["findings"]}


def damage(lab: Lab, block: Block) -> None:
    for step in ("break", "edit"):
        if step in block.marks:
            lab.sh(block.marks[step])
        if step == "break":
            expected = {*block.marks.get("sees", "").split(), *block.marks.get("mends", "").split()}
            assert expected <= (seen := findings(lab) if expected else set()), f"doctor: {seen}"


def run(lab: Lab, block: Block) -> subprocess.CompletedProcess[str]:
    argv: tuple[str, ...] = ("bash", "-euo", "pipefail", "-c", block.script)
    if block.marks.get("with") == "no-process":
        argv = (*NO_PROCESS, *argv)
    if user := block.marks.get("as"):
        argv = (*by(user), *argv)
    if typed := block.marks.get("typed"):
        return lab.tty(*argv, typed=typed.replace("|", "\n") + "\n", check=False, timeout=60)
    return lab.exec(*argv, check=False, timeout=120)


def follow(lab: Lab, block: Block) -> None:
    """Do what the runbook says and see that it comes true. Raises AssertionError."""
    bring_about(lab, block.marks["from"])
    damage(lab, block)
    if block.flags:
        restart(lab, block)
    else:
        with trouble(lab, block.marks.get("with")):
            done = run(lab, block)
            if block.marks.get("then") == "stopped":
                await_stopped(lab)
        output = f"exit {done.returncode}\n{done.stdout}{done.stderr}"
        assert done.returncode == int(block.marks.get("exit", "0")), output
        missing = [words for words in block.says if words not in output]
        assert not missing, f"{missing} not in: {output}"
    afterwards(lab, block)


def restart(lab: Lab, block: Block) -> None:
    command = block.script.split()
    if "reboot" in block.flags:
        assert command[:3] == ["sudo", "systemctl", "reboot"]
        lab.reboot(*command[3:])
        return
    lab.exec("bash", "-c", block.script, check=False)
    lab.wait_until(lambda: not Path(f"/proc/{lab.leader}").exists(), 20, "it is off")
    # Who kept it running may still be at it.
    lab.power_cut()
    lab.boot()


def afterwards(lab: Lab, block: Block) -> None:
    then = block.marks.get("then")
    if then == "stopped":
        await_stopped(lab)
    elif then == "trading":
        await_trading(lab)
    # Who removed the flags by hand does not type as fast as the next block begins.
    lab.wait_until(lambda: latched(lab) == (lab.state(ENFORCER) == "active"), 10, "the enforcer")
    if mends := set(block.marks.get("mends", "").split()):
        assert not (left := findings(lab) & mends), f"not mended: {left}"
    if "undo" in block.marks:
        undo = block.marks["undo"]
        # What is in no configuration changes nothing for the installer.
        lab.sh(f"{undo}; {CONFIGURE}" if "/etc/" in undo else undo, timeout=30)


@pytest.mark.timeout(400)
@pytest.mark.parametrize("section", sections())
def test_section_holds(host: Lab, section: str) -> None:
    failed = []
    for block in blocks():
        if block.section != section or "skip" in block.marks:
            continue
        try:
            follow(host, block)
        except (AssertionError, LabError) as error:
            failed.append(f"RUNBOOK.md:{block.line}\n{block.script}{error}\n")
            bring_about(host, "trading")
    assert not failed, "\n".join(failed)


def test_release_by_hand_takes_one_command(host: Lab) -> None:
    """What "By hand" says: both flags at once release, a single one comes back."""
    bring_about(host, "latched")
    for flag in FLAGS:
        host.exec("rm", flag)
        host.wait_until(lambda flag=flag: host.exists(flag), what=f"{flag} is back")  # type: ignore[misc]
    remove_by_hand(host)
    assert not latched(host)
    assert not any(map(host.populated, TRADING_UNITS))
