"""The command lines of an emergency, understood without any library.

Only what is exactly well-formed is recognised. Everything else, a request for help included, is
left to the full parser and trips, releases and tells nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

CATEGORIES = ("0", "1")
_NOT_A_REASON = ("--help", "-h", "--version", "--reason", "--category")
_LOOKS = {"status": ("--json", "--quiet"), "doctor": ("--json",)}


class Request:
    """What an `activate` command line asks for; None where it does not say."""

    def __init__(self, reason: str | None = None, category: str | None = None) -> None:
        self.reason = reason
        self.category = category


class Release:
    """What a `deactivate` command line asks for; `reason` is None where it does not say."""

    def __init__(self) -> None:
        self.reason: str | None = None
        self.confirmed = self.every = self.no_start = False


def is_reason(text: str) -> bool:
    """Tell whether `text`, given as a word of its own after --reason, can be meant as a reason."""
    return text not in _NOT_A_REASON


def trip_request(arguments: Sequence[str]) -> Request | None:
    """Return the request of a well-formed `activate` command line, None for anything else."""
    if not arguments or arguments[0] != "activate":
        return None
    request = Request()
    words = iter(arguments[1:])
    for word in words:
        option, equals, value = word.partition("=")
        if not equals:
            following = next(words, None)
            if following is None or not is_reason(following):
                return None
            value = following
        if option == "--reason":
            request.reason = value
        elif option == "--category" and value in CATEGORIES:
            request.category = value
        else:
            return None
    return request


def release_request(arguments: Sequence[str]) -> Release | None:
    """Return the request of a well-formed `deactivate` command line, None for anything else."""
    if not arguments or arguments[0] != "deactivate":
        return None
    request = Release()
    words = iter(arguments[1:])
    for word in words:
        if word == "--yes":
            request.confirmed = True
        elif word == "--all":
            request.every = True
        elif word == "--no-start":
            request.no_start = True
        elif word == "--reason" and not (reason := next(words, "-")).startswith("-"):
            request.reason = reason
        elif word.startswith("--reason="):
            request.reason = word.partition("=")[2]
        else:
            return None
    return None if request.every and request.no_start else request


def look_request(arguments: Sequence[str]) -> frozenset[str] | None:
    """Return the options of a well-formed `status` or `doctor`, None for anything else."""
    known = _LOOKS.get(arguments[0]) if arguments else None
    flags = frozenset(arguments[1:])
    return flags if known is not None and flags.issubset(known) else None
