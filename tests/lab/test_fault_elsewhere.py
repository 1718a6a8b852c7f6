"""A trading program that somebody handed to another daemon was not seen, and called contained.

It was looked for by its path as systemd spells it; `cd /opt/bots; python3 bot.py` is the same
program. And a unit of that name that a user's manager runs was taken for ours.
"""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING

import pytest

from tests.lab import daemons, host
from tests.lab import ground as g
from tests.lab.lab import Lab

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

UNIT = "quantum-execution.service"
SCRIPT = "import signal\nwhile True:\n    signal.pause()\n"
BY_HAND = "cd /opt/bots && exec python3 bot.py"
USERS_UNIT = f"/srv/alice/.config/systemd/user/{UNIT}"
AS_ALICE = "runuser -u alice -- env XDG_RUNTIME_DIR=/run/user/1000"
SSH = "ssh -o StrictHostKeyChecking=no -i /root/.ssh/id localhost"
# How a person, or the bot itself, may have it run by somebody else.
HANDED: dict[str, str] = {
    "at": f"echo '{BY_HAND}' | at now 2>/dev/null",
    "cron": f"echo '@reboot root {BY_HAND}' >/etc/cron.d/bot; rm -f /run/crond.reboot;"
    " systemctl restart cron",
    "ssh": f"{SSH} 'cd /opt/bots; nohup python3 bot.py >/dev/null 2>&1 &' 2>/dev/null",
    "tmux": f'tmux new-window -d "{BY_HAND}"',
    "a user's manager": f"{AS_ALICE} systemctl --user start {UNIT}",
    "a transient unit": "busctl -q call org.freedesktop.systemd1 /org/freedesktop/systemd1"
    " org.freedesktop.systemd1.Manager StartTransientUnit 'ssa(sv)a(sa(sv))' handed.service fail 2"
    " WorkingDirectory s /opt/bots ExecStart 'a(sasb)' 1 /usr/bin/python3 2 python3 bot.py true 0",
    "namespaces": f"setsid -f unshare --pid --fork --mount-proc sh -c '{BY_HAND}' >/dev/null 2>&1",
    "su": f"setsid -f su - alice -c '{BY_HAND}' >/dev/null 2>&1",
}
# What no look at its program could tell: only the user is trading's.
NAMELESS = "python3 -c 'import signal; signal.pause()'"


@pytest.fixture(scope="module")
def daemon_host(lab_image: str) -> Iterator[Lab]:
    """A guarded host with daemons that run what they are told, and where people log in."""
    lab = Lab.up(
        image=lab_image,
        layer=host.product_layer(lab_image),
        bind_ro={daemons.packages(lab_image): "/packages", g.INSIDE: "/inside"},
        options=g.LASTING,
    )
    try:
        furnish(lab)
        yield lab
    finally:
        lab.down()


def furnish(lab: Lab) -> None:
    lab.sh(daemons.INSTALL, timeout=120)
    lab.sh(
        "useradd --system --shell /usr/sbin/nologin bot;"
        " useradd -m -d /srv/alice -s /bin/bash alice;"
        " mkdir -p /root/.ssh; ssh-keygen -q -t ed25519 -N '' -f /root/.ssh/id;"
        " cp /root/.ssh/id.pub /root/.ssh/authorized_keys; systemctl restart ssh;"
        " systemctl start atd cron; loginctl enable-linger alice;"
        " systemd-run -q --unit=admin -p Type=forking tmux new-session -d",
        timeout=30,
    )
    lab.write("/opt/bots/bot.py", SCRIPT)
    lab.write(USERS_UNIT, "[Service]\nExecStart=/usr/bin/python3 /opt/bots/bot.py\n")
    body = "User=bot\nNoNewPrivileges=yes\nExecStart=/usr/bin/python3 /opt/bots/bot.py\n"
    monitor = "User=bot\nExecStart=/bin/sleep infinity\n"
    g.put_units(lab, {UNIT: g.service(body), "watcher.service": g.service(monitor)})
    g.configure(lab, [UNIT], ["watcher.service"])
    lab.sh(
        "printf 'epoch=%s\\nmode=canary\\nresult=PASS\\n' $(date +%s)"
        " >/var/lib/quantum-ess/last-drill"
    )
    lab.systemctl("start", "watcher.service")
    lab.wait_until(lambda: lab.state("user@1000.service") == "active", what="alice's manager")


