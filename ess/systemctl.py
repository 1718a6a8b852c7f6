"""systemd through systemctl: what every host has, over systemd's private socket as root."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ess import process, questions
from ess.errors import ManagerError
from ess.manager import SYSTEMCTL, Job

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ess.manager import Assertion

_LISTING = ("--no-legend", "--plain", "--full", "--no-pager")


class SystemctlManager:
    """The Manager that runs systemctl, each run bounded by `seconds`."""

    name = SYSTEMCTL

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def show(self, units: Sequence[str], properties: Sequence[str]) -> dict[str, dict[str, str]]:
        """See Manager."""
        if not units:
            return {}
        out = self._ask("show", f"--property={','.join(properties)}", "--", *units)
        blocks = [_properties(block) for block in out.strip("\n").split("\n\n")]
        if len(blocks) != len(units):
            raise ManagerError(f"systemctl described {len(blocks)} units of {len(units)}")
        return dict(zip(units, blocks, strict=True))

    def assertions(self, units: Sequence[str]) -> dict[str, tuple[Assertion, ...]]:
        """See Manager."""
        return questions.assertions(units, self._seconds) if units else {}

    def runtime_directories(self, units: Sequence[str]) -> dict[str, list[str]]:
        """See Manager."""
        return questions.runtime_directories(units, self._seconds) if units else {}

    def matching(self, patterns: Sequence[str]) -> list[str]:
        """See Manager."""
        return questions.matching(patterns, self._seconds) if patterns else []

    def jobs(self) -> list[Job]:
        """See Manager."""
        rows = (line.split() for line in self._ask("list-jobs", *_LISTING).splitlines())
        return [Job(int(row[0]), row[1], row[2]) for row in rows if row and row[0].isdigit()]

    def cancel(self, jobs: Sequence[Job]) -> None:
        """See Manager."""
        if jobs:
            self._ask("cancel", "--", *(str(job.number) for job in jobs))

    def start(self, units: Sequence[str]) -> None:
        """See Manager."""
        self._ask("start", "--no-block", "--", *units)

    def stop(self, units: Sequence[str]) -> None:
        """See Manager."""
        self._ask("stop", "--no-block", "--", *units)

    def thaw(self, units: Sequence[str]) -> None:
        """See Manager."""
        self._ask("thaw", "--", *units)

    def reset_failed(self, units: Sequence[str]) -> None:
        """See Manager."""
        for unit in units:
            result = self._run("reset-failed", "--", unit)
            if result.code is None:
                raise ManagerError(result.error)

    def reconnect(self, unit: str) -> None:
        """See Manager."""
        self._ask("set-property", "--runtime", "--", unit, "IPAddressDeny=")

    def _ask(self, *arguments: str) -> str:
        result = self._run(*arguments)
        if not result.ok:
            raise ManagerError(result.error or f"systemctl {arguments[0]} failed")
        return result.out

    def _run(self, *arguments: str) -> process.Result:
        return process.run(["systemctl", "--no-ask-password", *arguments], self._seconds)


def _properties(block: str) -> dict[str, str]:
    pairs = (line.partition("=") for line in block.split("\n"))
    return {key: value for key, equals, value in pairs if equals}
