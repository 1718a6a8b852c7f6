"""Which proxy a configuration makes, and what it does to this process."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ess.aftermath.settings import DEFAULTS, Settings
from ess.alerts.proxy import Proxy, ProxyError, configured, through


def proxy(url: str, others: str = "") -> Proxy:
    return configured(Settings({**DEFAULTS, "QT_ESS_HTTPS_PROXY": url, "QT_ESS_NO_PROXY": others}))


@pytest.mark.parametrize(
    ("url", "hidden"),
    [
        ("", ()),
        ("http://proxy.example:3128", ()),
        ("https://proxy.example:3128/", ()),
        ("http://[2001:db8::1]:3128", ()),
        ("http://t0ken@proxy:8080", ("t0ken",)),
        ("http://desk:a%40b@10.0.0.1:8080", ("desk:a%40b", "desk:a@b", "a%40b", "a@b")),
    ],
)
def test_a_proxy_and_what_of_it_is_secret(url: str, hidden: tuple[str, ...]) -> None:
    found = proxy(url, "localhost, 10.0.0.0/8 desk.example")
    assert (found.url, found.others) == (url, "localhost,10.0.0.0/8,desk.example")
    assert found.hidden == hidden
    assert not hidden or hidden[0] not in repr(found)


@pytest.mark.parametrize(
    "url",
    [
        "proxy.example:3128",
        "http://proxy.example",
        "http://proxy.example:0",
        "http://proxy.example:65536",
        "http://proxy.example:3128/path",
        "http://S3cret:x:y@proxy.example:3128",
        "http://S3cret@x@proxy.example:3128",
        "socks5://proxy.example:1080",
        "http://:3128",
    ],
)
def test_what_is_none_is_named_by_its_key(url: str) -> None:
    with pytest.raises(ProxyError, match=r"^QT_ESS_HTTPS_PROXY is not like") as caught:
        proxy(url)
    assert "S3cret" not in str(caught.value)


@given(st.text(max_size=60))
def test_any_value_is_a_proxy_or_is_refused(url: str) -> None:
    try:
        assert proxy(url).url == url
    except ProxyError:
        assert url


def test_the_environment_is_the_proxys_and_then_what_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HTTPS_PROXY", "http://stray:1")
    monkeypatch.setenv("all_proxy", "http://stray:1")
    before = dict(os.environ)
    for one, wanted in (
        (Proxy("http://p:1", "a,b"), {"https_proxy": "http://p:1", "no_proxy": "a,b"}),
        (Proxy(), {}),
    ):
        with through(one):
            set_now = {name: os.environ[name] for name in os.environ if "proxy" in name.lower()}
        assert set_now == wanted
        assert dict(os.environ) == before
