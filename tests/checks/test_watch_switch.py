"""Bash reads of watch.env what Python does: whether the watcher is on, and what its death means."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from ess.paths import Paths
from ess.watch import settings
from tests.checks.tracked import CHECKOUT

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = """
. "$1/ops/lib/watch.sh"
watch_is_wanted && printf 'on ' || printf 'off '
watch_setting QT_ESS_WATCH_DEADMAN && [[ $ANSWER == alert ]] && printf alert || printf trip
"""
TEXTS = {
    "nothing": ("", "off trip"),
    "on": ("QT_ESS_ENABLED=true\n", "on trip"),
    "off": ("QT_ESS_ENABLED=False\n", "off trip"),
    "quoted": ("QT_ESS_ENABLED=\"off\"\nQT_ESS_WATCH_DEADMAN='alert'\n", "off alert"),
    "the first counts": (
        "QT_ESS_ENABLED=0\nQT_ESS_ENABLED=1\nQT_ESS_WATCH_DEADMAN=trip\nQT_ESS_WATCH_DEADMAN=alert",
        "off trip",
    ),
    "spaces around": ("  QT_ESS_ENABLED=yes  \n\tQT_ESS_WATCH_DEADMAN=alert\t\n", "on alert"),
    "a comment": ("#QT_ESS_ENABLED=true\n", "off trip"),
    "no end of line": ("QT_ESS_ENABLED=1", "on trip"),
    "a word that is neither": ("QT_ESS_WATCH_DEADMAN=alarm\n", "off trip"),
    "a quote alone": ('QT_ESS_WATCH_DEADMAN="\n', "off trip"),
    "what only begins so": ("QT_ESS_ENABLED_=1\nXQT_ESS_ENABLED=1\n", "off trip"),
    "a switch that is neither": ("QT_ESS_ENABLED=maybe\n", "on trip"),
}


@pytest.mark.parametrize(("text", "said"), TEXTS.values(), ids=TEXTS.keys())
def test_both_read_the_same(tmp_path: Path, text: str, said: str) -> None:
    paths = Paths(str(tmp_path))
    file = tmp_path / paths.watch_config.removeprefix(f"{tmp_path}/")
    file.parent.mkdir(parents=True)
    file.write_text(text)
    file.chmod(0o640)
    found = settings.load(paths)
    on = "on" if found.on("QT_ESS_ENABLED") else "off"
    # What is neither is told of, and trips.
    means = "alert" if found.text("QT_ESS_WATCH_DEADMAN") == "alert" else "trip"
    assert f"{on} {means}" == said
    done = subprocess.run(
        ("bash", "-uc", SCRIPT, "bash", str(CHECKOUT)),
        env={"DESTDIR": str(tmp_path), "PATH": "/usr/bin:/bin"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=10,
        check=False,
    )
    assert (done.stdout, done.stderr) == (said, "")
