"""Which boot the watcher says it is: everybody else's, whatever its sandbox shows."""

from __future__ import annotations

import pytest

from ess import spool
from ess.watch.boot import KEY, boot
from tests.checks.tracked import CHECKOUT

ID = "6f296473-8956-4060-bd4b-603518c10e8e"


def test_it_is_what_systemd_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, ID.replace("-", ""))
    assert boot() == ID


@pytest.mark.parametrize("given", ["", "%b", "x" * 32, ID, "6F" * 16, "6f" * 17])
def test_what_is_no_id_counts_for_nothing(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, given)
    assert boot() == spool.boot()


def test_the_unit_says_it() -> None:
    unit = CHECKOUT / "deploy/systemd/quantum-ess-watch.service"
    assert f"\nEnvironment={KEY}=%b\n" in unit.read_text()
