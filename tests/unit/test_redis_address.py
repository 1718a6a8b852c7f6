"""The URL of the mirror: what it may say, and what a wrong one is told without being shown."""

from __future__ import annotations

import subprocess
import sys
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ess.aftermath.settings import DEFAULTS, Settings
from ess.mirror.address import Address, AddressError, Login, Tls, parse, problems

SECRET = "s3cr3t-pass"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://redis.local", Address((("redis.local", 6379),))),
        ("REDIS://10.0.0.1:6380/2", Address((("10.0.0.1", 6380),), db=2)),
        ("redis://h/?db=3", Address((("h", 6379),), db=3)),
        ("redis://[::1]:6380/", Address((("::1", 6380),))),
        ("redis://[fe80::1%25eth0]", Address((("fe80::1%eth0", 6379),))),
        ("redis://:pw@h", Address((("h", 6379),), login=Login("", "pw"))),
        ("redis://me:p%40%2F%3A%23w@h", Address((("h", 6379),), login=Login("me", "p@/:#w"))),
        ("redis://me:a:b@c@h", Address((("h", 6379),), login=Login("me", "a:b@c"))),
        ("redis://h?username=me&password=p%26w", Address((("h", 6379),), login=Login("me", "p&w"))),
        ("rediss://h", Address((("h", 6379),), tls=Tls())),
        ("rediss://h?ssl_cert_reqs=required", Address((("h", 6379),), tls=Tls())),
        (
            "rediss://h?ssl_ca_certs=/a%20b.pem&ssl_certfile=/c&ssl_keyfile=/k",
            Address((("h", 6379),), tls=Tls("/a b.pem", "/c", "/k")),
        ),
        ("unix:///run/redis/redis.sock", Address(socket="/run/redis/redis.sock")),
        (
            "unix://me:pw@/run/a%20b.sock?db=4",
            Address(socket="/run/a b.sock", db=4, login=Login("me", "pw")),
        ),
        (
            "redis+sentinel://a,b:1,[::2],[::3]:4/prime",
            Address((("a", 26379), ("b", 1), ("::2", 26379), ("::3", 4)), service="prime"),
        ),
        (
            "rediss+sentinel://:pw@a/my%2Fprime/5?sentinel_username=s&sentinel_password=t",
            Address(
                (("a", 26379),),
                service="my/prime",
                db=5,
                login=Login("", "pw"),
                sentinel_login=Login("s", "t"),
                tls=Tls(),
            ),
        ),
    ],
)
def test_a_url(url: str, expected: Address) -> None:
    assert parse(url) == expected


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("s3cr3t-pass", "must begin with one of redis://"),
        ("http://:s3cr3t-pass@h", "must begin with one of redis://"),
        ("redis://", "has no host"),
        ("redis://:s3cr3t-pass@", "has no host"),
        ("redis://:s3cr3t-pass@h:port", "has a port that is no number from 1 to 65535"),
        ("redis://:s3cr3t-pass@h:0", "has a port"),
        ("redis://:s3cr3t-pass@h:65536", "has a port"),
        ("redis://:s3cr3t-pass@h:", "has a port"),
        ("redis://:s3cr3t-pass@::1", r"IPv6 address stands in \[ \]"),
        ("redis://:s3cr3t-pass@[::1]x", r"IPv6 address stands in \[ \]"),
        ("redis://:s3cr3t-pass@a b", "neither a name nor an address"),
        ("redis://:s3cr3t-pass@a%00b", "neither a name nor an address"),
        ("redis://:s3cr3t-pass@h/x", "has a database that is no number"),
        ("redis://:s3cr3t-pass@h/-1", "has a database that is no number"),
        ("redis://:s3cr3t-pass@h/٣", "has a database that is no number"),
        ("redis://:s3cr3t-pass@a,b", "several hosts"),
        ("redis://:s3cr3t-pass/x@h", "in a password write %2F"),
        ("redis://:s3cr3t-pass?x@h", "in a password write %3F"),
        ("redis://h:1?s3cr3t-pass@h", "unknown option"),
        ("redis://:s3cr3t-pass#@h", "in a password write %23"),
        ("redis://:s3cr3t-pass%ff@h", "no UTF-8"),
        ("redis://s3cr3t-pass@h", "a password alone is written :PASSWORD@"),
        ("redis://me:@h", "has a user and no password"),
        ("redis://h?username=s3cr3t-pass", "has username and no password"),
        ("redis://:s3cr3t-pass@h?ssl_ca_certs=/x", "TLS is rediss://"),
        ("rediss://:s3cr3t-pass@h?ssl_cert_reqs=none", "always verified"),
        ("rediss://:s3cr3t-pass@h?ssl_check_hostname=no", "unknown option"),
        ("unix://", "absolute path"),
        ("unix://run/s3cr3t-pass", "absolute path"),
        ("unix:///run/", "absolute path"),
        ("unix:///a%00s3cr3t-pass", "absolute path"),
        ("unix:///a?ssl_ca_certs=/x", "TLS is rediss://"),
        ("redis+sentinel://:s3cr3t-pass@a,b", "does not name the service"),
        ("redis+sentinel://:s3cr3t-pass@a,b//0", "does not name the service"),
        ("redis+sentinel://:s3cr3t-pass@a,,b/x", "has no host"),
        ("redis+sentinel://a/x?sentinel_username=s3cr3t-pass", "has sentinel_username and no"),
    ],
)
def test_a_wrong_url(url: str, said: str) -> None:
    with pytest.raises(AddressError, match=f"^QT_ESS_REDIS_URL: .*{said}") as caught:
        parse(url)
    assert SECRET not in str(caught.value)


