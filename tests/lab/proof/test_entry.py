"""The proof as a command: mistakes are one line, and the lab proves everything."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.lab.host import CHECKOUT
from tests.lab.proof.drill import PASSED, PROOF

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab.conftest import BootLab
    from tests.lab.lab import Lab

pytestmark = pytest.mark.timeout(240)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--frobnicate",), 2, "unknown argument: --frobnicate"),
        (("--json",), 2, "--json needs a value"),
        (("--json", "/no/such/file"), 2, "no directory for /no/such/file"),
        (("--canary", "--production"), 2, "choose one"),
        (("--image", "trixie"), 2, "--image goes with --lab"),
        (("--lab", "--image", "sid"), 2, "no image sid"),
        (("--yes-stop-trading",), 2, "--yes-stop-trading goes with --production"),
    ],
)
def test_mistakes_are_named(arguments: tuple[str, ...], code: int, said: str) -> None:
    done = subprocess.run(
        [CHECKOUT / "scripts/proof_ess.sh", *arguments], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_only_root(host: Lab) -> None:
    nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--")
    done = host.exec(*nobody, PROOF, "--canary", check=False)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == f"ess: only root may run the proof\n     Run: sudo {PROOF} --canary\n"


def test_host_without_the_product(boot_lab: BootLab) -> None:
    bare = boot_lab(bind_ro={CHECKOUT: "/src"})
    done = bare.exec("/src/scripts/proof_ess.sh", check=False)
    assert (done.returncode, done.stdout) == (5, "")
    assert "quantum-ess is not installed on this host" in done.stderr
    assert not bare.exists("/run/quantum-ess")


@pytest.mark.timeout(1200)
def test_lab_proves_everything(lab_image: str, tmp_path: Path) -> None:
    file = tmp_path / "proof.json"
    done = subprocess.run(
        [CHECKOUT / "scripts/proof_ess.sh", "--lab", "--image", lab_image, "--json", file],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert done.stdout.endswith(PASSED)
    written = json.loads(file.read_text())
    assert len(written["claims"]) > 80
    assert all(claim["ok"] for claim in written["claims"])
