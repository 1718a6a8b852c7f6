"""The command line of a trip, understood without any library.

Only an exactly well-formed `activate` is recognised. Everything else, a request for help included,
is left to the full parser and trips nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

CATEGORIES = ("0", "1")
_NOT_A_REASON = ("--help", "-h", "--version", "--reason", "--category")


class Request:
    """What an `activate` command line asks for; None where it does not say."""

    def __init__(self, reason: str | None = None, category: str | None = None) -> None:
        self.reason = reason
        self.category = category


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
