"""install.sh below a directory of its own: what a package build does, and what needs no systemd."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.checks.tracked import CHECKOUT

if TYPE_CHECKING:
    from pathlib import Path

INSTALL = CHECKOUT / "ops" / "install.sh"


@dataclass(frozen=True)
class Root:
    """A directory that stands for / of a host."""

    path: Path

    def install(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run install.sh with DESTDIR; never raises."""
        return subprocess.run(
            ("bash", INSTALL, *(arguments or ("--no-python",))),
            env={"PATH": os.environ["PATH"], "DESTDIR": str(self.path)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    def configure(self, text: str | bytes) -> subprocess.CompletedProcess[str]:
        """Write ess.env and apply it."""
        file = self.path / "etc/quantum-ess/ess.env"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        return self.install("--configure")

    def files(self) -> dict[str, tuple[int, bytes]]:
        """Return mode and content of every file, by its path from the root."""
        return {
            f"/{path.relative_to(self.path)}": (path.stat().st_mode & 0o7777, path.read_bytes())
            for path in sorted(self.path.rglob("*"))
            if path.is_file()
        }

    def read(self, path: str) -> str:
        return (self.path / path.lstrip("/")).read_text()

    def gates(self) -> set[str]:
        """Return the units that carry a gate."""
        found = (self.path / "etc/systemd/system").glob("*.d/zz-quantum-ess.conf")
        return {path.parent.name.removesuffix(".d") for path in found}
