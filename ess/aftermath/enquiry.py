"""Asks the delivery service, which alone knows the keys that come as credentials.

Where no systemd runs there is no such service, and the answer is found here.
"""

from __future__ import annotations

import contextlib
import math
import os
import time
from typing import TYPE_CHECKING

from ess import regular
from ess.aftermath import question, settings
from ess.aftermath.question import Question, Sight
from ess.aftermath.settings import Settings
from ess.errors import AftermathError, ManagerError
from ess.manager import choose

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping

    from ess.aftermath.question import Answer
    from ess.manager import Manager
    from ess.paths import Paths

# How long the service may take to be up and see a question, and to say what it sees (s).
_PATIENCE = 15.0
# How much longer than its tests an answer may take (s).
_MORE = 10.0
_POLL = 0.05
# Between two looks at the service (s).
_LOOK = 0.3
_US = 1_000_000
_PROPERTIES = (
    "LoadState",
    "ActiveState",
    "StateChangeTimestampMonotonic",
    "Result",
    "ExecMainStatus",
    "ConditionResult",
    "ConditionTimestampMonotonic",
)
_DELIVERED = ("FragmentPath", "NeedDaemonReload", "DropInPaths", "ActiveState")
_LARGEST = 65536
_NOT_LOADED = {"not-found": "is not installed", "masked": "is masked"}
_CREDENTIALS = "243"  # EXIT_CREDENTIALS of systemd.exec


class CannotRunError(AftermathError):
    """The delivery service does not come up: nobody is told of anything."""


def sight(paths: Paths) -> Sight:
    """Return which channels the delivery service has. Raises AftermathError."""
    if _sees_nothing(paths):
        return Sight()
    with contextlib.closing(ask(paths, Question())) as said:
        return next(said).sight


def _sees_nothing(paths: Paths) -> bool:
    """Tell whether it has none for sure, as on most hosts: then it is not started to say so.

    Nothing is configured, and it runs as it was delivered, so that no key comes as a credential.
    What is not so plain, it is asked. Raises AftermathError.
    """
    if settings.load(paths) != Settings() or not _has_systemd(paths):
        return False
    try:
        seen = choose().show([paths.deliver_unit], _DELIVERED)[paths.deliver_unit]
    except ManagerError as error:
        raise AftermathError(f"the delivery cannot be asked: {error.what}") from error
    installed = f"{paths.unit_dir}/{paths.deliver_unit}"
    if seen.get("FragmentPath") != installed or seen.get("NeedDaemonReload") != "no":
        return False
    # What fails is to say why.
    if seen.get("DropInPaths") or seen.get("ActiveState") not in ("inactive", "activating"):
        return False
    delivered = f"{paths.library}/deploy/systemd/{paths.deliver_unit}"
    try:
        return regular.read(installed, _LARGEST) == regular.read(delivered, _LARGEST)
    except OSError:
        return False


def _has_systemd(paths: Paths) -> bool:
    return os.path.isdir(f"{paths.root}/run/systemd/system")


def ask(paths: Paths, asked: Question) -> Generator[Answer]:
    """Yield the answers as they come; the last is `done`.

    Raises CannotRunError; AftermathError when there is no (complete) answer.
    """
    if not _has_systemd(paths):
        from ess.aftermath import reply  # noqa: PLC0415 - the service's part, which few hosts lack

        yield from reply.answers(paths, asked)
        return
    service = _Service(paths)
    path = question.place(paths)
    try:
        question.put(path, asked)
        service.hand_over(path)
        yield from _answers(service, path, asked)
    except ManagerError as error:
        raise AftermathError(f"the delivery cannot be asked: {error.what}") from error
    except OSError as error:
        what = f"{error.filename or paths.questions}: {error.strerror or error}"
        raise AftermathError(f"the delivery cannot be asked: {what}") from error
    finally:
        question.forget(path)


class _Service:
    """quantum-ess-deliver.service, as systemd has it."""

    def __init__(self, paths: Paths) -> None:
        self.name = paths.deliver_unit
        self._manager: Manager = choose()
        self._begun = time.monotonic()

    def hand_over(self, path: str) -> None:
        """Return when the question was taken. Raises CannotRunError, AftermathError."""
        while os.path.lexists(path):
            if not self.runs():
                self._manager.start([self.name])
            self._wait(lambda: not os.path.lexists(path))
            if time.monotonic() - self._begun > _PATIENCE and question.withdraw(path):
                raise AftermathError(f"{self.name} took no question within {_PATIENCE:g} s")

    def runs(self) -> bool:
        """Tell whether it is up. Raises CannotRunError when it cannot, ManagerError."""
        seen = self._manager.show([self.name], _PROPERTIES)[self.name]
        state = seen.get("ActiveState", "")
        why = _obstacle(seen, state, self._begun)
        if why:
            hint = f"see: journalctl -u {self.name.removesuffix('.service')} -n 20"
            raise CannotRunError(f"{self.name} {why}", hint)
        return state in ("active", "activating")

    @staticmethod
    def _wait(enough: Callable[[], bool]) -> None:
        until = time.monotonic() + _LOOK
        while time.monotonic() < until and not enough():
            time.sleep(_POLL)


def _obstacle(seen: Mapping[str, str], state: str, begun: float) -> str:
    """Return why the service cannot run, or nothing. `begun`: when it was first asked to (s)."""
    loaded = seen.get("LoadState", "")
    if loaded != "loaded":
        return _NOT_LOADED.get(loaded, f"cannot be loaded ({loaded or 'no answer'})")
    if state == "failed" and _moment(seen, "StateChangeTimestampMonotonic") >= begun:
        status = seen.get("ExecMainStatus", "")
        if status == _CREDENTIALS:
            return "does not start: a credential (LoadCredential=) cannot be read"
        return f"fails ({seen.get('Result', '')}, status {status})"
    refused = seen.get("ConditionResult") == "no" and state == "inactive"
    if refused and _moment(seen, "ConditionTimestampMonotonic") >= begun:
        return "does not start: the Python part is not installed"
    return ""


def _moment(seen: Mapping[str, str], key: str) -> float:
    """Return when that was (s, CLOCK_MONOTONIC)."""
    text = seen.get(key, "")
    return int(text) / _US if text.isascii() and text.isdigit() else 0.0


def _answers(service: _Service, path: str, asked: Question) -> Iterator[Answer]:
    until = time.monotonic() + _PATIENCE
    known, looked = None, time.monotonic()
    while known is None or not known.done:
        time.sleep(_POLL)
        ended = False
        if time.monotonic() - looked > 1:
            looked, ended = time.monotonic(), not _lives(service)
        said = question.answered(path)
        if said is not None and said != known:
            if known is None:
                until = time.monotonic() + _longest(said, asked)
            known = said
            yield known
        elif ended:
            raise AftermathError(f"{service.name} ended before it had answered")
        elif time.monotonic() > until:
            raise AftermathError(f"{service.name} took the question and does not answer")


def _lives(service: _Service) -> bool:
    try:
        return service.runs()
    except ManagerError:
        # Who does not answer about it has not ended it.
        return True


def _longest(said: Answer, asked: Question) -> float:
    """Return how long the rest of the answer may take (s)."""
    if not asked.test:
        return _MORE
    from ess.aftermath.reply import AT_ONCE  # noqa: PLC0415 - for tests only

    return math.ceil(len(said.sight.channels) / AT_ONCE) * asked.seconds + _MORE
