"""The servers that figures come from, and an ear for what a source delivers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.mirror.conftest import serve, server
from tests.watch.ear import Ear

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ess.watch.source import Source

__all__ = ["serve", "server"]


@pytest.fixture
def listen() -> Iterator[Callable[..., Ear]]:
    """Run sources together; each has ended after the test."""
    ears: list[Ear] = []

    def start(*sources: Source) -> Ear:
        ears.append(Ear(*sources))
        return ears[-1]

    yield start
    for ear in ears:
        ear.close()
