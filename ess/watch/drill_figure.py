"""The figure of a drill: written into the configured Redis as a trading process would, and removed.

Import it where it is used: the package redis is an extra.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from redis.exceptions import NoPermissionError, ReadOnlyError

from ess.aftermath.channel import DeliveryError
from ess.errors import DrillError
from ess.mirror.address import AddressError, parse
from ess.mirror.server import reached, spoken
from ess.watch import settings as configured
from ess.watch.assembly import REDIS
from ess.watch.drill import load
from ess.watch.source import heard_now

if TYPE_CHECKING:
    import redis

    from ess.mirror.address import Address
    from ess.paths import Paths
    from ess.watch.drill import Drill

# What a drill that was killed leaves there is gone after so many s.
_KEPT = 600


def write(paths: Paths, equity: int) -> str:
    """Write a figure as a trading process does.

    Return `written MS`, when on the boottime clock that was begun, or `refused WHY` when this Redis
    lets us read and not write. Raises DrillError for anything else.
    """
    drill, address = load(paths), _address(paths)
    begun = heard_now()
    try:
        with reached(address) as client:
            try:
                _add(client, drill, equity)
            except (NoPermissionError, ReadOnlyError) as error:
                return f"refused {spoken(error, address)}"
    except DeliveryError as error:
        raise DrillError(f"redis: {error}") from error
    return f"written {round(begun * 1000)}"


def forget(paths: Paths) -> None:
    """Remove what the drill wrote. Raises DrillError; it then goes by itself within 10 min."""
    drill, address = load(paths), _address(paths)
    try:
        with reached(address) as client:
            client.delete(drill.keys.stream)
    except DeliveryError as error:
        raise DrillError(f"redis: {error}") from error


def _add(client: redis.Redis, drill: Drill, equity: int) -> None:
    # In one step: an entry without an end would stay for good.
    with client.pipeline(transaction=True) as both:
        both.xadd(drill.keys.stream, {"name": "equity", "value": equity})
        both.expire(drill.keys.stream, _KEPT)
        cast("list[object]", both.execute())


def _address(paths: Paths) -> Address:
    try:
        return parse(configured.load(paths).text(REDIS), REDIS)
    except AddressError as error:
        raise DrillError(str(error)) from error
