"""systemd through pystemd: typed answers, over systemd's private socket as root.

pystemd has no time limits and holds the interpreter while it waits, and PID 1 may be stopped. So
every question is asked in a child that is killed when its time is up.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from ess import bounded, process, wire
from ess.errors import ManagerError
from ess.manager import PYSTEMD, Assertion, Job
from ess.names import is_bare_template

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_DESTINATION = b"org.freedesktop.systemd1"
_MANAGER_PATH = b"/org/freedesktop/systemd1"
_MANAGER = b"org.freedesktop.systemd1.Manager"
_UNIT = b"org.freedesktop.systemd1.Unit"
_PROPERTIES = b"org.freedesktop.DBus.Properties"
_INTERFACES = {
    ".service": b"org.freedesktop.systemd1.Service",
    ".path": b"org.freedesktop.systemd1.Path",
    ".timer": b"org.freedesktop.systemd1.Timer",
    ".socket": b"org.freedesktop.systemd1.Socket",
}
_INVOCATION_BYTES = 16


class DBusManager:
    """The Manager that uses pystemd, each question bounded by `seconds`."""

    name = PYSTEMD

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    @staticmethod
    def available() -> bool:
        """Tell whether pystemd imports, and in a version that can reach the private socket."""
        try:
            from pystemd.dbuslib import DBusAddress  # noqa: PLC0415 - most hosts have no pystemd

            DBusAddress(b"unix:path=/dev/null", peer_to_peer=True)
        except (ImportError, TypeError):
            return False
        return True

    def show(self, units: Sequence[str], properties: Sequence[str]) -> dict[str, dict[str, str]]:
        """See Manager."""

        def ask(bus: Any) -> object:
            return {unit: _show(bus, unit, properties) for unit in units}

        answer: dict[str, dict[str, str]] = self._ask(ask)
        return answer

    def assertions(self, units: Sequence[str]) -> dict[str, tuple[Assertion, ...]]:
        """See Manager."""

        def ask(bus: Any) -> object:
            return {unit: _all(bus, unit, _UNIT)[b"Asserts"] for unit in units}

        answer: dict[str, list[list[Any]]] = self._ask(ask)
        return {
            unit: tuple(Assertion(kind, bool(t), bool(n), what) for kind, t, n, what, _ in rows)
            for unit, rows in answer.items()
        }

    def runtime_directories(self, units: Sequence[str]) -> dict[str, list[str]]:
        """See Manager."""
        known = self.show(units, ["RuntimeDirectory"]) if units else {}
        return {unit: known[unit].get("RuntimeDirectory", "").split() for unit in units}

    def matching(self, patterns: Sequence[str]) -> list[str]:
        """See Manager."""
        if not patterns:
            return []
        given = _strings(patterns)

        def ask(bus: Any) -> object:
            loaded = _call(bus, b"ListUnitsByPatterns", [*_strings(()), *given])
            files = _call(bus, b"ListUnitFilesByPatterns", [*_strings(()), *given])
            names = [row[0] for row in loaded] + [os.path.basename(row[0]) for row in files]
            return [name.decode() for name in names]

        units: list[str] = self._ask(ask)
        return sorted({unit for unit in units if not is_bare_template(unit)})

    def jobs(self) -> list[Job]:
        """See Manager."""

        def ask(bus: Any) -> object:
            rows = _call(bus, b"ListJobs", [])
            return [(row[0], row[1].decode(), row[2].decode()) for row in rows]

        rows: list[tuple[int, str, str]] = self._ask(ask)
        return [Job(number, unit, kind) for number, unit, kind in rows]

    def cancel(self, jobs: Sequence[Job]) -> None:
        """See Manager."""
        self._each(b"CancelJob", ([(ord("u"), job.number)] for job in jobs))

    def start(self, units: Sequence[str]) -> None:
        """See Manager."""
        self._each(b"StartUnit", (_replacing(unit) for unit in units))

    def stop(self, units: Sequence[str]) -> None:
        """See Manager."""
        self._each(b"StopUnit", (_replacing(unit) for unit in units))

    def thaw(self, units: Sequence[str]) -> None:
        """See Manager."""
        self._each(b"ThawUnit", ([(ord("s"), unit.encode())] for unit in units))

    def reset_failed(self, units: Sequence[str]) -> None:
        """See Manager."""
        for unit in units:
            self._try(b"ResetFailedUnit", [(ord("s"), unit.encode())])

    def reconnect(self, unit: str) -> None:
        """See Manager."""
        # pystemd cannot spell an empty list of addresses.
        argv = ["systemctl", "set-property", "--runtime", "--", unit, "IPAddressDeny="]
        result = process.run(argv, self._seconds)
        if not result.ok:
            raise ManagerError(result.error)

    def _each(self, method: bytes, calls: Iterable[list[tuple[int, object]]]) -> None:
        """Make every call, in one child, and raise for the first that was refused."""
        todo = list(calls)

        def ask(bus: Any) -> object:
            refused = [error for call in todo if (error := _attempt(bus, method, call))]
            return refused[:1]

        if refused := self._ask(ask):
            raise ManagerError(refused[0])

    def _try(self, method: bytes, call: list[tuple[int, object]]) -> None:
        def ask(bus: Any) -> object:
            return _attempt(bus, method, call)

        self._ask(ask)

    def _ask(self, question: Callable[[Any], object]) -> Any:
        def child() -> bytes:
            try:
                with _connect() as bus:
                    answer = {"answer": question(bus)}
            except Exception as error:  # noqa: BLE001 - pystemd raises what it likes
                answer = {"error": str(error)}
            return json.dumps(answer, default=_text).encode()

        data = bounded.call(child, self._seconds)
        if data is None:
            raise ManagerError(f"systemd did not answer within {self._seconds:g} s")
        answer = json.loads(data)
        if "error" in answer:
            raise ManagerError(f"systemd did not answer: {answer['error']}")
        return answer["answer"]


def _connect() -> Any:
    from pystemd.dbuslib import DBus, DBusAddress  # noqa: PLC0415 - see available()

    if os.geteuid() != 0:
        return DBus()
    return DBusAddress(f"unix:path={wire.PRIVATE_SOCKET}".encode(), peer_to_peer=True)


def _call(bus: Any, method: bytes, arguments: list[tuple[int, object]]) -> Any:
    return bus.call_method(_DESTINATION, _MANAGER_PATH, _MANAGER, method, arguments).body


def _attempt(bus: Any, method: bytes, arguments: list[tuple[int, object]]) -> str:
    try:
        _call(bus, method, arguments)
    except Exception as error:  # noqa: BLE001 - pystemd raises what it likes
        return str(error) or type(error).__name__
    return ""


def _replacing(unit: str) -> list[tuple[int, object]]:
    return [(ord("s"), unit.encode()), (ord("s"), b"replace")]


def _strings(values: Sequence[str]) -> list[tuple[int, object]]:
    """Return the pieces of an array-of-strings argument the way pystemd wants it spelt."""
    items: list[tuple[int, object]] = [(ord("s"), value.encode()) for value in values]
    return [(ord("a"), b"s"), *items, (-1, None)]


def _show(bus: Any, unit: str, properties: Sequence[str]) -> dict[str, str]:
    known = _all(bus, unit, _UNIT)
    interface = _INTERFACES.get(os.path.splitext(unit)[1])
    loaded = known.get(b"LoadState") != b"not-found"
    if interface and loaded:
        known = known | _all(bus, unit, interface)
    values = ((name, known.get(name.encode())) for name in properties)
    return {name: _spell(name, value) for name, value in values if value is not None}


def _all(bus: Any, unit: str, interface: bytes) -> dict[bytes, Any]:
    path = wire.unit_object(unit).encode()
    arguments = [(ord("s"), interface)]
    body: dict[bytes, Any] = bus.call_method(
        _DESTINATION, path, _PROPERTIES, b"GetAll", arguments
    ).body
    return body


def _spell(name: str, value: Any) -> str:
    """Return a property the way `systemctl show` prints it."""
    if name == "Job":
        return str(value[0]) if value[0] else ""
    if name == "InvocationID":
        raw = bytes(value)
        return raw.hex() if len(raw) == _INVOCATION_BYTES else ""
    if name == "ExecStart":
        return " ".join(_command(row) for row in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return " ".join(_text(item) for item in value)
    return _text(value)


def _command(row: Any) -> str:
    arguments = " ".join(_text(word) for word in row[1])
    ignore = _spell("", bool(row[2]))
    return f"{{ path={_text(row[0])} ; argv[]={arguments} ; ignore_errors={ignore} ; }}"


def _text(value: object) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
