"""The result of measure.py as tables a person reads."""

import json
import sys
from pathlib import Path
from typing import Any


def figures(row: dict[str, Any]) -> str:
    """p50, p99, max in ms and the number of runs, as columns."""
    return f"{row['p50']:>9}{row['p99']:>9}{row['max']:>9}{row['runs']:>6}"


def stop_table(name: str, rows: dict[str, dict[str, Any]]) -> list[str]:
    """One fleet: ms per method, and ours as a ratio to each."""
    ours = rows["quantum-ess (touch)"]["p50"]
    lines = [f"\n{name}: ms from the act to the last trading process dead"]
    lines.append(f"  {'':26}{'p50':>9}{'p99':>9}{'max':>9}{'runs':>6}{'ours/it':>9}  stays dead")
    for method, row in rows.items():
        ratio = f"{ours / row['p50']:.2f}" if row["p50"] else "-"
        held = "yes" if row["stays_dead"] else "NO"
        lines.append(f"  {method:26}{figures(row)}{ratio:>9}  {held}")
    return lines


def report(result: dict[str, Any]) -> str:
    """All tables, at most 80 columns."""
    lines: list[str] = []
    for name, rows in result["stop_ms"].items():
        lines += stop_table(name, rows)
    lines.append("\ncommands: ms")
    lines.append(f"  {'':42}{'p50':>9}{'p99':>9}{'max':>9}{'runs':>6}")
    for name, row in result["command_ms"].items():
        lines.append(f"  {name:42}{figures(row)}")
    lines.append("\nasking before an order, no flag there: ns")
    columns = ("p50", "p99", "max", "runs")
    lines.append(f"  {'':32}" + "".join(f"{column:>11}" for column in columns))
    for name, row in result["is_active_ns"].items():
        lines.append(f"  {name:32}" + "".join(f"{row[column]:>11.0f}" for column in columns))
    idle = result["idle"]
    lines.append(
        f"\narmed and idle for {idle['seconds']} s: {idle['processes']} processes of ours, "
        f"{idle['cpu_s']} s of CPU\n  ({idle['rounds']} rounds of the sentry)"
    )
    return "\n".join(lines)


if __name__ == "__main__":
    print(report(json.loads(Path(sys.argv[1]).read_text())))
