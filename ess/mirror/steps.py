"""The three steps that make Redis say what a case says: marker, state document, events."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ess.aftermath.channel import DeliveryError
from ess.latch import State
from ess.mirror import content, document
from ess.mirror.address import MARKER, OURS
from ess.mirror.server import RefusedError, is_of_another_type

if TYPE_CHECKING:
    from collections.abc import Callable

    from ess.aftermath.channel import Case
    from ess.aftermath.settings import Settings
    from ess.mirror.server import Server

# How long others may be faster than us at writing the document (s).
CONTENTION = 3.0
# How long it is remembered that the events of a released activation were published (s): longer than
# anybody goes on trying to tell one.
MEMORY = 180 * 86400


class UnknownError(DeliveryError):
    """It is not known whether the latch is on."""

    def __init__(self) -> None:
        super().__init__("it cannot be told whether the latch is on; nothing is taken back")


@dataclass(frozen=True, slots=True)
class Places:
    """Where in Redis: the PolicyStore's key, the stream, the channel; what is empty is left out."""

    policy: str
    stream: str
    channel: str

    @classmethod
    def of(cls, settings: Settings) -> Places:
        """Return the configured ones."""
        keys = ("POLICY_KEY", "STREAM", "CHANNEL")
        return cls(*(settings.text(f"QT_ESS_REDIS_{key}") for key in keys))


class Steps:
    """What is to be done for one case. `state` tells how the latch is at this moment.

    Before anything is taken back, it is looked at in Redis first, then at the latch, and then taken
    back only if it is what was looked at: a latch that falls in between has its own marker there,
    or will have.
    """

    def __init__(
        self, server: Server, places: Places, case: Case, state: Callable[[], State]
    ) -> None:
        self._server = server
        self._places = places
        self._case = case
        self._state = state
        self._deadline = time.monotonic() + CONTENTION

    def take(self) -> list[str]:
        """Return what was done. Raises DeliveryError after everything that could be done is."""
        if not self._case.latched and self._state() is State.UNKNOWN:
            raise UnknownError
        done, refused = [], []
        for what, step in (
            (MARKER, self._marker),
            (self._places.policy, self._document),
            ("events", self._events),
        ):
            try:
                done.append(step())
            except RefusedError as error:
                refused.append(f"{what}: {error}")
            except DeliveryError as error:
                refused.append(f"{what}: {error}")
        if refused:
            raise DeliveryError("; ".join(refused))
        return [one for one in done if one]

    def _marker(self) -> str:
        return self._set_marker() if self._case.latched else self._remove_marker()

    def _set_marker(self) -> str:
        wanted = content.marker(self._case)
        try:
            there = self._server.get(MARKER)
        except RefusedError as error:
            if not is_of_another_type(error):
                raise
            there = None  # the key is ours, whatever somebody put there
        if there == wanted.encode() or content.marks_another(there, self._case):
            return ""
        if not self._is_latched():
            return ""
        self._server.put(MARKER, wanted)
        return "marker set"

    def _remove_marker(self) -> str:
        while (there := self._server.get(MARKER)) is not None:
            if content.marks_another(there, self._case) or not self._is_clear():
                return ""
            if self._server.remove(MARKER, there):
                return "marker removed"
            if time.monotonic() > self._deadline:
                raise DeliveryError(f"others kept writing it for {CONTENTION:.0f} s")
        return ""

    def _document(self) -> str:
        key = self._places.policy
        checked: object = self  # nothing that could be there
        while key:
            kind, seen = self._look(key)
            there, new = self._changed(kind, seen)
            if new is None:
                return ""
            if there != checked:
                # The latch takes longer to ask than others take to write. So all is looked at once
                # more: what counts is that our part of it is the one from before.
                if not self._is_current():
                    return ""
                checked = there
            elif self._server.exchange(key, kind, content.MEMBER, seen, new):
                return f"{key} says {content.state(self._case)['status']}"
            if time.monotonic() > self._deadline:
                raise DeliveryError(f"others kept writing it for {CONTENTION:.0f} s")
        return ""

    def _look(self, key: str) -> tuple[str, bytes]:
        """Return the type of the PolicyStore document, and its text or that of our field."""
        kind = self._server.kind(key)
        if kind == "hash":
            return kind, self._server.field(key, content.MEMBER) or b""
        if kind == "string":
            return kind, self._server.get(key) or b""
        if kind != "none":
            raise DeliveryError(f"is a {kind}, neither a string nor a hash; left alone")
        return kind, b""

    def _changed(self, kind: str, seen: bytes) -> tuple[object, str | None]:
        """Return our part of what was seen, and all that is to be there; None when it may stay."""
        if kind == "hash":
            there = document.parsed(seen.decode("utf-8", "replace"))
            stated = content.stated(there, self._case)
            return there, json.dumps(stated) if stated else None
        try:
            text = seen.decode() if kind == "string" else "{}"
            there = document.member(text, content.MEMBER)
            stated = content.stated(there, self._case)
            value = json.dumps(stated)
            return there, document.with_member(text, content.MEMBER, value) if stated else None
        except ValueError:
            raise DeliveryError("holds no JSON object; left alone") from None

    def _is_current(self) -> bool:
        """Tell whether the latch still is what the case says; unknown is latched."""
        return self._is_latched() if self._case.latched else self._is_clear()

    def _is_latched(self) -> bool:
        """When not, it was released meanwhile, and that will be told for itself."""
        return self._state() is not State.CLEAR

    def _events(self) -> str:
        places = self._places
        events = content.events(self._case)
        record = f"{OURS}published:{self._case.id}"
        known = self._server.members(record)
        names = [place for place in ("stream", "channel") if getattr(places, place)]
        missing = [one for one in events if not {f"{n}:{one.name}" for n in names} <= known]
        if not missing:
            return ""
        words: list[str | int] = [places.channel, MEMORY]
        for event in events:
            fields = [str(word) for pair in event.fields.items() for word in pair]
            words += [event.name, content.message(event), len(fields), *fields]
        refused = self._server.publish((record, places.stream), words)
        if any(refused):
            where = (f"stream {places.stream}", f"channel {places.channel}")
            both = zip(where, refused, strict=True)
            raise DeliveryError("; ".join(f"{place}: {what}" for place, what in both if what))
        return " and ".join(f"emergency.{event.name} published" for event in missing)

    def _is_clear(self) -> bool:
        state = self._state()
        if state is State.UNKNOWN:
            raise UnknownError
        return state is State.CLEAR