@pytest.fixture
def trading(daemon_host: Lab) -> Iterator[Lab]:
    """It trades as its unit wants it; nothing that a test handed to others is left behind."""
    lab = daemon_host
    lab.systemctl("start", UNIT)
    lab.wait_until(lambda: pids(lab), what="it trades")
    assert g.status(lab, tool=g.ESS).returncode == 0
    yield lab
    with contextlib.suppress(AssertionError):
        lab.sh("rm -f /etc/cron.d/bot; pkill -KILL -f '[b]ot.py|[s]ignal.pause'", check=False)
        lab.sh(f"{AS_ALICE} systemctl --user stop {UNIT}", check=False)
        g.release(lab)


def pids(lab: Lab, what: str = "[b]ot.py") -> set[str]:
    """Return the processes that run the program itself, and not what leads up to it."""
    return set(
        lab.sh(
            f"pgrep -f '^[^ ]*python3 {what}|^[^ ]*python3 /opt/bots/{what}'", check=False
        ).stdout.split()
    )


def stop(lab: Lab) -> None:
    lab.exec("touch", g.RUN_FLAG)
    g.dead(lab, UNIT)
    g.down(lab, UNIT)


@pytest.mark.parametrize("how", HANDED)
def test_it_is_seen_wherever_it_runs(trading: Lab, how: str) -> None:
    before = pids(trading)
    trading.sh(HANDED[how], timeout=20)
    pid = handed(trading, lambda: pids(trading) - before)
    seen = g.status(trading, tool=g.ESS)
    assert seen.returncode == 5
    assert "process-outside-unit" in seen.stdout
    stop(trading)
    assert_outside(trading, pid)


@pytest.mark.parametrize("how", ["at", "cron"])
def test_whatever_runs_as_its_user_counts(trading: Lab, how: str) -> None:
    trading.write("/opt/bots/nameless.sh", f"exec {NAMELESS}\n", 0o755)
    hand = {
        "at": "echo 'sh /opt/bots/nameless.sh' |"
        " setpriv --reuid bot --regid bot --init-groups at now 2>/dev/null",
        "cron": "echo '@reboot bot sh /opt/bots/nameless.sh' >/etc/cron.d/bot;"
        " rm -f /run/crond.reboot; systemctl restart cron",
    }
    trading.sh(hand[how])
    pid = handed(trading, lambda: pids(trading, "-c import"))
    seen = g.status(trading, "--json", tool=g.ESS)
    assert seen.returncode == 0
    # Its shell is another, which ends with it.
    strays = [one for one in json.loads(seen.stdout)["findings"] if "user" in one["code"]]
    assert {one["code"] for one in strays} == {"user-outside-unit"}, seen.stdout
    assert any(f"pid {pid} " in one["message"] for one in strays), strays
    stop(trading)
    assert_outside(trading, pid)


def handed(lab: Lab, found: Callable[[], set[str]]) -> str:
    lab.wait_until(found, 20, "the other one trades, too")
    [pid] = found()
    return pid


def assert_outside(lab: Lab, pid: str) -> None:
    """Nothing says CONTAINED while it lives; the command that is named ends it."""
    lab.wait_until(
        lambda: f"  ALIVE    {UNIT}  pids {pid}  outside it\n" in g.status(lab, tool=g.ESS).stdout,
        what="status names it, and nothing else",
    )
    assert g.status(lab, tool=g.ESS).returncode == 4
    done = lab.exec(g.ESS, "activate", check=False)
    assert done.returncode == 4
    assert pid in done.stdout.partition("sudo kill -KILL ")[2].splitlines()[0].split()
    lab.sh(f"kill -KILL {pid}")
    lab.wait_until(lambda: g.status(lab, tool=g.ESS).returncode == 0, what="contained")
    assert lab.state("watcher.service") == "active"
