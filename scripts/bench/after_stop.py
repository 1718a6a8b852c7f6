"""How long after trading is down the record, the marker and the first alert are there."""

import json
import sys
import time
from pathlib import Path

import desk
from fleet import Fleet
from installed import PATHS
from methods import RUN_FLAG, undo
from redis_server import MarkerWatch
from sinks import Mailbox

LIMIT_S = 30
HEAD, AUDIT = Path(PATHS.audit_head), Path(PATHS.audit)
LINE, MARKER, ALERT = "audit line, on disk", "Redis marker", "first alert handed over (SMTP)"


def await_line_ns(offset: int) -> int:
    """When the record of the stop, which is behind `offset`, was on disk. Raises TimeoutError."""
    deadline = time.monotonic() + LIMIT_S
    seen = None
    while time.monotonic() < deadline:
        now, found = time.time_ns(), version(HEAD)
        if found != seen and is_recorded(offset):
            return now
        seen = found
        time.sleep(0.001)
    raise TimeoutError(f"no record of the stop within {LIMIT_S} s")


def version(path: Path) -> tuple[int, int] | None:
    """What differs once the file was replaced."""
    if not path.exists():
        return None
    status = path.stat()
    return status.st_ino, status.st_mtime_ns


def is_recorded(offset: int) -> bool:
    """Whether a stop is behind `offset` in the log, and the note beside the log, which is written
    once the record is on disk, has come so far.
    """
    with AUDIT.open("rb") as log:
        log.seek(offset)
        records = [json.loads(line) for line in log if line.endswith(b"\n")]
    safe = json.loads(HEAD.read_text())["seq"] if HEAD.exists() else 0
    return any(one["event"] == "contained" and one["seq"] <= safe for one in records)


def contained_ns(since_ns: int) -> int:
    """When the enforcer said that trading is down. Raises RuntimeError when it did not."""
    said = dict(line.split("=", 1) for line in Path(PATHS.enforcer).read_text().splitlines())
    moment = int(said["at_us"]) * 1000
    if said["phase"] != "contained" or moment < since_ns:
        raise RuntimeError(f"not contained: {said}")
    return moment


def one_stop(mails: Mailbox, marker: MarkerWatch) -> dict[str, float]:
    """ms from contained to each of the three."""
    offset = AUDIT.stat().st_size if AUDIT.exists() else 0
    began = time.time_ns()
    RUN_FLAG.touch()
    came = {LINE: await_line_ns(offset)}

    def told() -> bool:
        mail = mails.came_ns("trading is stopped", began)
        sets = [moment for moment in list(marker.set_ns) if moment > began]
        if mail is None or not sets:
            return False
        came.update({MARKER: sets[0], ALERT: mail})
        return True

    desk.wait_until(told, "marker and mail", LIMIT_S)
    contained = contained_ns(began)
    return {name: (moment - contained) / 1e6 for name, moment in came.items()}


def measure_after_stop(fleet: Fleet, runs: int) -> dict[str, list[float]]:
    """ms from contained to each of the three, over `runs` stops."""
    took: dict[str, list[float]] = {}
    with desk.staffed("--notify-keyspace-events", "K$") as (mails, port):
        marker = MarkerWatch(port)
        for number in range(runs):
            undo(fleet)
            desk.settle()
            fleet.start()
            for name, ms in one_stop(mails, marker).items():
                took.setdefault(name, []).append(ms)
            print(f"after the stop: {number + 1} of {runs}", file=sys.stderr)
    return took
