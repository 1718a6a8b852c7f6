"""The only module that runs other programs.

Every program gets an argv list, no input, a clean environment and a time limit, and none can hold
us longer than that: output goes to memory, not to a pipe whose end a grandchild could keep open.
A Partner is the exception: it stays, and is asked a line at a time.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from typing import TYPE_CHECKING, NamedTuple, NoReturn

from ess.text import clean

if TYPE_CHECKING:
    from collections.abc import Sequence

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_ENVIRONMENT = {"PATH": _PATH, "LANG": "C.UTF-8", "SYSTEMD_PAGER": "", "SYSTEMD_COLORS": "0"}
_LARGEST_OUTPUT = 16 * 1024 * 1024
# How long a killed program may take to be gone (s); one stuck in the kernel is left behind.
_BURIAL = 0.2
# Where systemd put the secrets of our service: who tells people is a child of ours, and needs them.
_CREDENTIALS = "CREDENTIALS_DIRECTORY"
_LONGEST_ANSWER = 65536
_PASSED_ON = ("TERM", "NO_COLOR", "SUDO_USER", "COLUMNS")


class Result(NamedTuple):
    """How a program ended: `code` is None when it could not be started or had to be killed."""

    code: int | None
    out: str
    error: str

    @property
    def ok(self) -> bool:
        """It ran and said it succeeded."""
        return self.code == 0


def run(argv: Sequence[str], seconds: float) -> Result:
    """Run a program to its end, for at most `seconds`. Raises nothing."""
    out = os.memfd_create("out")
    err = os.memfd_create("err")
    try:
        code, failure = _run(argv, seconds, out, err)
        return Result(code, _content(out), failure or clean(_content(err)))
    finally:
        os.close(out)
        os.close(err)


class PartnerError(Exception):
    """A partner gave no answer; str() is one line that says why."""


class Partner:
    """A program that answers each line with a line. What it says on stderr goes where ours goes."""

    def __init__(self, argv: Sequence[str]) -> None:
        """Start it. Raises PartnerError."""
        try:
            self._child = subprocess.Popen(
                [_locate(argv[0]), *argv[1:]],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=_environment(_CREDENTIALS),
                bufsize=0,
                start_new_session=True,
            )
        except OSError as error:
            raise PartnerError(f"{os.path.basename(argv[0])}: {error.strerror}") from None

    def ask(self, line: str, seconds: float) -> str:
        """Return the answer to `line`. After a PartnerError nothing else may be asked."""
        assert self._child.stdin
        assert self._child.stdout
        deadline = time.monotonic() + seconds
        answer = b""
        try:
            os.write(self._child.stdin.fileno(), line.encode() + b"\n")
            while not answer.endswith(b"\n"):
                left = max(0.0, deadline - time.monotonic())
                if not select.select([self._child.stdout], [], [], left)[0]:
                    raise PartnerError(f"no answer within {seconds:g} s")
                more = os.read(self._child.stdout.fileno(), 4096)
                answer += more
                if not more or len(answer) > _LONGEST_ANSWER:
                    raise PartnerError("ended" if not more else "answers without end")
        except OSError as error:
            raise PartnerError(f"ended ({error.strerror})") from None
        return answer.decode("utf-8", "replace").rstrip("\n")

    def end(self) -> None:
        """Kill it, and everything in its session."""
        _end(self._child)
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe:
                pipe.close()


def replace(argv: Sequence[str]) -> NoReturn:
    """Become another program, on our terminal. Raises OSError when that cannot be run."""
    os.execve(_locate(argv[0]), list(argv), _environment(*_PASSED_ON))  # noqa: S606


def _environment(*passed_on: str) -> dict[str, str]:
    return _ENVIRONMENT | {key: os.environ[key] for key in passed_on if key in os.environ}


def _run(argv: Sequence[str], seconds: float, out: int, err: int) -> tuple[int | None, str]:
    name = os.path.basename(argv[0])
    try:
        child = subprocess.Popen(
            [_locate(argv[0]), *argv[1:]],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            env=_environment(_CREDENTIALS),
            start_new_session=True,
        )
    except OSError as error:
        return None, f"{name}: {error.strerror}"
    try:
        code = _wait(child, seconds)
    except subprocess.TimeoutExpired:
        _end(child)
        return None, f"{name} did not answer within {seconds:g} s"
    except BaseException:
        _end(child)
        raise
    return (None, f"{name} was killed by signal {-code}") if code < 0 else (code, "")


def _end(child: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        _wait(child, _BURIAL)


def _wait(child: subprocess.Popen[bytes], seconds: float) -> int:
    """Return its exit code as soon as it has ended. Raises TimeoutExpired."""
    try:
        ended = os.pidfd_open(child.pid)
    except OSError:
        # Linux before 5.3. Popen looks again and again, and sleeps up to 50 ms in between.
        return child.wait(seconds)
    try:
        poll = select.poll()
        poll.register(ended, select.POLLIN)
        if not poll.poll(seconds * 1000):
            raise subprocess.TimeoutExpired(child.args, seconds)
    finally:
        os.close(ended)
    return child.wait()


def _locate(program: str) -> str:
    places = (f"{directory}/{program}" for directory in _PATH.split(":"))
    return next((place for place in places if os.access(place, os.X_OK)), program)


def _content(descriptor: int) -> str:
    size = min(os.fstat(descriptor).st_size, _LARGEST_OUTPUT)
    return os.pread(descriptor, size, 0).decode("utf-8", "replace")
