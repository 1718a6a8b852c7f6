"""status and doctor find what is wrong on a real systemd, and the command they name mends it."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.lab import managers
from tests.lab.stack import put_trading_stack

if TYPE_CHECKING:
    import subprocess

    from tests.lab.conftest import BootLab
    from tests.lab.lab import Lab

pytestmark = [pytest.mark.every_image, pytest.mark.timeout(600)]

UNIT = "quantum-execution.service"
UNITS = "/etc/systemd/system"
GATE = f"{UNITS}/{UNIT}.d/zz-quantum-ess.conf"
HALT_LIST = f"{UNITS}/quantum-ess-halt.target.d/units.conf"
CONFIG = "/etc/quantum-ess/ess.env"
INSTALL = "/usr/local/lib/quantum-ess/ops/install.sh"


@dataclass(frozen=True)
class Fault:
    """How to cause it, the codes that are found, and what undoes it where the advice does not."""

    cause: str
    codes: set[str]
    undo: str = ""
    where: str = ""


RELOAD = "systemctl daemon-reload"
# The sentry would mend what these tests break.
QUIET = "systemctl stop quantum-ess-sentry.timer quantum-ess-sentry.service"
SENTRY_STOPPED = {"sentry-stopped"}


def drop_in(unit: str, name: str, text: str) -> str:
    return f"mkdir -p {UNITS}/{unit}.d; printf '{text}' >{UNITS}/{unit}.d/{name}; {RELOAD}"


FAULTS: dict[str, Fault] = {
    "path stopped": Fault("systemctl stop quantum-ess.path", {"path-stopped"}),
    "path masked": Fault(
        f"systemctl stop quantum-ess.path; rm {UNITS}/quantum-ess.path;"
        f" systemctl mask quantum-ess.path; {RELOAD}",
        {"path-masked"},
        f"systemctl unmask quantum-ess.path; {INSTALL} --configure >/dev/null || [ $? = 5 ]",
    ),
    "path failed": Fault(
        # Started again and again by a flag that stays, it runs into a limit.
        f"printf '[Service]\\nType=oneshot\\nExecStart=/bin/true\\n' >{UNITS}/nothing.service;"
        " sed -i '/TriggerLimit/d; s/=quantum-ess-trigger/=nothing/; s/=.*ESS_O.*/=\\/root\\/flag/'"
        f" {UNITS}/quantum-ess.path; {RELOAD}; systemctl restart quantum-ess.path; >/root/flag;"
        " timeout 9 sh -c 'until systemctl is-failed -q quantum-ess.path; do sleep 0.05; done'",
        {"path-failed", "unit-altered"},
        (
            f"rm /root/flag {UNITS}/nothing.service; {INSTALL} --configure >/dev/null ||"
            " [ $? = 5 ]; systemctl reset-failed nothing.service 2>/dev/null || :"
        ),
    ),
    "path disabled": Fault("systemctl disable -q quantum-ess.path", {"path-disabled"}),
    "quick path stopped": Fault("systemctl stop quantum-ess-quick.path", {"quick-path-stopped"}),
    "disk path stopped": Fault("systemctl stop quantum-ess-disk.path", {"disk-path-stopped"}),
    "request path stopped": Fault(
        "systemctl stop quantum-ess-request.path", {"request-path-stopped"}
    ),
    "other request path disabled": Fault(
        "systemctl disable -q quantum-ess-request-names.path", {"request-path-disabled"}
    ),
    "requests open to all": Fault(
        "chmod 1777 /run/quantum-ess/requests",
        {"request-directory-wrong"},
        where="/run/quantum-ess/requests",
    ),
    "requests led elsewhere": Fault(
        "rmdir /run/quantum-ess/requests; ln -s /root/none /run/quantum-ess/requests",
        {"request-directory-wrong"},
    ),
    "requests gone": Fault("rmdir /run/quantum-ess/requests", {"request-directory-wrong"}),
    "drill timer stopped": Fault("systemctl stop quantum-ess-drill.timer", {"drill-timer-stopped"}),
    "trigger overridden": Fault(
        drop_in("quantum-ess-trigger.service", "x.conf", "[Service]\\nNice=5\\n"),
        {"unit-altered"},
        f"rm {UNITS}/quantum-ess-trigger.service.d/x.conf; {RELOAD}",
    ),
    "trigger edited": Fault(
        f"echo '#' >>{UNITS}/quantum-ess-trigger.service; {RELOAD}", {"unit-altered"}
    ),
    "trigger gone": Fault(
        f"rm {UNITS}/quantum-ess-trigger.service; {RELOAD}", {"unit-missing", "file-missing"}
    ),
    "sentry gone": Fault(
        f"rm {UNITS}/quantum-ess-sentry.service; {RELOAD}", {"unit-missing", "file-missing"}
    ),
    "gate gone": Fault(f"rm {GATE}; {RELOAD}", {"gate-missing"}, where=UNIT),
    "gate edited": Fault(f"sed -i /VAR/d {GATE}; echo >>{GATE}; {RELOAD}", {"gate-edited"}),
    "gate emptied by a later drop-in": Fault(
        drop_in(UNIT, "zzz.conf", "[Unit]\\nAssertPathExists=\\n"),
        {"gate-shadowed"},
        f"rm {UNITS}/{UNIT}.d/zzz.conf; {RELOAD}",
        where=UNIT,
    ),
    "one assert made an alternative": Fault(
        drop_in(UNIT, "zzz.conf", "[Unit]\\nAssertPathExists=\\nAssertPathExists=|!/a\\n"),
        {"gate-shadowed"},
        f"rm {UNITS}/{UNIT}.d/zzz.conf; {RELOAD}",
    ),
    "gate not loaded": Fault(
        f"sed -i s/Description=/Description=x/ {UNITS}/{UNIT}; touch -d +1min {UNITS}/{UNIT}",
        {"needs-reload"},
    ),
    "halt target lacks a unit": Fault(
        f"sed -i /execution/d {HALT_LIST}; {RELOAD}", {"halt-outdated", "file-altered"}
    ),
    "configuration changed": Fault(
        f"echo QT_ESS_DRILL_MAX_AGE=9 >>{CONFIG}",
        {"config-not-installed"},
    ),
    "configuration invalid": Fault(
        f"echo QT_ESS_STOP_GRACE=x >>{CONFIG}",
        {"config-invalid"},
        f"sed -i /GRACE=x/d {CONFIG}",
    ),
    "another set of units": Fault(
        f"echo 'QT_ESS_TRADING_UNITS=quantum-execution extra' >>{CONFIG};"
        " printf '[Service]\\nUser=daemon\\nExecStart=/bin/sleep inf\\n'"
        f" >{UNITS}/extra.service; {RELOAD}",
        {"config-not-installed", "gate-missing", "halt-outdated"},
        f"sed -i /extra/d {CONFIG}; rm {UNITS}/extra.service; {RELOAD}",
    ),
    "unit unknown": Fault(
        f"rm {UNITS}/{UNIT}; {RELOAD}; systemctl stop {UNIT}",
        {"unit-unknown"},
        f"cp /root/unit {UNITS}/{UNIT}; {RELOAD}; systemctl start {UNIT}",
        where=UNIT,
    ),
    "directory open": Fault("chmod 0777 /run/quantum", {"directory-wrong"}, where="/run/quantum"),
    "directory of somebody": Fault("chown 65534 /var/lib/quantum-ess", {"directory-wrong"}),
    "directory gone": Fault("rm -r /run/quantum", {"directory-wrong"}),
    "runtime directory clash": Fault(
        drop_in(UNIT, "x.conf", "[Service]\\nRuntimeDirectory=quantum\\n"),
        {"runtime-directory-clash"},
        f"rm {UNITS}/{UNIT}.d/x.conf; {RELOAD}",
        where=UNIT,
    ),
    "clash by a neighbour": Fault(
        f"printf '[Service]\\nExecStart=/bin/true\\nRuntimeDirectory=quantum\\n'"
        f" >{UNITS}/quantum-other.service; {RELOAD}",
        {"runtime-directory-clash"},
        f"rm {UNITS}/quantum-other.service; {RELOAD}",
        where="quantum-other.service",
    ),
    "trading outside its unit": Fault(
        "systemd-run -q --unit=nohup python3 /opt/bots/quantum-execution.py",
        {"process-outside-unit"},
        "systemctl stop nohup",
        where=UNIT,
    ),
    "no drill": Fault(
        "rm /var/lib/quantum-ess/last-drill",
        {"drill-never"},
        "cp /root/last-drill /var/lib/quantum-ess/",
    ),
    "drill overdue": Fault(
        "sed -i 's/^epoch=.*/epoch=1/' /var/lib/quantum-ess/last-drill",
        {"drill-overdue"},
        "cp /root/last-drill /var/lib/quantum-ess/",
    ),
    "drill failed": Fault(
        "sed -i s/PASS/FAIL/ /var/lib/quantum-ess/last-drill",
        {"drill-failed"},
        "cp /root/last-drill /var/lib/quantum-ess/",
    ),
    "controller edited": Fault(
        "cp -a /usr/local/lib/quantum-ess/ops/ess_controller.sh /root/;"
        " echo '#' >>/usr/local/lib/quantum-ess/ops/ess_controller.sh",
        {"file-altered"},
        "cp -a /root/ess_controller.sh /usr/local/lib/quantum-ess/ops/",
    ),
}

# Faults of one host. Each has codes that no other one of them has, and no advice for one of them
# mends another: they are all to be mended by one command, or each by its own.
AT_ONCE = (
    (
        *("path stopped", "quick path stopped", "disk path stopped", "request path stopped"),
        *("drill timer stopped", "directory open", "no drill"),
    ),
    (
        *("path disabled", "other request path disabled", "requests led elsewhere"),
        *("trading outside its unit", "drill overdue", "trigger overridden"),
    ),
    ("requests gone", "drill failed", "gate emptied by a later drop-in", "clash by a neighbour"),
    ("directory of somebody", "one assert made an alternative", "controller edited"),
    ("trigger edited", "sentry gone", "gate edited"),
    ("trigger gone", "gate gone", "configuration changed"),
)
ALONE = tuple((name,) for name in FAULTS if not any(name in names for names in AT_ONCE))


@pytest.fixture
def armed(boot_lab: BootLab, lab_image: str) -> Lab:
    """A host that is armed, with nothing on it that mends itself."""
    lab = managers.boot(boot_lab, lab_image)
    put_trading_stack(lab)
    now = int(time.time())
    lab.write("/root/last-drill", f"at=now\nepoch={now}\nmode=canary\nresult=PASS\n")
    lab.sh(f"cp /root/last-drill /var/lib/quantum-ess/; cp {UNITS}/{UNIT} /root/unit")
    lab.sh(QUIET)
    return lab


def findings(lab: Lab, manager: str) -> list[dict[str, str]]:
    """Return what status finds, apart from the sentry that the fixture has stopped."""
    done = lab.exec("ess", "status", "--json", check=False, env=managers.environment(manager))
    assert done.stderr == ""
    answer: dict[str, Any] = json.loads(done.stdout)
    found: list[dict[str, str]] = answer["findings"]
    armed = not any(finding["severity"] == "error" for finding in found)
    assert (answer["armed"], done.returncode) == (armed, 0 if armed else 5)
    return [finding for finding in found if finding["where"] != "quantum-ess-sentry.timer"]


def test_each_fault_is_found_and_mended(armed: Lab, lab_image: str) -> None:
    """One lab for all of them: each begins and ends with a host on which nothing is wrong."""
    first, *rest = managers.MANAGERS[lab_image]
    missed: dict[str, object] = {}
    for names in (*AT_ONCE, *ALONE):
        for name in names:
            armed.sh(FAULTS[name].cause, timeout=30)
        found = findings(armed, first)
        others = [findings(armed, manager) for manager in rest]
        if {one["code"] for one in found} != expected(names) or others not in ([], [found]):
            missed[" and ".join(names)] = [found, *others]
        mending = {}
        for name in names:
            mine = [one for one in found if one["code"] in FAULTS[name].codes]
            if FAULTS[name].where not in ("", *(one["where"] for one in mine)):
                missed[name] = mine
            mending[name] = FAULTS[name].undo or advice(mine)
        by_advice = {mending[name] for name in names if not FAULTS[name].undo}
        assert len(by_advice) in (0, 1, sum(not FAULTS[name].undo for name in names)), mending
        for script in (*dict.fromkeys(mending.values()), QUIET):
            armed.sh(script, timeout=60)
        assert findings(armed, first) == [], f"mending: {names}"
    assert missed == {}


def expected(names: tuple[str, ...]) -> set[str]:
    """Return the codes of these faults, no two of which may have one in common."""
    codes = [code for name in names for code in FAULTS[name].codes]
    assert len(codes) == len(set(codes)), names
    return set(codes)


def advice(found: list[dict[str, str]]) -> str:
    return "; ".join(dict.fromkeys(one["fix"].replace("sudo ", "") for one in found))


@pytest.mark.parametrize("manager", ["systemctl", "pystemd"])
def test_unknown_is_never_safe(armed: Lab, lab_image: str, manager: str) -> None:
    if manager not in managers.MANAGERS[lab_image]:
        manager = "systemctl"
    environment = managers.environment(manager)

    def asked(*words: str) -> subprocess.CompletedProcess[str]:
        return armed.exec("ess", *words, check=False, env=environment)

    # Each of them waits for systemd, and none for another.
    with armed.pid1_frozen(), ThreadPoolExecutor() as pool:
        found = pool.submit(findings, armed, manager)
        commands = (("status",), ("status", "--quiet"), ("doctor",))
        status, quiet, doctor = pool.map(lambda words: asked(*words), commands)
    assert [finding["code"] for finding in found.result()] == ["systemd-silent"]
    assert status.stdout.startswith("ESS STATUS: INACTIVE\nDISARMED")
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (5, "", "")
    assert doctor.stdout.startswith("DISARMED: 1 error.\n\n  systemd-silent: systemd\n")
    assert doctor.returncode == 5
