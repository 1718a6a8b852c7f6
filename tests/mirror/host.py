"""A host whose latch is mirrored: trips, releases and tells, as the delivery does."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ess.aftermath.channel import Case, Phase
from ess.aftermath.settings import DEFAULTS, Settings
from ess.mirror.mirror import Mirror

if TYPE_CHECKING:
    import redis

    from ess.paths import Paths

MARKER = "quantum:ess:active"
POLICY = DEFAULTS["QT_ESS_REDIS_POLICY_KEY"]
STREAM = DEFAULTS["QT_ESS_REDIS_STREAM"]
CHANNEL = DEFAULTS["QT_ESS_REDIS_CHANNEL"]
TRIPPED = Case(
    "11111111-aaaa-4bbb-8ccc-222222222222",
    Phase.TRIPPED,
    1_763_713_331_123_456,
    1_763_713_331_123_456,
    7,
    {"host": "trade-1", "operator": "alice", "source": "cli", "reason": 'flash "crash"'},
)
RELEASED = TRIPPED._replace(
    phase=Phase.RELEASED,
    changed=1_763_716_931_000_000,
    facts={**TRIPPED.facts, "released_by": "bob", "release_reason": "reviewed"},
)


class Host:
    """Its latch lies under `paths`, its Redis at `url`; `settings`: keys without QT_ESS_REDIS_."""

    def __init__(self, paths: Paths, url: str, **settings: str) -> None:
        self.paths = paths
        given = {f"QT_ESS_REDIS_{key}": value for key, value in settings.items()}
        self.settings = Settings({**DEFAULTS, "QT_ESS_REDIS_URL": url, **given})

    @property
    def mirror(self) -> Mirror:
        """One that knows nothing of what was before."""
        return Mirror(self.settings, self.paths)

    def latch(self) -> None:
        for flag in (self.paths.run_flag, self.paths.var_flag):
            Path(flag).touch()

    def unlatch(self) -> None:
        for flag in (self.paths.run_flag, self.paths.var_flag):
            Path(flag).unlink(missing_ok=True)

    def trip(self, case: Case = TRIPPED) -> str:
        self.latch()
        return self.mirror.tell(case, 0)

    def release(self, case: Case = RELEASED) -> str:
        self.unlatch()
        return self.mirror.tell(case, 0)


def document(client: redis.Redis, key: str = POLICY) -> dict[str, Any]:
    """Return the PolicyStore document, a JSON string."""
    text: Any = client.get(key)
    found: dict[str, Any] = json.loads(text)
    return found


def entries(client: redis.Redis, key: str = STREAM) -> list[dict[str, str]]:
    """Return what is in the stream, the oldest first."""
    found: Any = client.xrange(key)
    return [{key.decode(): value.decode() for key, value in one.items()} for _, one in found]


def types(client: redis.Redis, key: str = STREAM) -> list[str]:
    """Return which events are in the stream."""
    return [entry["type"] for entry in entries(client, key)]


class Listener:
    """Hears the channel from the moment it is made."""

    def __init__(self, client: redis.Redis, channel: str = CHANNEL) -> None:
        self._pubsub = cast("Any", client).pubsub(ignore_subscribe_messages=True)
        self._pubsub.subscribe(channel)
        self._pubsub.get_message(timeout=5)

    def heard(self, seconds: float = 0.2) -> list[dict[str, Any]]:
        """Return the messages since the last time, once it has been quiet for so long."""
        found = []
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            message = self._pubsub.get_message(timeout=seconds)
            if message is None:
                break
            found.append(json.loads(message["data"]))
        return found

    def close(self) -> None:
        self._pubsub.close()
