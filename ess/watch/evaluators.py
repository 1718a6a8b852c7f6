"""The evaluators that the settings ask for. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ess.watch.daily_loss import DailyLoss
from ess.watch.day import Calendar
from ess.watch.drawdown import Drawdown
from ess.watch.expression import Expression
from ess.watch.feeds import Feeds
from ess.watch.flash_crash import FlashCrash
from ess.watch.health import Health
from ess.watch.hits import Hits
from ess.watch.manual import Manual

if TYPE_CHECKING:
    from ess.watch.settings import Settings
    from ess.watch.verdict import Evaluator

_NOT = "-"


def configured(settings: Settings) -> list[Evaluator]:
    """Return all evaluators of ours but those in QT_ESS_WATCH_OFF."""
    off = settings.words("QT_ESS_WATCH_OFF")
    return [one for one in (*_account(settings), *_rest(settings)) if one.name not in off]


def _account(settings: Settings) -> list[Evaluator]:
    silence = settings.seconds("QT_ESS_EQUITY_SILENCE")
    calendar = Calendar(settings.day_start(), settings.day_zone())
    window = settings.number("QT_ESS_FLASH_CRASH_WINDOW")
    return [
        DailyLoss(settings.number("QT_ESS_MAX_DAILY_LOSS"), silence, calendar),
        Drawdown(settings.number("QT_ESS_MAX_EQUITY_DD"), silence),
        FlashCrash(settings.number("QT_ESS_FLASH_CRASH_PERCENT"), window, silence),
    ]


def _rest(settings: Settings) -> list[Evaluator]:
    stale = settings.seconds("QT_ESS_MAX_DATA_STALENESS")
    fine = frozenset(settings.words("QT_ESS_HEALTH_FINE"))
    named = settings.words("QT_ESS_WATCH_FEEDS")
    must = [name for name in named if not name.startswith(_NOT)]
    never = [name.removeprefix(_NOT) for name in named if name.startswith(_NOT)]
    return [
        Health(fine, settings.seconds("QT_ESS_HEALTH_SILENCE")),
        Hits(
            "stop-losses",
            "stop_loss",
            "stop-loss hits",
            int(settings.number("QT_ESS_MAX_SL_HITS")),
            settings.seconds("QT_ESS_SL_PERIOD_MINUTES"),
        ),
        Hits(
            "order-errors",
            "order_error",
            "order errors",
            int(settings.number("QT_ESS_MAX_ORDER_ERRORS")),
            settings.seconds("QT_ESS_ORDER_ERROR_PERIOD_MINUTES"),
        ),
        Feeds(stale, must, never),
        Manual(),
        *(Expression(name, test, stale) for name, test in settings.expressions().items()),
    ]
