"""The questions to systemd that systemctl answers badly, or dearly for PID 1, over ess/wire.py.

systemctl prints asserts as [unprintable] (252 to 257 at least); to tell which unit files there are
PID 1 reads every one of them, 25 ms in which it does nothing else; and whatever is asked of a unit
systemctl has it told hundreds of properties. Every question raises ManagerError for want of an
answer, and waits for one no longer than it is given.
"""

from __future__ import annotations

import os
import re
import struct
import time
from typing import TYPE_CHECKING, TypeVar

from ess import names, wire
from ess.errors import ManagerError
from ess.manager import Assertion

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ess.wire import Call, Reader

_Answer = TypeVar("_Answer")

_MANAGER_PATH = "/org/freedesktop/systemd1"
_MANAGER = "org.freedesktop.systemd1.Manager"
_UNIT = "org.freedesktop.systemd1.Unit"
_SERVICE = "org.freedesktop.systemd1.Service"
_PROPERTIES = "org.freedesktop.DBus.Properties"
# The message broker lets somebody who is not root wait for 128 answers at once.
_WINDOW = 64
# Also one that is newer than what systemd last read holds what can be started after a reload.
_ALWAYS = (
    *("/etc/systemd/system.control", "/run/systemd/system.control", "/run/systemd/transient"),
    *("/etc/systemd/system", "/run/systemd/system", "/usr/local/lib/systemd/system"),
    *("/etc/systemd/system.attached", "/run/systemd/system.attached", "/usr/lib/systemd/system"),
    *("/run/systemd/generator.early", "/run/systemd/generator", "/run/systemd/generator.late"),
)
# What systemd takes for the name of a unit; of any other it would refuse to speak.
_NAME = re.compile(r"[A-Za-z0-9:_.\\-][A-Za-z0-9:_.\\@-]{0,254}", re.ASCII)


def assertions(units: Sequence[str], seconds: float) -> dict[str, tuple[Assertion, ...]]:
    """Return the asserts in effect for each unit."""
    calls = [_get(wire.unit_object(unit), _UNIT, "Asserts") for unit in units]
    return dict(zip(units, _ask("its asserts", calls, _asserts, seconds), strict=True))


def runtime_directories(units: Sequence[str], seconds: float) -> dict[str, list[str]]:
    """Return, of each service, the directories below /run that go when it stops."""
    calls = [_get(wire.unit_object(unit), _SERVICE, "RuntimeDirectory") for unit in units]
    return dict(zip(units, _ask("its directories", calls, _strings, seconds), strict=True))


def matching(patterns: Sequence[str], seconds: float) -> list[str]:
    """Return the units that systemd has loaded or could load and that a pattern stands for."""
    listing = (_MANAGER_PATH, _MANAGER, "ListUnitsByPatterns", ((), tuple(patterns)))
    (loaded,) = _ask("its units", [listing], _first_of_each, seconds)
    where = _get(_MANAGER_PATH, _MANAGER, "UnitPath")
    (directories,) = _ask("its unit path", [where], _strings, seconds)
    units = {*loaded, *on_disk(dict.fromkeys((*directories, *_ALWAYS)), patterns)}
    return sorted(unit for unit in units if not names.is_bare_template(unit))


def on_disk(directories: Iterable[str], patterns: Sequence[str]) -> set[str]:
    """Return the names of the unit files and links there that a pattern stands for."""
    return {
        name
        for directory in directories
        for name in _files(directory)
        if names.matches_any(patterns, name) and _NAME.fullmatch(name)
    }


def _files(directory: str) -> list[str]:
    try:
        with os.scandir(directory) as entries:
            return [
                entry.name
                for entry in entries
                if entry.is_symlink() or entry.is_file(follow_symlinks=False)
            ]
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise ManagerError(f"{directory}: {error.strerror}") from error


def _get(path: str, interface: str, name: str) -> Call:
    return path, _PROPERTIES, "Get", (interface, name)


def _ask(
    what: str, calls: Sequence[Call], read: Callable[[Reader], _Answer], seconds: float
) -> list[_Answer]:
    try:
        with wire.Connection(time.monotonic() + seconds) as connection:
            serials: list[int] = []
            answers: list[_Answer] = []
            for call in calls:
                serials.append(connection.call(*call))
                if len(serials) - len(answers) >= _WINDOW:
                    answers.append(read(connection.reply(serials[len(answers)])))
            return answers + [read(connection.reply(one)) for one in serials[len(answers) :]]
    except TimeoutError as error:
        raise ManagerError(f"systemd does not answer when asked for {what}") from error
    except (OSError, ValueError, IndexError, struct.error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ManagerError(f"systemd did not tell {what}: {reason}") from error


def _asserts(reader: Reader) -> tuple[Assertion, ...]:
    if reader.signature() != "a(sbbsi)":
        raise ValueError("asserts of an unknown form")
    end = reader.array(8)
    found = []
    while reader.position < end:
        reader.align(8)
        kind, trigger, negate = reader.text(), bool(reader.number()), bool(reader.number())
        found.append(Assertion(kind, trigger, negate, reader.text()))
        reader.number()
    return tuple(found)


def _strings(reader: Reader) -> list[str]:
    if reader.signature() != "as":
        raise ValueError("a list of an unknown form")
    end = reader.array(4)
    found = []
    while reader.position < end:
        found.append(reader.text())
    return found


def _first_of_each(reader: Reader) -> list[str]:
    """Return the names in a list of units: a(ssssssouso)."""
    end = reader.array(8)
    found = []
    while reader.position < end:
        reader.align(8)
        found.append(reader.text())
        for _ in range(6):
            reader.text()
        reader.number()
        reader.text()
        reader.text()
    return found
