"""The commands people have in their fingers: those of the runbook before this one, as written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.lab.host import CHECKOUT, product_layer
from tests.lab.stack import TRADING_UNITS, put_trading_stack

if TYPE_CHECKING:
    from tests.lab.conftest import BootLab
    from tests.lab.lab import Lab

HOME = "/home/qt/quantum_trader"
CONTROLLER = f"bash {HOME}/ops/ess_controller.sh"
STOPS = {
    "controller": f"{CONTROLLER} activate",
    "systemd": "systemctl start quantum-ess.service",
    "flag": "mkdir -p /var/run/quantum; touch /var/run/quantum/ESS_ON",
    "flag without its directory": (
        "rm -r /run/quantum; mkdir -p /var/run/quantum; touch /var/run/quantum/ESS_ON"
    ),
}


@pytest.fixture
def host(boot_lab: BootLab, lab_image: str) -> Lab:
    """A host that trades, with the checkout where it always was."""
    lab = boot_lab(layer=product_layer(lab_image), bind_ro={CHECKOUT: HOME})
    put_trading_stack(lab)
    lab.sh("echo QT_ESS_SETTLE=0 >/etc/quantum-ess/ess.env")
    lab.exec(f"{HOME}/ops/install.sh", "--configure", check=False, timeout=30)
    return lab


def trades(lab: Lab) -> bool:
    return all(map(lab.populated, TRADING_UNITS))


def is_stopped(lab: Lab) -> bool:
    return not any(map(lab.populated, TRADING_UNITS))


def test_every_way_to_stop_and_back(host: Lab) -> None:
    for name, command in STOPS.items():
        host.sh(command)
        host.wait_until(lambda: is_stopped(host), what=f"trading is down: {name}")
        assert "ESS STATUS: ACTIVE" in host.sh(f"{CONTROLLER} status").stdout
        released = host.sh(f"{CONTROLLER} deactivate", timeout=30)
        assert "ESS STATUS: INACTIVE" in released.stdout
        assert trades(host), name
    assert "ESS STATUS: INACTIVE" in host.sh(f"{CONTROLLER} status", check=False).stdout


def test_what_was_to_be_looked_at(host: Lab) -> None:
    host.sh(f"{CONTROLLER} activate")
    for unit in TRADING_UNITS:
        assert host.sh(f"systemctl is-active {unit}", check=False).stdout.strip() == "inactive"
    host.sh("ls -la /var/run/quantum/ESS_ON")
    host.sh('journalctl -u quantum-ess -u quantum-ess-trigger --since "5 minutes ago"')
    host.wait_until(
        lambda: "ESS: === ESS ACTIVATED - TRADING STOPPED ===" in host.journal("-t", "quantum-ess"),
        what="the stop is in the journal",
    )
    lines = host.journal("-t", "quantum-ess")
    assert "UTC] ESS: === ESS ACTIVATION INITIATED ===" in lines
    assert all(f"UTC] ESS: Stopping {unit}\n" in lines for unit in TRADING_UNITS)


@pytest.mark.timeout(240)
def test_proof_from_the_checkout(host: Lab) -> None:
    done = host.sh(f"cd {HOME} && bash scripts/proof_ess.sh", timeout=200)
    assert done.stdout.endswith(
        "SUMMARY: PASS\nESS is production-ready for emergency stop scenarios\n"
    )
    assert trades(host)
