"""Whether the watcher is switched on, without all that its other settings need. Pure."""

from __future__ import annotations

from ess import keyfile

KEY = "QT_ESS_ENABLED"
YES = frozenset({"true", "yes", "on", "1"})
NO = frozenset({"false", "no", "off", "0"})


def is_on(data: bytes) -> bool:
    """Tell whether watch.env, which holds `data`, switches the watcher on.

    Not set is off; a word that is neither yes nor no counts as yes.
    """
    found = keyfile.parse(data, "", [], lambda _key, _value: "")
    return found.get(KEY, "false").lower() not in NO
