"""Expressions of a real Prometheus over TLS, trusted and not trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trustme

from tests.lab.rig import any_flag, ess, wait_contained, wait_latched
from tests.lab.test_watcher import switch_on, watched

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.lab import Lab

__all__ = ["watched"]
AUTHORITY = "/etc/quantum-ess/prometheus-ca.pem"
URL = f"https://127.0.0.1:19092?ssl_ca_certs={AUTHORITY}"
SERVER = "/root/prometheus-server.pem"
UNIT = "tls-prometheus.service"


def trust(lab: Lab, authority: trustme.CA) -> None:
    lab.write(AUTHORITY, authority.cert_pem.bytes().decode())


@pytest.fixture
def secured(watched: Lab) -> Iterator[Lab]:
    """With a Prometheus whose certificate the watcher is to trust."""
    authority = trustme.CA()
    trust(watched, authority)
    issued = authority.issue_cert("127.0.0.1").private_key_and_cert_chain_pem
    watched.write(SERVER, issued.bytes().decode(), mode=0o600)
    files = f"{{cert_file: {SERVER}, key_file: {SERVER}}}"
    watched.write("/root/web.yml", f"tls_server_config: {files}\n")
    watched.write("/root/tls.yml", "scrape_configs: []\n")
    watched.sh(
        f"systemd-run -q --unit={UNIT} prometheus --config.file=/root/tls.yml"
        " --web.config.file=/root/web.yml --storage.tsdb.path=/root/tls-tsdb"
        " --web.listen-address=127.0.0.1:19092"
    )
    yield watched
    watched.systemctl("stop", UNIT)


def check(lab: Lab) -> tuple[int, str, list[str]]:
    done = lab.exec("ess", "watch", "check", check=False, timeout=30)
    return done.returncode, done.stdout, done.stderr.splitlines()


def test_a_prometheus_over_tls_is_asked_by_who_trusts_it_and_nobody_else(secured: Lab) -> None:
    keys = {
        "WATCH_PROMETHEUS_URL": URL,
        "EXPRESSION_ONE": "vector(1) == 0",
        "MAX_DATA_STALENESS": "0.1",
    }
    switch_on(secured, **keys)
    secured.wait_until(lambda: "vector(1) is 1, limit == 0" in check(secured)[1], 30, "a figure")
    assert check(secured)[2] == []
    assert not any_flag(secured)
    trust(secured, trustme.CA())
    secured.wait_until(lambda: check(secured)[2], 10, "a word of it")
    code, _, said = check(secured)
    assert code == 5
    assert len(said) == 1
    assert said[0].startswith("ess: prometheus, one: its certificate is refused: ")
    # What is not heard is no reason to go on: after 6 s.
    wait_latched(secured, 30)
    wait_contained(secured)
    assert "no news of vector(1)" in ess(secured, "status").stdout
