"""From a figure that is written to Redis to the flag and to the last trading process dead: by the
watcher, and by what people would write instead. The figure is the loss of the day in percent.
"""

import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import watch_unit
from commands import ESS
from flag_watch import Course, timed_stop
from fleet import Fleet, run
from installed import redis
from methods import touch_flag, undo
from redis_server import redis_server
from watch_unit import LATEST, STREAM

GOOD, BAD = -1, -12
FIGURE, EVALUATOR = "daily_pnl_pct", "daily-loss"
NOTIFY = "Kh$"
SCRIPT = "bench-script.service"
READER, ENFORCER = "quantum-ess-request.service", "quantum-ess-trigger.service"
KEY = "bench:daily_pnl"
# As short as it can be, with nothing for the case that Redis is away or the answer no number.
LOOP = """while sleep 1; do
    loss=$(redis-cli -p {port} GET {key})
    (( loss >= -10 )) || {{ {ess} activate --reason "daily loss $loss"; break; }}
done"""
TOUCH = "touch of the flag (no figure)"
STREAMED = "watcher: XADD to the stream"
PUSHED = "watcher: HSET, Redis notifies"
POLLED = "watcher: HSET, polled every 1 s"
SCRIPTED = "script: redis-cli, 1 s, ess activate"


def client_of(port: int) -> Any:
    """A client in this process: the start of another one is in no figure."""
    client = redis.Redis(port=port)
    client.ping()
    return client


def add(client: Any, percent: float) -> None:
    """To the stream."""
    client.xadd(STREAM, {"name": FIGURE, "value": str(percent)})


def put(client: Any, percent: float) -> None:
    """Into the hash."""
    client.hset(LATEST, FIGURE, f"{percent} {time.time():.6f}")


def notify(client: Any, events: str) -> None:
    """Have Redis tell of what is set, or not."""
    client.config_set("notify-keyspace-events", events)


@contextmanager
def script(port: int) -> Iterator[None]:
    """What people would write, as a unit of its own."""
    loop = LOOP.format(port=port, key=KEY, ess=ESS)
    run("systemd-run", "-q", "--collect", f"--unit={SCRIPT}", "/bin/bash", "-c", loop)
    try:
        yield
    finally:
        subprocess.run(("systemctl", "stop", SCRIPT), check=False, capture_output=True)


def ready(fleet: Fleet, client: Any) -> None:
    """All is well in every figure, the watcher has seen that, and trading runs."""
    client.set(KEY, GOOD)
    notify(client, "")
    add(client, GOOD)
    watch_unit.await_mood(EVALUATOR, "quiet")
    undo(fleet)
    watch_unit.await_mood(EVALUATOR, "quiet")
    fleet.start()
    # In step with nothing that comes once a second.
    time.sleep(random.random())


def ways(fleet: Fleet, client: Any) -> dict[str, Callable[[], object]]:
    """What is done in each, to be measured from its start on."""
    return {
        TOUCH: partial(touch_flag, fleet),
        STREAMED: partial(add, client, BAD),
        PUSHED: partial(put, client, BAD),
        POLLED: partial(put, client, BAD),
        SCRIPTED: partial(client.set, KEY, BAD),
    }


def one(fleet: Fleet, port: int, client: Any, name: str) -> Course:
    """One stop, by one way."""
    ready(fleet, client)
    act = ways(fleet, client)[name]
    if name == PUSHED:
        notify(client, NOTIFY)
    if name != SCRIPTED:
        return timed_stop(fleet.pids(), act)
    with script(port):
        time.sleep(1 + random.random())
        return timed_stop(fleet.pids(), act)


def systemd_ns(unit: str, what: str) -> int:
    """A moment that PID 1 has noted of a unit (ns, monotonic)."""
    return int(run("systemctl", "show", "-P", f"{what}TimestampMonotonic", unit)) * 1000


def stages(course: Course) -> dict[str, float]:
    """ms from the figure to each step of the way to the stop."""
    return {
        "the watcher has asked for it": course.ms(course.asked),
        "PID 1 starts the reader": course.ms(systemd_ns(READER, "ExecMainStart")),
        "the reader has set the flag": course.ms(course.flag),
        "PID 1 queues the stops": course.ms(systemd_ns("quantum-ess-halt.target", "ActiveEnter")),
        "PID 1 starts the enforcer": course.ms(systemd_ns(ENFORCER, "ExecMainStart")),
        "the last trading process is dead": course.ms(course.dead),
    }


def measure_figures(fleet: Fleet, runs: int) -> dict[str, dict[str, list[float]]]:
    """ms to the flag and to the last death, over `runs` runs of each way, round robin."""
    found: dict[str, dict[str, list[float]]] = {"to_flag": {}, "to_dead": {}, "stages": {}}

    def note(table: str, name: str, ms: float) -> None:
        found[table].setdefault(name, []).append(ms)

    undo(fleet)
    with redis_server() as port, watch_unit.watching(port):
        client = client_of(port)
        # The first one ever only arms.
        add(client, GOOD)
        for number in range(runs):
            for name in ways(fleet, client):
                course = one(fleet, port, client, name)
                note("to_flag", name, course.ms(course.flag))
                note("to_dead", name, course.ms(course.dead))
                if name == STREAMED:
                    for stage, ms in stages(course).items():
                        note("stages", stage, ms)
            print(f"figure to stop: {number + 1} of {runs}", file=sys.stderr)
        undo(fleet)
    return found
