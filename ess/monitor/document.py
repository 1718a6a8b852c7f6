"""The same picture for machines. Pure."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ess import report
from ess.monitor import limits
from ess.watch import how

if TYPE_CHECKING:
    from ess.monitor.picture import Picture
    from ess.watch.verdict import Verdict

UNKNOWN = "unknown"


def text(picture: Picture) -> str:
    """Return one JSON object: that of `ess status --json`, and all else the screen shows.

    What the watcher said too long ago has the mood "unknown"; `last_mood` tells what it was.
    """
    watch, past = picture.watch, picture.past
    verdicts = limits.worst_first(watch.standing) if watch.standing and not watch.is_off else []
    told: dict[str, object] = {
        **report.status_record(picture.view, picture.code),
        "units": [
            {"unit": one.name, "role": one.role.value, "alive": one.alive, "state": one.state}
            for one in picture.units
        ],
        "watcher": how.record(watch, picture.view.now),
        "evaluators": [_evaluator(one, known=watch.judges) for one in verdicts],
        "feeds": dict(watch.standing.feeds) if watch.standing and watch.judges else None,
        "activations": None
        if not past or past.trouble
        else [one._asdict() for one in past.activations],
        "activations_unknown": past.trouble if past else "not asked for",
    }
    return json.dumps(told, indent=2)


def _evaluator(verdict: Verdict, *, known: bool) -> dict[str, object]:
    return {
        "evaluator": verdict.evaluator,
        "mood": verdict.mood.value if known else UNKNOWN,
        "last_mood": verdict.mood.value,
        "reason": verdict.reason,
        "value": verdict.value,
        "limit": verdict.limit,
        "nearness": verdict.nearness if known else None,
    }
