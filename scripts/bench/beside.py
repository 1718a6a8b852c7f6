"""Is the stop slower when what follows it is broken in the worst ways? The same stop, in turn
beside a healthy aftermath, a broken one, and a healthy one again, which shows what is noise.
"""

import sys
import uuid
from collections.abc import Callable
from functools import partial

import desk
from fleet import Fleet
from installed import PATHS, spool
from methods import touch_flag, undo
from sinks import Silent
from stopwatch import until_dead_ms

WAITING = 5000
HEALTHY = "aftermath healthy"
BROKEN = "aftermath broken"
AGAIN = "aftermath healthy, again"


class Broken:
    """Redis and the mail server accept and never answer, and the spool is full."""

    def __init__(self) -> None:
        self._mail, self._redis = Silent(), Silent()

    def configure(self) -> None:
        """Have it talk to those who never answer."""
        desk.configure(self._mail.port, self._redis.port)

    def provoke(self) -> None:
        """Return while both channels hang and a full spool is being taken."""
        activation = str(uuid.uuid4())
        for kind in ("trip", "contained"):
            spool.put(PATHS, kind, {"took": "0"}, activation)
        desk.wait_until(self._hangs, "both channels hang")
        desk.flood(WAITING)
        desk.wait_until(lambda: desk.waiting() < WAITING and self._hangs(), "the spool is taken")

    def _hangs(self) -> bool:
        return self._mail.keeps_waiting() and self._redis.keeps_waiting()


def measure_beside(fleet: Fleet, runs: int) -> tuple[dict[str, list[float]], int]:
    """ms of each stop over `runs` runs, round robin so that drift hits all alike; and the fewest
    events that were waiting at a stop beside the broken aftermath.
    """
    took: dict[str, list[float]] = {HEALTHY: [], BROKEN: [], AGAIN: []}
    broken, fewest = Broken(), WAITING
    with desk.staffed() as (mails, port):
        well = partial(desk.configure, mails.port, port)
        for number in range(runs):
            for name, values in took.items():
                is_broken = name == BROKEN
                prepare(fleet, broken.configure if is_broken else well)
                broken.provoke() if is_broken else desk.settle()
                fewest = min(fewest, desk.waiting()) if is_broken else fewest
                values.append(until_dead_ms(fleet.pids(), partial(touch_flag, fleet), fleet.pids))
            print(f"beside the aftermath: {number + 1} of {runs}", file=sys.stderr)
    return took, fewest


def prepare(fleet: Fleet, configure: Callable[[], None]) -> None:
    """Nothing to tell, whom to tell, and a fleet that runs."""
    desk.forget()
    configure()
    undo(fleet)
    fleet.start()
