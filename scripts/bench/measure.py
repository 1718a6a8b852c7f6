"""All measurements, inside a lab. Writes one JSON object to standard output."""

import argparse
import json
import sys
from functools import partial

from commands import measure_commands, measure_idle
from fleet import Fleet, hostile, well_behaved
from methods import METHODS, stays_dead, touch_flag, undo
from orders import measure_is_active
from stopwatch import percentiles, until_dead_ms


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
    undo(fleet)
    return {
        name: {**percentiles(values), "stays_dead": held[name]}
        for name, values in took.items()
        if values
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--idle", type=int, default=60)
    options = parser.parse_args()
    stops: dict[str, object] = {}
    result: dict[str, object] = {"stop_ms": stops}
    fleet = well_behaved(4)
    stops["4 well-behaved"] = measure_fleet(fleet, options.runs)
    commands = measure_commands(fleet, options.runs)
    result["command_ms"] = {name: percentiles(values) for name, values in commands.items()}
    result["is_active_ns"] = measure_is_active()
    result["idle"] = measure_idle(options.idle)
    fleet.remove()
    for name, make, runs in (
        ("4 hostile", hostile, max(3, options.runs // 5)),
        ("50 well-behaved", lambda: well_behaved(50), max(3, options.runs // 3)),
        ("200 well-behaved", lambda: well_behaved(200), max(3, options.runs // 5)),
    ):
        fleet = make()
        stops[name] = measure_fleet(fleet, runs)
        fleet.remove()
    json.dump(result, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
