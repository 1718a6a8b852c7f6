"""The results of measure.py as tables a person reads.

usage: report.py FILE             the tables of a file that was kept
       report.py --follow [FILE]  those of standard input, section by section; all of it into FILE
"""

import json
import os
import signal
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

Rows = dict[str, dict[str, Any]]


def figures(row: dict[str, Any]) -> str:
    """p50, p99, max in ms and the number of runs, as columns."""
    return f"{row['p50']:>9}{row['p99']:>9}{row['max']:>9}{row['runs']:>6}"


def table(title: str, width: int, rows: Rows, last: Callable[[Any], str], heading: str) -> str:
    """Rows of p50, p99, max and runs, with one column more."""
    lines = [f"\n{title}"]
    lines.append(f"  {'':{width}}{'p50':>9}{'p99':>9}{'max':>9}{'runs':>6}{heading}".rstrip())
    lines += [f"  {name:{width}}{figures(row)}{last(row)}" for name, row in rows.items()]
    return "\n".join(lines)


def plain(title: str, rows: Rows) -> str:
    """Rows of p50, p99, max and runs."""
    return table(title, 42, rows, lambda _: "", "")


def ratio(of: float, to: float) -> str:
    """One figure as a multiple of another."""
    return f"{of / to:>9.2f}" if to else f"{'-':>9}"


def stops(fleets: dict[str, Rows]) -> str:
    """Each fleet: ms per method, and ours as a ratio to each."""
    tables = []
    for name, rows in fleets.items():
        ours = rows["quantum-ess (touch)"]["p50"]

        def last(row: dict[str, Any], ours: float = ours) -> str:
            return ratio(ours, row["p50"]) + ("  yes" if row["stays_dead"] else "  NO")

        title = f"{name}: ms from the act to the last trading process dead"
        tables.append(table(title, 24, rows, last, f"{'ours/it':>9}  stays dead"))
    return "\n".join(tables)


def commands(rows: Rows) -> str:
    """What people and scripts call."""
    return plain("commands: ms", rows)


def orders(rows: Rows) -> str:
    """What a trading process asks."""
    lines = ["\nasking before an order, no flag there: ns"]
    columns = ("p50", "p99", "max", "runs")
    lines.append(f"  {'':32}" + "".join(f"{column:>11}" for column in columns))
    for name, row in rows.items():
        lines.append(f"  {name:32}" + "".join(f"{row[column]:>11.0f}" for column in columns))
    return "\n".join(lines)


def idle(found: dict[str, Any]) -> str:
    """What being armed costs."""
    return (
        f"\narmed and idle for {found['seconds']} s: {found['processes']} processes of ours, "
        f"{found['cpu_s']} s of CPU\n  ({found['rounds']} rounds of the sentry)"
    )


def after(rows: Rows) -> str:
    """What comes after the stop, and when."""
    return plain("after the stop: ms from contained (the enforcer says so) to", rows)


def spool(found: dict[str, Any]) -> str:
    """How fast events go through."""
    count = found["events"]

    def rate(row: dict[str, Any]) -> str:
        return f"{count / row['p50'] * 1000:>11.0f}"

    title = f"{count:,} events: ms for all of them, and events a second (p50)"
    return table(title, 33, found["ms"], rate, f"{'events/s':>11}")


def memory(rows: Rows) -> str:
    """What it takes of the host."""
    return plain("memory: MB, the most of each process in a run (RSS)", rows)


def beside(found: dict[str, Any]) -> str:
    """The stop beside a broken aftermath, and beside healthy ones."""
    rows = found["ms"]
    first = next(iter(rows.values()))["p50"]
    title = (
        "4 well-behaved (touch): ms from the act to the last trading process dead\n"
        "  broken: Redis and the mail server accept and never answer, both channels hang,\n"
        f"  {found['waiting']:,} events or more wait and are being taken"
    )
    return table(title, 30, rows, lambda row: ratio(row["p50"], first), f"{'ratio':>9}")


def watch(found: dict[str, Any]) -> str:
    """From a figure to the stop, and what the watcher takes and manages."""
    tables = []
    for key, end in (("to_flag", "the flag"), ("to_dead", "the last trading process dead")):
        ours = found[key]["watcher: XADD to the stream"]["p50"]

        def last(row: dict[str, Any], ours: float = ours) -> str:
            return ratio(ours, row["p50"])

        title = f"watcher: ms from a figure to {end}"
        tables.append(table(title, 35, found[key], last, f"{'ours/it':>9}"))
    tables.append(plain("watcher, XADD: ms from a figure until", found["stages"]))
    tables.append(load(found["load"]))
    rates = found["per_second"]
    lines = ["\nwatcher: so many a second, in one process"]
    lines.append(f"  {'':32}{'p50':>11}{'max':>11}{'runs':>6}")
    for name, row in rates.items():
        lines.append(f"  {name:32}{row['p50']:>11,.0f}{row['max']:>11,.0f}{row['runs']:>6}")
    return "\n".join([*tables, *lines])


def load(rows: Rows) -> str:
    """What the watcher takes of the host."""
    lines = ["\nwatcher: 20 evaluators, every 1 s: % of one core, and MB"]
    lines.append(f"  {'':35}{'CPU %':>9}{'RSS':>9}{'PSS':>9}{'over s':>8}")
    for name, row in rows.items():
        figures_of_it = f"{row['cpu_percent']:>9.2f}{row['rss_mb']:>9}{row['pss_mb']:>9}"
        lines.append(f"  {name:35}{figures_of_it}{row['seconds']:>8.0f}")
    return "\n".join(lines)


TABLES: dict[str, Callable[[Any], str]] = {
    "stop_ms": stops,
    "command_ms": commands,
    "is_active_ns": orders,
    "idle": idle,
    "after_contained_ms": after,
    "spool": spool,
    "memory_mb": memory,
    "stop_beside_aftermath": beside,
    "watch": watch,
}


def report(result: dict[str, Any]) -> str:
    """The table of everything that was measured, at most 80 columns."""
    return "\n".join(TABLES[name](found) for name, found in result.items())


def follow(lines: Iterable[str], file: str) -> None:
    """Print each section as it comes; what there is so far is in the file before that."""
    result: dict[str, Any] = {}
    for line in lines:
        if not line.endswith("\n"):
            # Cut off with the measurement.
            return
        found = json.loads(line)
        result |= found
        if file:
            keep(result, Path(file))
        print(report(found), flush=True)


def keep(result: dict[str, Any], file: Path) -> None:
    """Write it whole; who interrupts that finds what was there before."""
    text = json.dumps(result, indent=1) + "\n"
    if file.exists() and not file.is_file():
        # A pipe, or a terminal.
        file.write_text(text)
        return
    draft = file.with_name(f"{file.name}.new")
    draft.write_text(text)
    os.replace(draft, file)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--follow"]:
        # Who interrupts the measurement wants to see what there is: it ends with its input.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        follow(sys.stdin, "".join(sys.argv[2:]))
    else:
        print(report(json.loads(Path(sys.argv[1]).read_text())))
