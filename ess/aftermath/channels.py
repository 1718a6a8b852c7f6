"""Every channel there is, from what is configured. Loads neither apprise nor redis."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ess.aftermath.channel import Channel
    from ess.aftermath.settings import Settings
    from ess.mirror.mirror import Mirror
    from ess.paths import Paths


class Channels(NamedTuple):
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
    if settings.none:
        return Channels(problems=settings.problems)
    from ess.alerts import channels as alerts  # noqa: PLC0415 - many a host tells nobody

    people, wrong = alerts.configured(settings)
    problems = [*settings.problems, *wrong]
    mirror = _mirror(settings, paths, problems)
    return Channels(tuple(people), mirror, tuple(problems))


def _mirror(settings: Settings, paths: Paths, problems: list[str]) -> Mirror | None:
    from ess.mirror.address import KEY, AddressError, parse  # noqa: PLC0415 - see above
    from ess.mirror.mirror import Mirror  # noqa: PLC0415

    if not settings.text(KEY):
        return None
    try:
        parse(settings.text(KEY))
    except AddressError as error:
        problems.append(str(error))
        return None
    return Mirror(settings, paths)
