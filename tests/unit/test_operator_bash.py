"""Who is behind a root shell: bash asks no directory server for what /etc/passwd says."""

from __future__ import annotations

import os
import pwd
import subprocess
from pathlib import Path

TERMINAL = Path(__file__).parents[2] / "ops/lib/terminal.sh"
NOBODY_LOGGED_IN = 2**32 - 1
SCRIPT = 'PATH=$2:$PATH; . "$1"; operator_name; printf "%s" "$OPERATOR"'


def operator(programs: Path, **environment: str) -> str:
    argv = ("bash", "-c", SCRIPT, "bash", TERMINAL, programs)
    env = {"PATH": os.environ["PATH"], **environment}
    return subprocess.run(
        argv, env=env, capture_output=True, text=True, timeout=20, check=True
    ).stdout


def test_a_stop_waits_for_no_directory_server(tmp_path: Path) -> None:
    """`id` asks it, and a stop had to wait a second for each that did not answer."""
    hung = tmp_path / "id"
    hung.write_text("#!/bin/sh\nexec sleep 60\n")
    hung.chmod(0o755)
    login = int(Path("/proc/self/loginuid").read_text())
    uid = os.getuid() if login == NOBODY_LOGGED_IN else login
    assert operator(tmp_path) == pwd.getpwuid(uid).pw_name


def test_who_used_sudo_is_the_operator(tmp_path: Path) -> None:
    assert operator(tmp_path, SUDO_USER="alice") == "alice"
