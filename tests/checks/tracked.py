"""The files of this repository, as git would ship them."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
NOT_OURS = {".git", ".venv", "build", ".hypothesis", "__pycache__"}


@cache
def tracked_files() -> tuple[Path, ...]:
    """Return every file of the checkout that is not ignored, sorted; works in a tarball too."""
    if shutil.which("git") and (CHECKOUT / ".git").exists():
        listing = subprocess.run(
            ("git", "-c", "safe.directory=*", "ls-files", "-z", "-co", "--exclude-standard"),
            cwd=CHECKOUT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        ).stdout.split("\0")
        paths = [CHECKOUT / name for name in listing if name]
    else:
        paths = [
            path
            for path in CHECKOUT.rglob("*")
            if not NOT_OURS & set(path.parts) and ".egg-info" not in str(path)
        ]
    return tuple(sorted(path for path in paths if path.is_file()))


def below(*directories: str) -> list[Path]:
    """Return the tracked files below directories of the checkout."""
    roots = [CHECKOUT / directory for directory in directories]
    return [path for path in tracked_files() if any(path.is_relative_to(root) for root in roots)]


def shell_scripts() -> list[Path]:
    """Return every tracked bash file: by name, or by its first line."""
    return [path for path in tracked_files() if path.suffix == ".sh" or _has_shebang(path)]


def _has_shebang(path: Path) -> bool:
    with path.open("rb") as file:
        first = file.readline(80)
    return first.startswith(b"#!") and b"sh" in first.split(b"/")[-1].split(b" ")[-1]


def relative(path: Path) -> str:
    return str(path.relative_to(CHECKOUT))
