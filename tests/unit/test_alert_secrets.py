"""No secret survives in what is shown, in any form in which it travels."""

from __future__ import annotations

import base64
import html
from urllib.parse import quote, quote_plus

from hypothesis import given
from hypothesis import strategies as st

from ess.alerts.secrets import of_url, scrub

SECRETS = st.text(st.characters(codec="utf-8", min_codepoint=32), min_size=8, max_size=40)


@given(SECRETS, st.text(max_size=20), st.text(max_size=20))
def test_plain_and_encoded_forms_go(secret: str, before: str, after: str) -> None:
    forms = {secret, quote(secret), quote(secret, safe=""), quote_plus(secret)}
    forms |= {html.escape(secret), repr(secret)[1:-1], repr(secret.encode())[2:-1]}
    forms |= {repr(f"{secret}\"'")[1:-4], repr(f"{secret}\"'".encode())[2:-4]}
    for form in forms:
        assert form not in scrub(f"{before}{form}{after}", [secret]) or form in "***"


@given(SECRETS, st.binary(max_size=9), st.binary(max_size=9))
def test_base64_goes_wherever_in_it_the_secret_stands(
    secret: str, before: bytes, after: bytes
) -> None:
    encoded = base64.b64encode(before + secret.encode() + after).decode()
    left = scrub(f"AUTH PLAIN {encoded}", [secret])
    assert "***" in left
    kept = left.removeprefix("AUTH PLAIN ").split("***")
    # What is left decodes to what stood around it, and at most a piece of a character of it.
    assert sum(map(len, kept)) <= 4 * (len(before) + len(after)) / 3 + 6


def test_other_words_stay() -> None:
    assert scrub("Unauthorized, error=401", ["hunter22"]) == "Unauthorized, error=401"
    assert scrub("password hunter22 is wrong", ["hunter22"]) == "password *** is wrong"
    assert scrub("anything", []) == "anything"


def test_parts_of_a_url() -> None:
    url = "tgram://user:p%40ss@123456789:AAbbCC/chat?to=me&token=abcdef"
    assert {"123456789", "AAbbCC", "abcdef", "p%40ss", "p@ss"} <= set(of_url(url))
    assert not {"to", "me"} & set(of_url(url))
    assert "xy" in of_url("jsons://u:xy@host/path"), "a short password is one, too"
