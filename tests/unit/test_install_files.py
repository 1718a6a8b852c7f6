"""install.sh below DESTDIR: what it writes and what it remembers having written."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


def install(target: Path) -> None:
    as_root = [] if os.geteuid() == 0 else ["unshare", "--map-root-user"]
    subprocess.run(
        [*as_root, "bash", REPOSITORY / "ops/install.sh", "--no-python"],
        env=os.environ | {"DESTDIR": str(target)},
        check=True,
        timeout=60,
    )


def test_the_manifest_names_every_file_that_was_written(tmp_path: Path) -> None:
    install(tmp_path)
    written = {f"/{path.relative_to(tmp_path)}" for path in tmp_path.rglob("*") if path.is_file()}
    manifest = tmp_path / "usr/local/lib/quantum-ess/manifest.sha256"
    named = {line.split("  ", 1)[1] for line in manifest.read_text().splitlines()}
    gate = "/etc/systemd/system/quantum-execution.service.d/zz-quantum-ess.conf"
    assert gate in named
    assert written - named == {
        "/etc/quantum-ess/aftermath.env",
        "/etc/quantum-ess/ess.env",
        "/etc/quantum-ess/watch.env",
        "/usr/local/lib/quantum-ess/manifest.sha256",
    }
