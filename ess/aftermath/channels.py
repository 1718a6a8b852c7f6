"""Every channel there is, from what is configured. Loads neither apprise nor redis."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ess.alerts import channels as alerts
from ess.mirror.address import KEY, AddressError, parse
from ess.mirror.mirror import Mirror

if TYPE_CHECKING:
    from ess.aftermath.channel import Channel
    from ess.aftermath.settings import Settings
    from ess.paths import Paths


@dataclass(frozen=True, slots=True)
class Channels:
    """`people`: who is told, in the order of reminders; `problems`: of the configuration, a line
    each.
    """

    people: tuple[Channel, ...] = ()
    mirror: Mirror | None = None
    problems: tuple[str, ...] = ()

    @property
    def every(self) -> tuple[Channel, ...]:
        """All of them, the mirror first."""
        return (*((self.mirror,) if self.mirror else ()), *self.people)

    def named(self, name: str) -> Channel | None:
        """Return the channel of that name."""
        return next((one for one in self.every if one.name == name), None)


def configured(settings: Settings, paths: Paths) -> Channels:
    """Return the channels; one that is configured wrongly is missing and is a problem."""
    people, wrong = alerts.configured(settings)
    problems = [*settings.problems, *wrong]
    mirror = None
    if settings.text(KEY):
        try:
            parse(settings.text(KEY))
            mirror = Mirror(settings, paths)
        except AddressError as error:
            problems.append(str(error))
    return Channels(tuple(people), mirror, tuple(problems))
