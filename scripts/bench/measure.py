"""All measurements, inside a lab. Writes one line of JSON after each section."""

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from after_stop import measure_after_stop
from beside import measure_beside
from commands import measure_commands, measure_idle
from figure_to_stop import measure_figures
from fleet import Fleet, hostile, well_behaved
from judge_rate import measure_rate
from memory import measure_memory
from methods import METHODS, stays_dead, touch_flag, undo
from orders import measure_is_active
from spool_rate import EVENTS, measure_spool
from stopwatch import percentiles, until_dead_ms
from watch_load import measure_load

FOUR = partial(well_behaved, 4)


@contextmanager
def trading(make: Callable[[], Fleet]) -> Iterator[Fleet]:
    """A fleet for as long as the context lasts."""
    fleet = make()
    yield fleet
    undo(fleet)
    fleet.remove()


def measure_fleet(fleet: Fleet, runs: int) -> dict[str, dict[str, object]]:
    """Every method `runs` times against one fleet, round robin so that drift hits all alike."""
    took: dict[str, list[float]] = {name: [] for name in METHODS}
    held = dict.fromkeys(METHODS, True)
    for number in range(runs):
        for name, method in METHODS.items():
            if fleet.name == "hostile" and name.startswith("systemctl stop"):
                continue
            undo(fleet)
            fleet.start()
            ours = method is touch_flag
            took[name].append(
                until_dead_ms(
                    fleet.pids(), partial(method, fleet), fleet.pids if ours else lambda: None
                )
            )
            held[name] &= stays_dead(fleet)
        print(f"{fleet.name}: {number + 1} of {runs}", file=sys.stderr)
    return {
        name: {**percentiles(values), "stays_dead": held[name]}
        for name, values in took.items()
        if values
    }


def each(took: dict[str, list[float]]) -> dict[str, dict[str, float]]:
    """The figures of every row."""
    return {name: percentiles(values) for name, values in took.items()}


def stops(options: argparse.Namespace) -> dict[str, object]:
    """Every method against every fleet."""
    measured = {}
    for name, make, share in (
        ("4 well-behaved", FOUR, 1),
        ("4 hostile", hostile, 5),
        ("50 well-behaved", partial(well_behaved, 50), 3),
        ("200 well-behaved", partial(well_behaved, 200), 5),
    ):
        with trading(make) as fleet:
            measured[name] = measure_fleet(fleet, fewer(options.runs, share))
    return {"stop_ms": measured}


def commands(options: argparse.Namespace) -> dict[str, object]:
    """What people and scripts call."""
    with trading(FOUR) as fleet:
        return {"command_ms": each(measure_commands(fleet, options.runs))}


def orders(_: argparse.Namespace) -> dict[str, object]:
    """What a trading process asks."""
    return {"is_active_ns": measure_is_active()}


def idle(options: argparse.Namespace) -> dict[str, object]:
    """What being armed costs."""
    with trading(FOUR):
        return {"idle": measure_idle(options.idle)}


def aftermath(options: argparse.Namespace) -> dict[str, object]:
    """What comes after the stop, and when."""
    with trading(FOUR) as fleet:
        return {"after_contained_ms": each(measure_after_stop(fleet, options.runs))}


def spool(options: argparse.Namespace) -> dict[str, object]:
    """How fast events go through."""
    return {"spool": {"events": EVENTS, "ms": each(measure_spool(fewer(options.runs, 10)))}}


def memory(options: argparse.Namespace) -> dict[str, object]:
    """What it takes of the host."""
    with trading(FOUR) as fleet:
        return {"memory_mb": each(measure_memory(fleet, fewer(options.runs, 5)))}


def beside(options: argparse.Namespace) -> dict[str, object]:
    """The stop, whatever becomes of the aftermath."""
    with trading(FOUR) as fleet:
        took, waiting = measure_beside(fleet, options.runs)
    return {"stop_beside_aftermath": {"ms": each(took), "waiting": waiting}}


def watch(options: argparse.Namespace) -> dict[str, object]:
    """From a figure to the stop, and what the watcher takes and manages."""
    with trading(FOUR) as fleet:
        found = measure_figures(fleet, options.runs)
        load = measure_load(max(5, options.idle / 2))
        rates = measure_rate(fewer(options.runs, 10))
    times: dict[str, object] = {name: each(took) for name, took in found.items()}
    return {"watch": {**times, "load": load, "per_second": each(rates)}}


def fewer(runs: int, share: int) -> int:
    """What takes longer is done less often."""
    return max(min(3, runs), runs // share)


SECTIONS = {
    one.__name__: one
    for one in (stops, commands, orders, idle, aftermath, spool, memory, beside, watch)
}


def main() -> None:
    """Measure, and print each section as soon as it is measured."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--idle", type=int, default=60)
    parser.add_argument("--only", action="append", choices=SECTIONS)
    options = parser.parse_args()
    for name in options.only or SECTIONS:
        print(json.dumps(SECTIONS[name](options)), flush=True)


if __name__ == "__main__":
    main()
