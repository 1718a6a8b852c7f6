"""Loading what one command needs, when it runs and not before."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from ess.errors import BrokenError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def loading() -> Iterator[None]:
    """Tell a program that is not whole from a failure in the middle of its work."""
    try:
        yield
    except ImportError as error:
        raise BrokenError(str(error)) from error
