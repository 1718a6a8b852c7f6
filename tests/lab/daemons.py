"""Debian's packages of daemons that run what is handed to them, for labs without a network."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from tests.lab.host import lab_sh

PACKAGES = ("at", "cron", "openssh-server", "openssh-client", "tmux", "libpam-systemd")
_FETCH = "apt-get -qq update && apt-get -qq install -y --no-install-recommends --download-only"
# The directory of a layer is what a command changed in a lab.
_LABS = Path(os.environ.get("QT_ESS_LAB_DIR", "/var/cache/quantum-ess-lab"))
# Twice: cron does not unpack before what it needs is set up.
_DPKG = "DEBIAN_FRONTEND=noninteractive dpkg --force-confold -i /packages/*.deb"
INSTALL = f"({_DPKG} || {_DPKG}) >/run/dpkg.log 2>&1"


def packages(image: str) -> Path:
    """Return the directory with the packages, and what they need; fetched once."""
    names = " ".join(PACKAGES)
    script = f"mkdir -p /packages/partial && {_FETCH} -o Dir::Cache::archives=/packages {names}"
    key = hashlib.sha256(script.encode()).hexdigest()[:16]
    layer = lab_sh(
        *("layer", "--network", "host", "--key", key, image, "daemons", "bash", "-ec", script)
    )
    return _LABS / "layers" / layer / "packages"