@given(st.text())
def test_any_text_is_an_address_or_an_error_that_shows_nothing_of_it(text: str) -> None:
    for url in (text, f"redis://{text}", f"unix://{text}", f"redis+sentinel://{text}"):
        try:
            said = str(parse(url))
        except AddressError as error:
            said = str(error)
        assert said.isprintable()


@given(st.text(min_size=1), st.text())
def test_every_password_can_be_written(password: str, user: str) -> None:
    try:
        quoted = f"{quote(user, safe='')}:{quote(password, safe='')}"
    except UnicodeEncodeError:  # a lone surrogate is no text
        return
    address = parse(f"redis://{quoted}@h:1/2")
    assert address.login == Login(user, password)
    assert repr(address) == repr(parse(f"redis://{quote(user, safe='')}:other@h:1/2"))


def settings(**values: str) -> Settings:
    given_keys = {f"QT_ESS_REDIS_{key}": value for key, value in values.items()}
    return Settings({**DEFAULTS, **given_keys})


def test_nothing_is_wrong_where_no_redis_is_used() -> None:
    assert problems(settings(STREAM="quantum:ess:active")) == []


def test_nothing_is_wrong_with_the_defaults() -> None:
    assert problems(settings(URL="redis://h")) == []
    assert problems(settings(URL="redis://h", STREAM="", POLICY_KEY="")) == []


def test_problems_name_their_keys() -> None:
    found = problems(settings(URL="x", STREAM="quantum:ess:a", POLICY_KEY="quantum:ess:a"))
    assert [line.split(":")[0] for line in found] == [
        "QT_ESS_REDIS_URL",
        "QT_ESS_REDIS_POLICY_KEY",
        "QT_ESS_REDIS_STREAM",
        "QT_ESS_REDIS_STREAM",
    ]


def test_the_doctor_needs_no_redis_client() -> None:
    code = "import sys, ess.mirror.address, ess.mirror.mirror; sys.exit('redis' in sys.modules)"
    assert subprocess.run((sys.executable, "-c", code), timeout=20, check=False).returncode == 0
