"""Watches the kernel for processes of trading units until standard input ends.

usage: watch.py PATTERN... Prints one JSON object: unit -> [[first seen, last seen], ...] in s.
"""

import fnmatch
import json
import os
import select
import sys
import time
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
GAP = 0.05  # not seen for longer than this: the next sighting is another life


def units(directory: Path) -> list[Path]:
    found = []
    try:
        names = os.listdir(directory)
    except OSError:
        return []
    for name in names:
        if name.endswith(".slice"):
            found += units(directory / name)
        elif name.endswith(".service"):
            found.append(directory / name)
    return found


def populated(unit: Path) -> bool:
    try:
        return "populated 1" in (unit / "cgroup.events").read_text()
    except OSError:
        return False


def main() -> None:
    patterns = sys.argv[1:]
    lives: dict[str, list[list[float]]] = {}
    sys.stdout.write("watching\n")
    sys.stdout.flush()
    while not select.select([sys.stdin], [], [], 0.003)[0]:
        for unit in units(ROOT):
            if any(fnmatch.fnmatch(unit.name, one) for one in patterns) and populated(unit):
                now = time.monotonic()
                seen = lives.setdefault(unit.name, [])
                if seen and now - seen[-1][1] < GAP:
                    seen[-1][1] = now
                else:
                    seen.append([now, now])
    sys.stdout.write(json.dumps(lives))


main()
