"""What bash says of the watcher is what Python says, as far as bash says anything."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ess.paths import Paths
from ess.spool import boot
from ess.watch import how, look, places, standing
from ess.watch.how import How
from ess.watch.sample import Now
from ess.watch.standing import Standing
from ess.watch.verdict import Mood, Verdict
from tests.checks.tracked import CHECKOUT
from tests.unit import watch_host

if TYPE_CHECKING:
    from collections.abc import Iterable

# One that runs, and has something to say that takes the verdicts to tell.
BEYOND_BASH = (How.DEAF, How.IMPAIRED, How.WATCHING)
LINE = """
here=$1
shift
for part in paths clock answer watch watching; do . "$here/ops/lib/$part.sh"; done
sd_show() {
    local one
    declare -gA UNIT_PROP=()
    for one in "${properties[@]}"; do UNIT_PROP["$2.${one%%=*}"]=${one#*=}; done
}
# Of each host: its root, how many properties its unit has, and these.
while (($#)); do
    (
        STATE_DIR=$1$STATE_DIR WATCH_CONF=$1$WATCH_CONF
        properties=("${@:3:$2}")
        watching_line
        printf '%s\\0' "$WATCHING"
    )
    shift $((2 + $2))
done
"""
Host = tuple[Paths, dict[str, str]]
STATES = {
    "unknown": {},
    "runs": {"LoadState": "loaded", "ActiveState": "active", "SubState": "running"},
    "stopped": {"LoadState": "loaded", "ActiveState": "inactive", "SubState": "dead"},
    "failed": {"LoadState": "loaded", "ActiveState": "failed", "SubState": "failed"},
    "masked": {"LoadState": "masked", "ActiveState": "inactive", "SubState": "dead"},
    "gone": {"LoadState": "not-found", "ActiveState": "inactive", "SubState": "dead"},
    "ends": {"LoadState": "loaded", "ActiveState": "deactivating", "SubState": "stop-sigterm"},
    "starts": {"LoadState": "loaded", "ActiveState": "activating", "SubState": "start"},
}
SWITCHES = ("enabled", "disabled", "")
SETTINGS = ("QT_ESS_ENABLED=true\n", "QT_ESS_ENABLED=false\n", None)
OTHER_BOOT = "00000000-0000-4000-8000-000000000000"
# By name: for how long (s) it is silent, in which boot it was written, and whether it is a dry run.
STOOD = {
    "fresh": (1.0, boot(), False),
    "dry": (1.0, boot(), True),
    "silent": (50.0, boot(), False),
    "silent for minutes": (200.0, boot(), True),
    "of another boot": (1.0, OTHER_BOOT, False),
    "of the future": (-100.0, boot(), False),
}


def stood(paths: Paths, age: float, of: str, *, dry: bool) -> None:
    up = time.clock_gettime(time.CLOCK_BOOTTIME)
    told = Standing(1.0, 900.0, dry, (Verdict("drawdown", Mood.QUIET, ""),), {})
    standing.write(places.state(paths), told, Now(time.time() - age, up - age, of))


def python(paths: Paths, unit: dict[str, str]) -> tuple[How, str]:
    watch = look.look(paths, unit)
    return how.how(watch), how.line(watch, time.time()).text


def bash(hosts: Iterable[Host], user: int = 0) -> list[str]:
    """Return what it says of each host."""
    words = [
        word
        for paths, unit in hosts
        for word in (paths.root, str(len(unit)), *(f"{key}={unit[key]}" for key in unit))
    ]
    argv = ["bash", "-c", LINE, "bash", str(CHECKOUT), *words]
    done = subprocess.run(
        argv, capture_output=True, text=True, timeout=10, check=True, user=user, group=user
    )
    assert done.stderr == ""
    return done.stdout.split("\0")[:-1]


def timeless(text: str) -> str:
    """Return the words without seconds: one passes between two who ask."""
    return re.sub(r"\b\d+ s\b", "N s", text)


def compare(found: How, wanted: str, said: str, case: object) -> None:
    if found in BEYOND_BASH:
        assert said in ("", "DRY RUN - it decides, and does not stop trading"), case
    elif found is How.DRY_RUN:
        # Python names one that runs though it is switched off, too.
        assert wanted.startswith(said), case
    else:
        assert timeless(said) == timeless(wanted), case


@pytest.mark.parametrize(
    ("state", "since"), [*((state, "") for state in STATES), ("starts", "5"), ("starts", "60")]
)
def test_the_same_words(tmp_path: Path, state: str, since: str) -> None:
    stamp = str(int((time.monotonic() - float(since)) * 1e6)) if since else ""
    cases = list(itertools.product(SWITCHES, SETTINGS, (None, "garbage", *STOOD)))
    hosts: list[Host] = []
    for number, (switch, text, last) in enumerate(cases):
        unit = {**STATES[state], "UnitFileState": switch, "InactiveExitTimestampMonotonic": stamp}
        paths = watch_host.made(str(tmp_path / str(number)))
        config, file = Path(paths.watch_config), Path(places.state(paths), standing.NAME)
        config.unlink()
        if text is not None:
            config.write_text(text)
        if last == "garbage":
            file.write_bytes(b'{"boot": "\0$(touch /tmp/x)"')
        elif last is not None:
            age, of, dry = STOOD[last]
            stood(paths, age, of, dry=dry)
        hosts.append((paths, unit if state != "unknown" else {}))
    told = [python(*host) for host in hosts]
    for (found, wanted), said, case in zip(told, bash(hosts), cases, strict=True):
        compare(found, wanted, said, case)


@pytest.mark.parametrize("state", STATES)
def test_the_same_words_for_who_may_read_none_of_it(state: str) -> None:
    # Nobody else gets through the directories of pytest.
    with tempfile.TemporaryDirectory() as root:
        Path(root).chmod(0o755)
        paths = watch_host.made(root)
        stood(paths, 1.0, boot(), dry=False)
        for path in (Path(paths.watch_config), Path(places.state(paths), standing.NAME)):
            path.chmod(0o600)
        for switch in SWITCHES:
            unit = {**STATES[state], "UnitFileState": switch} if state != "unknown" else {}
            os.seteuid(65534)
            try:
                _, wanted = python(paths, unit)
            finally:
                os.seteuid(0)
            assert bash([(paths, unit)], user=65534) == [wanted], switch
