"""One internet for the tests of a module."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.alerts.world import World, started

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A host with Slack, Twilio and mail servers, and nothing else in reach."""
    with started(tmp_path_factory.mktemp("world")) as running:
        yield running
