"""The proxy alerts go through on a host that reaches the internet by no other way.

It is configured in aftermath.env and not in the environment of a unit, which anybody may read. A
child that sends sets it for itself alone: requests, which apprise sends with, asks the environment.
A mail server is never asked by a proxy.
"""

from __future__ import annotations

import contextlib
import os
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import unquote

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ess.aftermath.settings import Settings

_KEY, _EXCEPT = "QT_ESS_HTTPS_PROXY", "QT_ESS_NO_PROXY"
_LOGIN = r"(?:(?P<login>[^\s:/?#@]+(?::[^\s:/?#@]*)?)@)?"
_HOST = r"(?:[A-Za-z0-9_][A-Za-z0-9_.-]*|\[[0-9A-Fa-f:.]+\])"
_URL = re.compile(rf"https?://{_LOGIN}{_HOST}:(?P<port>[1-9]\d{{0,4}})/?", re.ASCII)
_HIGHEST_PORT = 65535


class ProxyError(ValueError):
    """What is configured is no proxy; the text names the key and not its value."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """`url`: "" for none; `others`: hosts that are reached without it, separated by commas."""

    url: str = field(default="", repr=False)
    others: str = ""

    @property
    def hidden(self) -> tuple[str, ...]:
        """What of it is secret: the login and its password."""
        match = _URL.fullmatch(self.url)
        login = (match and match["login"]) or ""
        password = login.partition(":")[2]
        # A name alone may be a token.
        forms = (login, unquote(login), password, unquote(password))
        return tuple(dict.fromkeys(form for form in forms if form))


def configured(settings: Settings) -> Proxy:
    """Return the proxy of the settings. Raises ProxyError."""
    url = settings.text(_KEY)
    match = _URL.fullmatch(url)
    if url and (not match or int(match["port"]) > _HIGHEST_PORT):
        raise ProxyError(
            f"{_KEY} is not like http://[user:password@]proxy.example:3128; alerts go without it"
        )
    return Proxy(url, ",".join(settings.words(_EXCEPT)))


@contextlib.contextmanager
def through(proxy: Proxy) -> Iterator[None]:
    """Have this process send through the proxy, or through none, whatever its environment says."""
    before = {name: value for name, value in os.environ.items() if name.lower().endswith("_proxy")}
    for name in before:
        del os.environ[name]
    if proxy.url:
        os.environ.update(https_proxy=proxy.url, no_proxy=proxy.others)
    try:
        yield
    finally:
        for name in ("https_proxy", "no_proxy"):
            os.environ.pop(name, None)
        os.environ.update(before)
