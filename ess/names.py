"""What may be called a unit, and what a name or pattern stands for. Pure."""

from __future__ import annotations

import fnmatch
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

SERVICE = ".service"
OWN_PREFIX = "quantum-ess"
_LONGEST = 255
_NAME = re.compile(r"[A-Za-z0-9:_.@-]+", re.ASCII)
_PATTERN = re.compile(r"(?:[A-Za-z0-9:_.@*?-]|\[!?[A-Za-z0-9:_.-]+\])+", re.ASCII)
_OTHER_SUFFIX = re.compile(
    r"\.(?:socket|device|mount|automount|swap|target|path|timer|slice|scope)$", re.ASCII
)
# A pattern that matches one of these would stop the emergency stop itself.
_OWN_UNITS = tuple(
    f"{OWN_PREFIX}{rest}{SERVICE}"
    for rest in (
        "",
        "-trigger",
        "-sentry",
        "-drill",
        "-request",
        "-canary",
        "-canary-trigger",
        "-x",
    )
)


def with_suffix(name: str) -> str:
    """Return `name` with .service put on when it has no unit suffix."""
    return name if name.endswith(SERVICE) or _OTHER_SUFFIX.search(name) else name + SERVICE


def is_pattern(name: str) -> bool:
    """Tell whether `name` stands for any number of units."""
    return any(char in name for char in "*?[")


def template_of(name: str) -> str | None:
    """Return the template (`name@.service`) of an instance or pattern of instances, or None."""
    prefix, at, rest = name.partition("@")
    if not at or not prefix or is_pattern(prefix) or rest == SERVICE:
        return None
    return f"{prefix}@{SERVICE}"


def is_bare_template(name: str) -> bool:
    """Tell whether `name` is a template itself, which cannot run."""
    return name.endswith(f"@{SERVICE}")


def problem(name: str) -> str | None:
    """Return what is wrong with a configured service name or pattern (suffix included), or None."""
    if _OTHER_SUFFIX.search(name):
        return "is not a service"
    if not _is_well_formed(name):
        return "is not a unit name"
    if is_bare_template(name):
        return f"is a template; name its instances, such as {name[: -len(SERVICE)]}*{SERVICE}"
    if name.startswith(OWN_PREFIX) or any(matches(name, own) for own in _OWN_UNITS):
        return "names a unit of quantum-ess itself"
    return None


def _is_well_formed(name: str) -> bool:
    grammar = _PATTERN if is_pattern(name) else _NAME
    whole = grammar.fullmatch(name) is not None and len(name) <= _LONGEST
    return whole and not name.startswith((SERVICE, "@"))


def matches(pattern: str, unit: str) -> bool:
    """Tell whether the configured name or pattern stands for `unit`."""
    return pattern == unit or fnmatch.fnmatchcase(unit, pattern)


def matches_any(patterns: Iterable[str], unit: str) -> bool:
    """Tell whether one of the configured names or patterns stands for `unit`."""
    return any(matches(pattern, unit) for pattern in patterns)


def overlap(one: str, other: str) -> bool:
    """Tell whether two configured entries can stand for the same unit, one being concrete."""
    return one == other or matches(one, other) or matches(other, one)


def unit_of_cgroup(directory: str) -> str:
    """Return the unit whose cgroup directory has this name.

    systemd puts one `_` before a name that the kernel could take for a file of its own.
    """
    return directory.removeprefix("_")
