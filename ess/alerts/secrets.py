"""Taking secrets out of what a service or a library says. Pure."""

from __future__ import annotations

import base64
import re
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus, unquote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

HIDDEN = "***"
_DELIMITERS = re.compile(r"[/?&=#@:,;]+")
# A shorter part of a URL is no secret, and without it no sentence would be left: "to", "443", "me".
_SHORTEST_PART = 4
# A shorter piece of base64 would be found in any text.
_SHORTEST_ENCODED = 6


def of_url(url: str) -> tuple[str, ...]:
    """Return what may be secret in a service's URL: every part of it, and itself."""
    rest = url.partition("://")[2]
    parts = [part for part in _DELIMITERS.split(rest) if len(part) >= _SHORTEST_PART]
    authority = rest.partition("/")[0].rpartition("@")[0]
    password = authority.partition(":")[2]
    plain = [url, rest, *parts, authority, password]
    return tuple(dict.fromkeys(form for form in (*plain, *map(unquote, plain)) if form))


def scrub(text: str, secrets: Iterable[str]) -> str:
    """Return `text` without the secrets, as they are and as they are encoded on the way."""
    forms = {form for secret in secrets for form in _forms(secret)}
    if not forms:
        return text
    longest_first = sorted(forms, key=len, reverse=True)
    return re.sub("|".join(map(re.escape, longest_first)), HIDDEN, text, flags=re.IGNORECASE)


def _forms(secret: str) -> set[str]:
    quoted = {quote(secret), quote(secret, safe=""), quote_plus(secret)}
    forms = {secret, *quoted, *(quote(one, safe="") for one in quoted)}
    forms |= {escape(secret), repr(secret)[1:-1], secret.encode("unicode_escape").decode()}
    forms |= {repr(secret.encode())[2:-1]}
    # Beside a double quote elsewhere in the text, Python escapes the single ones.
    forms |= {form.replace("'", "\\'") for form in forms if "\\'" not in form}
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        whole = encode(secret.encode()).decode()
        forms |= {whole, whole.rstrip("="), *_inside(secret, encode)}
    return forms - {""}


def _inside(secret: str, encode: Callable[[bytes], bytes]) -> set[str]:
    """Return what of a secret's base64 stays the same, whatever stands before and after it."""
    found = set()
    for before in range(3):
        data = b"\0" * before + secret.encode()
        text = encode(data).decode().rstrip("=")
        first = -(-before * 8 // 6)
        last = len(data) * 8 // 6
        found.add(text[first:last])
    return {piece for piece in found if len(piece) >= _SHORTEST_ENCODED}
