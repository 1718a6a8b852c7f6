"""A watcher put together from what is configured."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ess.mirror.address import AddressError, parse
from ess.watch import custom, evaluators, figures, places, prometheus_source
from ess.watch.feeds import Feeds
from ess.watch.judge import Judge
from ess.watch.manual import Manual
from ess.watch.memory import Memory
from ess.watch.reading import Reading
from ess.watch.rearm import Rearm
from ess.watch.trip_request import TripRequest
from ess.watch.watcher import Parts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ess.paths import Paths
    from ess.watch.sample import Now
    from ess.watch.settings import Settings
    from ess.watch.source import Deliver, Report, Source
    from ess.watch.verdict import Evaluator

REDIS = "QT_ESS_WATCH_REDIS_URL"
_LATE = 60.0  # s


@dataclass(frozen=True, slots=True)
class Missing:
    """A source that is configured and cannot be had; what it should deliver is missed."""

    name: str
    what: str

    def run(self, deliver: Deliver, report: Report) -> None:
        """Deliver nothing, for ever."""
        while True:
            self.once(deliver, report)
            time.sleep(_LATE)

    def once(self, deliver: Deliver, report: Report) -> None:  # noqa: ARG002 - of the protocol
        """Say what is wrong."""
        report.wrong(self.what)


@dataclass(frozen=True, slots=True)
class Assembly:
    """`problems`: what a person should know of, a line each."""

    parts: Parts
    reading: Reading
    problems: tuple[str, ...]


def assemble(
    paths: Paths,
    settings: Settings,
    now: Now,
    keys: figures.Keys = figures.KEYS,
    more: tuple[Source, ...] = (),
) -> Assembly:
    """Return a watcher that knows what the one before it knew.

    It reads `keys` of Redis, and `more` sources than those that are configured.
    """
    interval = settings.number("QT_ESS_CHECK_INTERVAL")
    off = settings.words("QT_ESS_WATCH_OFF")
    own = evaluators.configured(settings)
    installed = custom.names()
    plugged = [name for name in installed if f"custom:{name}" not in off]
    silence = settings.seconds("QT_ESS_MAX_DATA_STALENESS")
    theirs: list[Evaluator] = [custom.CustomEvaluator(name, silence) for name in plugged]
    reading = Reading()
    judge = Judge([*own, *theirs, reading], silence)
    pause = settings.seconds("QT_ESS_RETRIP_PAUSE")
    rearm = Rearm(pause)
    trip = TripRequest(paths, pause)
    memory = Memory(places.state(paths), judge, rearm, trip)
    problems = (*settings.problems, *memory.recall(now))
    if not settings.on("QT_ESS_DRY_RUN"):
        rearm.end_rehearsal()
    sources: list[Source] = [
        *_redis(settings, interval, reading, keys),
        *_prometheus(settings, interval),
        *(custom.CustomSource(name, interval) for name in plugged),
        *more,
    ]
    gone = {name for name in off if name.startswith("custom:")} - {f"custom:{n}" for n in installed}
    problems += tuple(f"{name} in QT_ESS_WATCH_OFF is not installed" for name in sorted(gone))
    if not sources:
        problems += ("no source is configured: nothing is watched",)
    manual = [one for one in own if isinstance(one, Manual)]
    feeds = [one for one in own if isinstance(one, Feeds)]
    parts = Parts(
        judge=judge,
        rearm=rearm,
        memory=memory,
        sources=tuple(sources),
        trip=trip,
        directory=places.state(paths),
        interval=interval,
        pause=pause,
        dry_run=settings.on("QT_ESS_DRY_RUN"),
        latched=lambda: _done(manual),
        cursor=lambda cursor: setattr(reading, "cursor", cursor),
        feeds=lambda moment: feeds[0].ages(moment) if feeds else {},
        reports=lambda reports: _follow(reading, reports),
        edition=settings.edition,
    )
    return Assembly(parts, reading, problems)


def _follow(reading: Reading, reports: Sequence[Report]) -> None:
    reading.report = next((one for one in reports if one.name == reading.name), None)


def _done(requests: list[Manual]) -> None:
    for one in requests:
        one.done()


def _redis(
    settings: Settings, interval: float, reading: Reading, keys: figures.Keys
) -> list[Source]:
    url = settings.text(REDIS)
    if not url:
        return []
    try:
        from ess.watch.redis_keys import RedisKeys  # noqa: PLC0415 - an extra
        from ess.watch.redis_source import RedisSource, since  # noqa: PLC0415
    except ImportError as error:
        return [Missing("redis", f"the package redis is missing: {error}")]
    periods = ("QT_ESS_SL_PERIOD_MINUTES", "QT_ESS_ORDER_ERROR_PERIOD_MINUTES")
    begin = reading.cursor or since(max(settings.seconds(key) for key in periods))
    try:
        address = parse(url, REDIS)
    except AddressError as error:
        return [Missing("redis", str(error))]
    return [RedisSource(address, begin, interval, keys), RedisKeys(address, interval, keys)]


def _prometheus(settings: Settings, interval: float) -> list[Source]:
    expressions = settings.expressions()
    url = settings.text(prometheus_source.KEY)
    if not expressions:
        return []
    if not url:
        return [Missing("prometheus", f"{prometheus_source.KEY} is not set")]
    try:
        server = prometheus_source.parse(url)
    except prometheus_source.PrometheusAddressError as error:
        return [Missing("prometheus", str(error))]
    return [
        prometheus_source.PrometheusSource(server, name, test.query, interval)
        for name, test in expressions.items()
    ]
