"""install.sh writes what it should, twice the same, and nothing when the configuration is wrong."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

import pytest

from tests.checks.installed import Root
from tests.checks.tracked import CHECKOUT, below, relative

if TYPE_CHECKING:
    from pathlib import Path

LIB = "/usr/local/lib/quantum-ess"
AFTERMATH = "/etc/quantum-ess/aftermath.env"
WATCH = "/etc/quantum-ess/watch.env"
UNITS = "/etc/systemd/system"
TRADING = {
    "quantum-ai-engine.service",
    "quantum-execution.service",
    "quantum-apply-layer.service",
    "quantum-governor.service",
}
CANARY = "quantum-ess-canary.service"
OWN_UNITS = {
    "quantum-ess.path",
    "quantum-ess.service",
    "quantum-ess-trigger.service",
    "quantum-ess-halt.path",
    "quantum-ess-quick.path",
    "quantum-ess-quick.target",
    "quantum-ess-disk.path",
    "quantum-ess-request.path",
    "quantum-ess-request-names.path",
    "quantum-ess-request.service",
    "quantum-ess-halt.target",
    "quantum-ess-sentry.timer",
    "quantum-ess-sentry.service",
    "quantum-ess-drill.timer",
    "quantum-ess-drill.service",
    "quantum-ess-canary.path",
    "quantum-ess-canary.service",
    "quantum-ess-canary-trigger.service",
    "quantum-ess-canary-halt.path",
    "quantum-ess-canary-disk.path",
    "quantum-ess-canary-request.path",
    "quantum-ess-canary-request.service",
    "quantum-ess-canary-halt.target",
    "quantum-ess-watch.service",
    "quantum-ess-watch-deadman.service",
    "quantum-ess-canary-watch.service",
    "quantum-ess-canary-watch-deadman.service",
}


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return Root(tmp_path / "root")


def test_every_file_has_its_place(installed: Root) -> None:
    files = set(installed.files())
    program = {f"{LIB}/{relative(path)}" for path in below("ops", "deploy", "scripts/proof")}
    gates = {f"{UNITS}/{unit}.d/zz-quantum-ess.conf" for unit in {*TRADING, CANARY}}
    lists = {f"{UNITS}/quantum-ess{name}-halt.target.d/units.conf" for name in ("", "-canary")}
    assert files >= program | gates | lists | {f"{UNITS}/{unit}" for unit in OWN_UNITS}
    assert files >= {"/usr/local/bin/ess", "/etc/quantum-ess/ess.env", f"{LIB}/installed.env"}
    assert AFTERMATH in files
    for name in ("README.md", "RUNBOOK.md"):
        if (CHECKOUT / name).exists():
            assert f"/usr/local/share/doc/quantum-ess/{name}" in files


def test_nothing_is_left_lying_about(installed: Root) -> None:
    allowed = re.compile(
        rf"{LIB}/|{UNITS}/quantum-|/etc/(tmpfiles|sysusers|logrotate)\.d/quantum-ess|/etc/quantum-ess/(ess|aftermath|watch)\.env$"
        r"|/usr/local/bin/ess$|/usr/local/share/doc/quantum-ess/"
    )
    strange = [file for file in installed.files() if not allowed.match(file) or ".new" in file]
    assert not strange


def test_anyone_may_read_and_only_root_may_write(installed: Root) -> None:
    modes = {file: mode for file, (mode, _) in installed.files().items()}
    assert modes["/usr/local/bin/ess"] == 0o755
    assert modes.pop(AFTERMATH) == 0o600
    assert modes.pop(WATCH) == 0o640
    assert set(modes.values()) <= {0o644, 0o755}
    assert all(path.stat().st_mode & 0o7777 == 0o755 for path in installed.path.rglob("*/"))


def test_installing_twice_changes_nothing(installed: Root) -> None:
    before = installed.files()
    assert installed.install().returncode == 0
    assert installed.files() == before


def test_manifest_names_every_file_with_its_sum(installed: Root) -> None:
    lines = installed.read(f"{LIB}/manifest.sha256").splitlines()
    sums = {file: sum_ for sum_, file in (line.split("  ", 1) for line in lines)}
    files = installed.files()
    unlisted = {f"{LIB}/manifest.sha256", "/etc/quantum-ess/ess.env", AFTERMATH, WATCH}
    assert set(sums) == set(files) - unlisted
    assert all(hashlib.sha256(files[file][1]).hexdigest() == sum_ for file, sum_ in sums.items())


def test_no_placeholder_is_left(installed: Root) -> None:
    units = {
        file: text for file, (_, text) in installed.files().items() if file.startswith("/etc/")
    }
    assert not [file for file, text in units.items() if re.search(rb"@[A-Z_]+@", text)]


def test_gate_names_both_flags(installed: Root) -> None:
    gate = installed.read(f"{UNITS}/quantum-execution.service.d/zz-quantum-ess.conf")
    for flag in ("/run/quantum/ESS_ON", "/var/lib/quantum-ess/ESS_ON"):
        assert f"\nAssertPathExists=!{flag}\n" in gate
        assert f"\nAssertPathIsSymbolicLink=!{flag}\n" in gate
    assert "\nRequiresMountsFor=/var/lib/quantum-ess\n" in gate


def test_canary_shares_no_flag_with_trading(installed: Root) -> None:
    for file, (_, text) in installed.files().items():
        if file.startswith(f"{UNITS}/quantum-ess-canary"):
            assert b"/run/quantum/" not in text, file
            assert b"/var/lib/quantum-ess/ESS" not in text, file
            assert b"/run/quantum-ess/requests" not in text, file
            assert b"=quantum-ess/watch" not in text, file


def test_what_the_canary_runs_is_told_that_it_is_the_canarys(installed: Root) -> None:
    run = [
        (file, line)
        for file, (_, text) in installed.files().items()
        if re.fullmatch(rf"{UNITS}/{CANARY.removesuffix('.service')}-[a-z-]+\.service", file)
        for line in text.decode().splitlines()
        if line.startswith("Exec")
    ]
    assert len(run) == 5
    assert [(file, line) for file, line in run if not line.endswith(" --scope canary")] == []
    watcher = installed.read(f"{UNITS}/quantum-ess-canary-watch.service")
    assert "\nOnFailure=quantum-ess-canary-watch-deadman.service\n" in watcher
    assert "WantedBy" not in watcher


def test_stale_gate_goes_and_foreign_drop_in_stays(installed: Root) -> None:
    foreign = installed.path / f"{UNITS[1:]}/quantum-governor.service.d/limits.conf"
    foreign.write_text("[Service]\nLimitNOFILE=4096\n")
    done = installed.configure("QT_ESS_TRADING_UNITS=quantum-execution other@*.service\n")
    assert done.returncode == 0, done.stderr
    assert installed.gates() == {"quantum-execution.service", "other@.service", CANARY}
    assert foreign.exists()
    assert not (installed.path / f"{UNITS[1:]}/quantum-ai-engine.service.d").exists()
    conflicts = installed.read(f"{UNITS}/quantum-ess-halt.target.d/units.conf")
    assert re.findall(r"^Conflicts=(.*)", conflicts, re.MULTILINE) == ["quantum-execution.service"]
    listed = installed.read(f"{LIB}/manifest.sha256")
    assert "quantum-governor" not in listed
    assert f"{LIB}/ops/ess_controller.sh" in listed


@pytest.mark.parametrize(("setting", "removed"), [("hold", False), ("clear", True)])
def test_reboot_setting_reaches_tmpfiles(installed: Root, setting: str, *, removed: bool) -> None:
    assert installed.configure(f"QT_ESS_AFTER_REBOOT={setting}\n").returncode == 0
    lines = installed.read("/etc/tmpfiles.d/quantum-ess-reboot.conf").splitlines()
    assert ("R! /var/lib/quantum-ess/ESS_ON" in lines) is removed


METRICS = f"{UNITS}/quantum-ess-aftermath.service.d/metrics.conf"


@pytest.mark.parametrize("directory", ["/var/lib/prometheus/node-exporter", "/srv/textfile", ""])
def test_the_aftermath_may_write_metrics_where_they_belong(root: Root, directory: str) -> None:
    assert root.install().returncode == 0
    assert root.configure(f"QT_ESS_METRICS_DIR={directory}\n").returncode == 0
    lines = [line for line in root.read(METRICS).splitlines() if line.startswith("ReadWrite")]
    assert lines == ([f"ReadWritePaths=-{directory}"] if directory else [])
    assert METRICS in root.read(f"{LIB}/manifest.sha256")


@pytest.mark.parametrize("step", ["configure", "uninstall"])
def test_metrics_that_nobody_writes_anew_are_taken_away(installed: Root, step: str) -> None:
    old = installed.path / "var/lib/prometheus/node-exporter"
    old.mkdir(parents=True)
    for name in ("quantum_ess.prom", "quantum_ess_events.prom", "other.prom"):
        (old / name).touch()
    assert installed.configure("").returncode == 0
    assert len(list(old.iterdir())) == 3
    if step == "configure":
        assert installed.configure("QT_ESS_METRICS_DIR=/srv/x\n").returncode == 0
    else:
        assert installed.install("--uninstall").returncode == 0
    assert [path.name for path in old.iterdir()] == ["other.prom"]


OLD = (
    f"{UNITS}/quantum-ess-watcher.service",
    f"{UNITS}/quantum-ess-watcher.service.d/restart.conf",
    f"{LIB}/ops/lib/gone/gone.sh",
    f"{LIB}/deploy/systemd/quantum-ess-watcher.service",
    "/usr/local/share/doc/quantum-ess/OLD.md",
    "/etc/tmpfiles.d/quantum-ess-old.conf",
)
# A manifest never names these; one that was damaged, or was edited, may.
NOT_OURS = (
    "/etc/passwd",
    f"{UNITS}/quantum-execution.service",
    f"{UNITS}/quantum-essential.service",
    f"{LIB}/../../bin/tool",
    "/etc/quantum-ess/ess.env",
    WATCH,
)


def put_old(root: Root, *files: str) -> None:
    """Put files there that an older version installed."""
    lines = []
    for name in files:
        file = root.path / name[1:]
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            file.write_text("old\n")
        lines.append(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {name}\n")
    manifest = root.path / f"{LIB[1:]}/manifest.sha256"
    manifest.write_text(manifest.read_text() + "".join(lines))


def test_an_upgrade_takes_away_what_this_version_does_not_have(installed: Root) -> None:
    before = installed.files()
    put_old(installed, *OLD)
    done = installed.install()
    assert (done.returncode, done.stderr) == (0, "")
    assert installed.files() == before
    for name in ("quantum-ess-watcher.service.d", "gone"):
        assert not list(installed.path.rglob(name)), "an empty directory is left"


def test_an_upgrade_takes_away_nothing_else(installed: Root) -> None:
    put_old(installed, *NOT_OURS)
    mine = (f"{UNITS}/quantum-ess-watcher.service.d/mine.conf", f"{LIB}/ops/mine.sh")
    put_old(installed, *OLD)
    for name in mine:
        (installed.path / name[1:]).write_text("mine\n")
    assert installed.install().returncode == 0
    assert all((installed.path / name[1:]).exists() for name in (*NOT_OURS, *mine))
    listed = installed.read(f"{LIB}/manifest.sha256")
    assert not [name for name in (*NOT_OURS, *OLD) if f"  {name}\n" in listed]


def test_a_changed_configuration_takes_nothing_away(installed: Root) -> None:
    put_old(installed, *OLD)
    assert installed.configure("").returncode == 0
    assert set(OLD) <= set(installed.files())
    listed = installed.read(f"{LIB}/manifest.sha256")
    assert all(f"  {name}\n" in listed for name in OLD), "the next upgrade would not know of it"


def test_what_cannot_be_taken_away_is_tried_again_by_the_next_upgrade(installed: Root) -> None:
    stuck = installed.path / OLD[2][1:]
    put_old(installed, *OLD)
    stuck.unlink()
    stuck.mkdir()
    assert installed.install().returncode == 0
    assert f"  {OLD[2]}\n" in installed.read(f"{LIB}/manifest.sha256")
    stuck.rmdir()
    stuck.touch()
    assert installed.install().returncode == 0
    assert not stuck.exists()
    assert OLD[2] not in installed.read(f"{LIB}/manifest.sha256")


def test_own_configuration_survives_an_upgrade(installed: Root) -> None:
    mine = "QT_ESS_SETTLE=7\n"
    assert installed.configure(mine).returncode == 0
    assert installed.install().returncode == 0
    assert installed.read("/etc/quantum-ess/ess.env") == mine
    assert installed.read(f"{LIB}/installed.env") == mine


@pytest.mark.parametrize("again", ["--configure", "--no-python"])
def test_a_configuration_that_is_gone_comes_back_as_it_was(installed: Root, again: str) -> None:
    """The doctor tells the reader to apply it again, which took the gate off his own units."""
    wanted = "# mine\nQT_ESS_TRADING_UNITS=my-bot.service\n"
    assert installed.configure(wanted).returncode == 0
    gates = installed.gates()
    (installed.path / "etc/quantum-ess/ess.env").unlink()
    done = installed.install(again)
    assert (done.returncode, done.stderr) == (0, "")
    assert "/etc/quantum-ess/ess.env was gone; it is again what was last applied" in done.stdout
    assert installed.gates() == gates
    assert installed.read("/etc/quantum-ess/ess.env") == wanted


def test_secrets_survive_an_upgrade_and_stay_secret(installed: Root) -> None:
    file = installed.path / AFTERMATH[1:]
    file.write_text("QT_ESS_SMTP_PASSWORD=mine\n")
    assert installed.install().returncode == 0
    assert installed.configure("").returncode == 0
    assert installed.files()[AFTERMATH] == (0o600, b"QT_ESS_SMTP_PASSWORD=mine\n")


def test_uninstall_leaves_the_configuration_alone(installed: Root) -> None:
    foreign = installed.path / f"{UNITS[1:]}/quantum-governor.service.d/limits.conf"
    foreign.write_text("[Service]\nLimitNOFILE=4096\n")
    assert installed.install("--uninstall").returncode == 0
    assert set(installed.files()) == {
        "/etc/quantum-ess/ess.env",
        AFTERMATH,
        WATCH,
        f"{UNITS}/quantum-governor.service.d/limits.conf",
    }


def test_uninstall_of_nothing_is_an_error(root: Root) -> None:
    done = root.install("--uninstall")
    assert done.returncode == 2
    assert "nothing is installed" in done.stderr


def test_configure_of_nothing_is_an_error(root: Root) -> None:
    done = root.configure("")
    assert done.returncode == 2
    assert "nothing is installed" in done.stderr
    assert set(root.files()) == {"/etc/quantum-ess/ess.env"}


@pytest.mark.parametrize(
    "arguments", [("--frobnicate",), ("--wheels",), ("--wheels", "/nowhere"), ("install",)]
)
def test_wrong_use_changes_nothing(root: Root, arguments: tuple[str, ...]) -> None:
    done = root.install(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("ess: ")
    assert not root.path.exists()


def test_help_fits_the_screen(root: Root) -> None:
    done = root.install("--help")
    assert done.returncode == 0
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_where_nothing_can_be_written_it_is_not_installed(tmp_path: Path) -> None:
    """It said 2, which promises that nothing was changed."""
    (tmp_path / "file").touch()
    done = Root(tmp_path / "file").install()
    assert done.returncode == 5
    assert "ess: could not write the files" in done.stderr
