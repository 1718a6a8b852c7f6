"""A unit configured by its alias: its control group has another name, so its kill would miss it."""

from tests.lab.lab import Lab

INSTALL = "/usr/local/lib/quantum-ess/ops/install.sh"


def test_install_refuses_an_alias_and_names_the_unit(lab: Lab) -> None:
    lab.put_unit("real.service", "[Service]\nExecStart=/usr/bin/sleep infinity\n")
    lab.sh("ln -s real.service /etc/systemd/system/nick.service && systemctl daemon-reload")
    lab.sh("systemctl start nick.service")
    before = lab.read("/etc/quantum-ess/ess.env")
    lab.write("/etc/quantum-ess/ess.env", "# mine\nQT_ESS_TRADING_UNITS=nick.service\n")
    refused = lab.exec(INSTALL, "--configure", check=False, timeout=30)
    assert refused.returncode == 2
    assert "ess.env:2: nick.service is another name of real.service" in refused.stderr
    assert lab.read("/usr/local/lib/quantum-ess/installed.env") == before
