"""A server, a latch and a mirror between them."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ess.paths import Paths
from tests.mirror.host import Host
from tests.mirror.server import Server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Start a server with the options given; all of them are gone after the test."""
    servers: list[Server] = []
    before = _children()

    def start(*options: str, **settings: Any) -> Server:
        servers.append(Server(tmp_path / f"redis-{len(servers)}", *options, **settings))
        return servers[-1]

    yield start
    for one in servers:
        one.close()
    assert _children() <= before


def _children() -> set[str]:
    """Return the pids of our children; another test may have left one that hangs."""
    pids: set[str] = set()
    for task in Path(f"/proc/{os.getpid()}/task").iterdir():
        # A thread that ends has none.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            pids.update((task / "children").read_text().split())
    return pids


@pytest.fixture
def server(serve: Callable[..., Server]) -> Server:
    return serve()


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    found = Paths(root=str(tmp_path / "root"))
    for flag in (found.run_flag, found.var_flag):
        Path(flag).parent.mkdir(parents=True)
    return found


@pytest.fixture
def host(server: Server, paths: Paths) -> Host:
    return Host(paths, server.url)
