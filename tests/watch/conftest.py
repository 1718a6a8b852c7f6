"""The servers that figures come from, and an ear for what a source delivers."""

from __future__ import annotations

import contextlib
from functools import partial
from typing import TYPE_CHECKING

import pytest
import redis

from tests.mirror.conftest import serve, server
from tests.watch.ear import Ear

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ess.watch.source import Source
    from tests.mirror.server import Server

__all__ = ["serve", "server"]


@pytest.fixture
def listen() -> Iterator[Callable[..., Ear]]:
    """Run sources (of a server) together; each has ended after the test."""
    ears: list[Ear] = []

    def start(*sources: Source, of: Server | None = None) -> Ear:
        ears.append(Ear(*sources))
        if of is not None:
            ears[-1].hang_up = partial(_no_more_news, of)
        return ears[-1]

    yield start
    for ear in ears:
        ear.close()


def _no_more_news(server: Server) -> None:
    """End what waits for news up to a second, where there still is a Redis."""
    with contextlib.suppress(redis.RedisError):
        server.client.client_kill_filter(_type="pubsub")
