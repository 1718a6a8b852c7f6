"""What the audit log adds up to, as a file for node_exporter: quantum_ess_events.prom.

Nothing here can fail the aftermath or hold it up: a child writes the file and is given little
time, and while one hangs on a dead disk no other is sent after it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from typing import TYPE_CHECKING

from ess import bounded, config
from ess.audit import log as audit
from ess.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from ess.audit.log import Remembered
    from ess.paths import Paths

_PATIENCE = 2.0  # s
_MODE = 0o644  # node_exporter is not root


def refresh(paths: Paths) -> None:
    """Write the file, if there is a directory for it. Raises nothing that is expected."""
    directory = _directory(paths)
    if directory:
        with contextlib.suppress(OSError):
            bounded.call(lambda: _write_alone(paths, directory), _PATIENCE)


def text(known: Remembered) -> str:
    """Return the file for what is remembered of the log. Pure."""
    return "".join(f"{line}\n" for line in _lines(known))


def _lines(known: Remembered) -> Iterator[str]:
    tally = known.tally
    name, what = "quantum_ess_audit_records_total", "Records in the audit log since its beginning."
    yield from _metric(name, "counter", what, {"": known.head.seq})
    name, what = "quantum_ess_activations_total", "How often the emergency stop was activated."
    yield from _metric(name, "counter", what, {"": tally.activations})
    if tally.activated:
        name = "quantum_ess_last_activation_timestamp_seconds"
        yield from _metric(name, "gauge", "When it was last activated.", {"": tally.activated})
    if tally.contained_ms >= 0:
        name = "quantum_ess_last_time_to_contained_seconds"
        what = "Of the last stop, from the flag to the last trading process dead."
        yield from _metric(name, "gauge", what, {"": tally.contained_ms / 1000})
    channels = sorted({*tally.sent, *tally.failed, *tally.given_up})
    for name, what, counts in (
        ("quantum_ess_alerts_delivered_total", "Alerts that a channel took.", tally.sent),
        ("quantum_ess_alert_failures_total", "Attempts that a channel failed.", tally.failed),
        ("quantum_ess_alerts_given_up_total", "Alerts that nobody got.", tally.given_up),
    ):
        # A channel is there from its first alert on, with 0: increase() does not see a birth.
        values = {f'{{channel="{channel}"}}': counts.get(channel, 0) for channel in channels}
        yield from _metric(name, "counter", what, values)
    if tally.alert_failed:
        name = "quantum_ess_last_alert_failure_timestamp_seconds"
        what = "When an alert last failed or was given up."
        yield from _metric(name, "gauge", what, {"": tally.alert_failed})


def _metric(name: str, kind: str, what: str, values: Mapping[str, float]) -> Iterator[str]:
    """Yield one metric: `values` by their labels, as these are written."""
    if values:
        yield f"# HELP {name} {what}"
        yield f"# TYPE {name} {kind}"
    for labels, value in values.items():
        yield f"{name}{labels} {value}"


def _directory(paths: Paths) -> str:
    """Return where the file goes, by the configuration or the last one that was good; "" if off."""
    for path in (paths.config, paths.installed):
        with contextlib.suppress(ConfigError):
            known = config.load(path).metrics_dir
            return f"{paths.root}{known}" if known else ""
    return f"{paths.root}{config.default().metrics_dir}"


def _write_alone(paths: Paths, directory: str) -> bytes:
    with open(paths.metrics_lock, "ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        known = audit.remembered(paths)
        if known and os.path.isdir(directory):
            _replace(directory, paths.event_metrics, text(known).encode())
    return b""


def _replace(directory: str, name: str, data: bytes) -> None:
    """Put a file there whole. What somebody else may have laid in our way is not followed."""
    for left in os.listdir(directory):
        if left.startswith(f".{name}."):
            os.unlink(f"{directory}/{left}")
    draft = f"{directory}/.{name}.{os.urandom(6).hex()}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(draft, flags, _MODE), "wb") as file:
        os.fchmod(file.fileno(), _MODE)
        file.write(data)
    os.rename(draft, f"{directory}/{name}")
