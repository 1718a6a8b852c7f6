"""Whom nobody but trading runs as, and what that user runs elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest

from ess import users
from ess.errors import ManagerError
from ess.strays import Process

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ess.manager import Manager

ACCOUNTS = """root:x:0:0::/root:/bin/bash
alice:x:1000:1000::/srv/alice:/bin/bash
bot:x:901:901::/:/usr/sbin/nologin
shell-less:x:902:902::/:
alias:x:904:904::/:/usr/sbin/nologin
carol:x:904:904::/:/bin/sh
nobody:x:65534:65534::/:/usr/sbin/nologin
torn:x:
odd:x:²:1::/:/bin/false
"""
UNITS = {"bot.service": {"User": "bot"}}


class Services:
    """What systemd says of other services: who runs them; None for no answer."""

    def __init__(self, known: dict[str, str] | None) -> None:
        self._known = known

    def show(self, units: Sequence[str], _properties: Sequence[str]) -> dict[str, dict[str, str]]:
        if self._known is None:
            raise ManagerError("deaf")
        return {unit: {"User": self._known[unit]} for unit in units}


def found(
    tmp_path: Path,
    group: str,
    *,
    user: int = 901,
    units: dict[str, dict[str, str]] | None = None,
    services: dict[str, str] | None = None,
) -> list[tuple[str, str]]:
    (tmp_path / "passwd").write_text(ACCOUNTS)
    answer = users.outside(
        units or UNITS,
        ["monitor.service"],
        [Process(7, ("x",), group, 1, "", "", user)],
        cast("Manager", Services(services)),
        str(tmp_path / "passwd"),
    )
    return [(stray.unit, stray.user) for stray in answer]


SCOPE = "/user.slice/user-0.slice/session-1.scope"
CRON = "/system.slice/cron.service"


@pytest.mark.parametrize(
    ("group", "services"),
    [
        (SCOPE, None),
        (CRON, {"cron.service": ""}),
        (CRON, None),
        ("/user.slice/user-901.slice/user@901.service/app.slice/bot.service", {}),
        ("/elsewhere", {}),
    ],
)
def test_it_is_trading_wherever_it_runs(
    tmp_path: Path, group: str, services: dict[str, str] | None
) -> None:
    assert found(tmp_path, group, services=services) == [("bot.service", "bot")]


@pytest.mark.parametrize(
    ("group", "services"),
    [
        ("/system.slice/bot.service/deep", {}),
        ("/system.slice/monitor.service", {}),
        ("/system.slice/ledger.service", {"ledger.service": "bot"}),
        ("/system.slice/ledger.service", {"ledger.service": "901"}),
        ("/user.slice/user-901.slice/user@901.service/init.scope", {}),
    ],
)
def test_what_is_a_services_own_is_not(
    tmp_path: Path, group: str, services: dict[str, str]
) -> None:
    assert found(tmp_path, group, services=services) == []


@pytest.mark.parametrize(
    ("name", "user"),
    [
        ("root", 0),
        ("", 0),
        ("alice", 1000),
        ("nobody", 65534),
        ("shell-less", 902),
        ("gone", 903),
        ("alias", 904),
    ],
)
def test_a_user_that_others_may_be_tells_nothing(tmp_path: Path, name: str, user: int) -> None:
    assert found(tmp_path, SCOPE, user=user, units={"bot.service": {"User": name}}) == []


def test_a_unit_may_name_its_user_by_number(tmp_path: Path) -> None:
    assert found(tmp_path, SCOPE, units={"bot.service": {"User": "901"}}) == [
        ("bot.service", "901")
    ]
