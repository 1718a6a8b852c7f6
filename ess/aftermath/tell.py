"""One channel's turn: everything it has yet to tell, one case after the other.

Runs as a child that is killed when it takes too long: what it is about to do stands on disk before
it does it, and what came of it right after.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ess import journal, spool
from ess.aftermath import case_store, delivery, delivery_store
from ess.aftermath.channel import DeliveryError
from ess.text import clean

if TYPE_CHECKING:
    from ess.aftermath.channel import Case, Channel
    from ess.aftermath.channels import Channels
    from ess.aftermath.settings import Settings
    from ess.paths import Paths


class Turn:
    """One channel's turn."""

    def __init__(
        self, paths: Paths, settings: Settings, channels: Channels, channel: Channel
    ) -> None:
        self._paths = paths
        self._settings = settings
        self._channels = channels
        self._channel = channel

    def run(self) -> None:
        """Tell what is due. Raises OSError when its state cannot be written down."""
        cases = sorted(case_store.load(self._paths).values(), key=lambda case: case.begun)
        for case in cases:
            self._report(case, self._state(case))
            if delivery.is_due(case, self._state(case), self._want(case), self._name, now()):
                self._tell(case)
        self._keep(cases)

    def ended(self, why: str) -> None:
        """Write down that this turn came to no end of its own, and `why`. Raises OSError."""
        for case in case_store.load(self._paths).values():
            state, wanted = self._state(case), self._want(case)
            if delivery.is_due(case, state, wanted, self._name, now()):
                # It did not even come so far as to write down that it tries.
                state = delivery.attempt(state, wanted, now())
            if state.trying == str(wanted) and not delivery.is_settled(state, wanted):
                self._failed(case, state, why)

    @property
    def _name(self) -> str:
        return self._channel.name

    def _state(self, case: Case) -> delivery.State:
        return delivery_store.load(self._paths, case, self._name)

    def _want(self, case: Case) -> delivery.Want:
        return want(case, self._name, self._channels, self._settings)

    def _tell(self, case: Case) -> None:
        wanted = self._want(case)
        state = delivery.attempt(self._state(case), wanted, now())
        delivery_store.put(self._paths, case, self._name, state)
        try:
            answer = self._channel.tell(case, wanted.repeat)
        except DeliveryError as error:
            self._failed(case, state, str(error))
            return
        state = delivery.succeeded(state, clean(answer))
        delivery_store.put(self._paths, case, self._name, state)
        journal.notice(f"{self._name}: told of {wanted}: {state.answer}", _about(case, state))
        self._report(case, state)

    def _failed(self, case: Case, state: delivery.State, why: str) -> None:
        give_up = self._settings.seconds("QT_ESS_ALERT_GIVE_UP")
        state = delivery.failed(state, clean(why), give_up, now())
        delivery_store.put(self._paths, case, self._name, state)
        said = f"{self._name}: not told of {state.trying}: {state.answer}"
        journal.error(said, _about(case, state))
        self._report(case, state)

    def _report(self, case: Case, state: delivery.State) -> None:
        """Hand over what the audit log has yet to hear of; twice, when we are killed in between."""
        if not state.report:
            return
        fields = {
            "channel": self._name,
            "told": state.trying,
            "attempts": str(state.attempts),
            "answer": state.answer,
            "delivery": f"{delivery_store.name(case, self._name)}.{state.trying}",
        }
        if spool.put(self._paths, state.report, fields, case.id):
            delivery_store.put(self._paths, case, self._name, delivery.reported(state))

    def _keep(self, cases: list[Case]) -> None:
        mirror = self._channels.mirror
        latched = [case for case in cases if case.latched]
        if mirror is None or mirror.name != self._name or not latched:
            return
        try:
            mirror.keep(latched[-1])
        except DeliveryError as error:
            journal.error(f"{self._name}: {error}")


def _about(case: Case, state: delivery.State) -> journal.About:
    return journal.About(state.report, case.id)


def want(case: Case, name: str, channels: Channels, settings: Settings) -> delivery.Want:
    """Return what the channel of that name should have told of the case by now."""
    people = [one.name for one in channels.people]
    repeat = settings.seconds("QT_ESS_ALERT_REPEAT")
    return delivery.want(case, name, people, repeat, now())


def now() -> int:
    """Return the wall clock, us since the epoch."""
    return time.time_ns() // 1000
