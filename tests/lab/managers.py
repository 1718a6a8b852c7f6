"""The ways in which the Python command line talks to systemd, in a lab that has all of them."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING

from tests.lab import host

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.lab.lab import Lab

PYSTEMD = "/opt/pystemd"
# The lab's Debian 12 has the Python that this host's pystemd was built for; Debian 13 has not.
MANAGERS = {"bookworm": ("systemctl", "pystemd"), "trixie": ("systemctl",)}


def environment(manager: str) -> dict[str, str]:
    """Return what makes `ess` use this manager, and no other."""
    return {"QT_ESS_MANAGER": manager}


def boot(boot_lab: Callable[..., Lab], image: str) -> Lab:
    """Boot a lab with the product in which each of MANAGERS[image] works."""
    pystemd = importlib.util.find_spec("pystemd")
    assert pystemd, "the tests need pystemd: pip install '.[test,pystemd]'"
    packages = Path(str(pystemd.origin)).parents[1]
    lab = boot_lab(
        layer=host.product_layer(image),
        bind_ro={packages: PYSTEMD} if "pystemd" in MANAGERS[image] else {},
    )
    lab.sh(f"echo {PYSTEMD} >$(echo /opt/quantum-ess/venv/lib/python3*/site-packages)/x.pth")
    return lab
