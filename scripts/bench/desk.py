"""What follows a stop, in the lab: whom it tells, what waits for it, and when it is done."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fleet import run
from installed import PATHS, event, spool
from redis_server import redis_server
from sinks import Mailbox, mailbox

SETTINGS = Path(PATHS.aftermath_config)
WAITING = Path(PATHS.spools[0], "new")
AFTERMATH, DELIVER = "quantum-ess-aftermath.service", "quantum-ess-deliver.service"
STARTERS = ("quantum-ess-sentry.timer", "quantum-ess-aftermath.path", "quantum-ess-deliver.path")
MAIL = """QT_ESS_SMTP_HOST=127.0.0.1
QT_ESS_SMTP_PORT={}
QT_ESS_SMTP_SECURITY=none
QT_ESS_EMAIL_FROM=ess@desk.example
QT_ESS_EMAIL_TO=oncall@desk.example
QT_ESS_REDIS_URL=redis://127.0.0.1:{}/0
"""


def configure(mail_port: int, redis_port: int) -> None:
    """One addressee by mail, and Redis."""
    SETTINGS.touch(mode=0o600)
    SETTINGS.write_text(MAIL.format(mail_port, redis_port))


@contextmanager
def staffed(*options: str) -> Iterator[tuple[Mailbox, int]]:
    """Somebody who is told by mail, and a Redis on the port that is given; `options` are its."""
    with redis_server(*options) as port, mailbox() as mails:
        configure(mails.port, port)
        yield mails, port
        forget()
        SETTINGS.unlink()


def waiting() -> int:
    """How many events lie in the spool."""
    with suppress(FileNotFoundError):
        return len(os.listdir(WAITING))
    return 0


def wait_until(true: Callable[[], object], what: str, limit_s: float = 60) -> None:
    """Return once `true()` is. Raises TimeoutError."""
    deadline = time.monotonic() + limit_s
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {limit_s} s: {what}")
        time.sleep(0.02)


def settle() -> None:
    """Return once everything was taken and told."""
    quiet = 0

    def done() -> bool:
        nonlocal quiet
        quiet = quiet + 1 if not (waiting() or is_busy()) else 0
        return quiet > 5  # noqa: PLR2004 - a file that changed starts its unit a moment later

    wait_until(done, "all is told")


def is_busy() -> bool:
    """Whether something is being taken or told."""
    asked = ("systemctl", "is-active", AFTERMATH, DELIVER)
    done = subprocess.run(asked, check=False, capture_output=True, text=True, timeout=60)
    # One that was ended before its time is failed.
    return not set(done.stdout.split()) <= {"inactive", "failed"}


@contextmanager
def held_up() -> Iterator[None]:
    """Nothing starts the aftermath or the delivery by itself, and neither runs."""
    run("systemctl", "stop", *STARTERS, AFTERMATH, DELIVER)
    try:
        yield
    finally:
        run("systemctl", "start", *STARTERS)


def forget() -> None:
    """Leave nothing to be taken or told."""
    with held_up():
        for directory in (str(WAITING), PATHS.cases, PATHS.deliveries):
            for name in os.listdir(directory) if Path(directory).is_dir() else ():
                Path(directory, name).unlink(missing_ok=True)


def flood(count: int) -> None:
    """Put `count` events there at once, which is more than anybody's fsync would let him."""
    now = time.time_ns() // 1000
    told = event.Event("", "killed", now, 1, spool.boot(), fields={"units": "bench.service"})
    draft = WAITING.parent / "tmp" / "flood"
    draft.write_bytes(event.encode(told))
    for number in range(count):
        os.link(draft, WAITING / f"{now + number:016d}-{os.getpid()}-{number}")
    draft.unlink()
