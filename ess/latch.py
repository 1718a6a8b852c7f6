"""The latch: the only code that sets, reads or clears a flag.

Existence is what counts. A flag that is empty, a directory, unreadable or a dangling symlink is
latched; a place that cannot be looked at is UNKNOWN, and UNKNOWN is treated as latched everywhere.
"""

from __future__ import annotations

import os
import stat
import time
from enum import Enum

from ess import bounded, durable, stoppers
from ess.active import is_active as is_active  # noqa: PLC0414 - trading processes find it here
from ess.operator import operator
from ess.text import clean, key_values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ess.paths import Paths

# A dead disk under the persistent flag may not hold up the stop for longer (s).
PERSISTENT_PATIENCE = 0.5
_CONTENT_LIMIT = 4096


class State(Enum):
    """Whether the latch is on."""

    CLEAR = "clear"
    LATCHED = "latched"
    UNKNOWN = "unknown"


class Placed:
    """What became of one flag: `error` is empty when it is there, `new` when we put it there."""

    def __init__(self, flag: str, error: str = "", *, new: bool = False) -> None:
        self.flag = flag
        self.error = error
        self.new = new


class Receipt:
    """The outcome of setting the latch, and when that began (monotonic s)."""

    def __init__(self, began: float, places: tuple[Placed, Placed]) -> None:
        self.began = began
        self.places = places

    @property
    def latched(self) -> bool:
        """At least one flag is there, which is enough."""
        return any(not place.error for place in self.places)

    @property
    def already(self) -> bool:
        """No flag is new and one was there before."""
        return self.latched and not any(place.new for place in self.places)


def note(source: str, reason: str, category: str, by: str | None = None) -> bytes:
    """Return the content of a flag: who, when, why, one cleaned KEY=VALUE line each."""
    fields = {
        "id": _identity(),
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "operator": operator() if by is None else by,
        "source": source,
        "reason": reason,
        "category": category,
    }
    return "".join(f"{key}={clean(value)}\n" for key, value in fields.items()).encode()


def set_latch(paths: Paths, content: bytes) -> Receipt:
    """Put both flags on disk and return once that is done or known to have failed.

    Raises nothing; takes at most PERSISTENT_PATIENCE longer than two writes to a live disk.
    """
    began = time.monotonic()
    stoppers.begin(paths)
    # Not drafted in the directory that PID 1 watches: for a name that is no flag it would go on to
    # look at the other flag, whose disk may hang.
    run = _place(paths.run_flag, content, paths.runtime_dir)
    answer = _aside(lambda: _pack(_place(paths.var_flag, content, paths.state_dir)))
    return Receipt(began, (run, _unpack(paths.var_flag, answer)))


def state(paths: Paths) -> State:
    """Return whether the latch is on; bounded, raises nothing."""
    places = {probe(paths.run_flag), _probe_bounded(paths.var_flag)}
    if State.LATCHED in places:
        return State.LATCHED
    return State.UNKNOWN if State.UNKNOWN in places else State.CLEAR


def probe(flag: str) -> State:
    """Return the state of one flag without following a symlink."""
    try:
        os.lstat(flag)
    except (FileNotFoundError, NotADirectoryError):
        return State.CLEAR
    except OSError:
        return State.UNKNOWN
    return State.LATCHED


def read(paths: Paths) -> dict[str, str]:
    """Return what the flags say about the trip, cleaned for printing; what they lack is left out.

    A flag somebody touched says nothing: `at` then is the time of its last change.
    """
    fields = key_values(_read_flag(paths.run_flag))
    if "at" not in fields:
        content = _aside(lambda: _read_flag(paths.var_flag))
        fields = key_values(content or b"") | fields
    if fields.get("source") == "request":
        # The flag was there before it was known who asked, and why.
        asked_for = key_values(_read_flag(paths.request_note))
        fields |= asked_for if asked_for.get("id") == fields.get("id") else {}
    if "at" not in fields and (changed := _changed(paths.run_flag)):
        fields["at"] = changed
    return fields


def identity(flag: str) -> str:
    """Return the id of the trip that a flag records; nothing for one that somebody touched."""
    content = _aside(lambda: _read_flag(flag)) or b""
    return key_values(content).get("id", "")


def identity_before(flag: str, other: str) -> str:
    """Return its id if it was last written, or touched, before the other file; "" if unknown, too.

    One look of a child, not two: somebody may be about to act on that flag.
    """
    try:
        moment = os.lstat(other).st_mtime_ns
        content = _aside(lambda: _read_flag(flag) if os.lstat(flag).st_mtime_ns < moment else b"")
    except OSError:
        return ""
    return key_values(content or b"").get("id", "")


def asked(paths: Paths) -> tuple[int, ...]:
    """Return what changes with every activation, also while latched, and with every touch."""
    times: list[int] = []
    for path in (paths.run_dir, paths.run_flag):
        try:
            times.append(os.lstat(path).st_mtime_ns)
        except OSError:
            times.append(0)
    return tuple(times)


def clear(flag: str) -> None:
    """Remove one flag, whatever it is; a symlink itself, never its target. Raises OSError."""
    try:
        mode = os.lstat(flag).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return
    if stat.S_ISDIR(mode):
        import shutil  # noqa: PLC0415 - the way in must not wait for what only the way out needs

        shutil.rmtree(flag)
    else:
        os.unlink(flag)


def _identity() -> str:
    try:
        with open("/proc/sys/kernel/random/uuid", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return os.urandom(16).hex()


def _place(flag: str, content: bytes, drafts: str) -> Placed:
    try:
        new = _create(flag, content, drafts)
        os.lstat(flag)
    except OSError as error:
        return Placed(flag, error.strerror or "cannot be written")
    return Placed(flag, new=new)


def _create(flag: str, content: bytes, drafts: str) -> bool:
    """Create the flag, whole wherever it can be; return False when it was there before.

    Its content is put together in the directory `drafts` when that is on the same file system.
    """
    directory = os.path.dirname(flag)
    if probe(flag) is State.LATCHED:
        _leave_trace(directory)
        return False
    os.makedirs(directory, mode=0o755, exist_ok=True)
    try:
        _name(flag, content, drafts)
    except FileExistsError:
        return False
    durable.sync_directory(directory)
    return True


def _leave_trace(directory: str) -> None:
    """Tell whoever is about to release, by the directory's time, that somebody asked once more."""
    try:  # noqa: SIM105 - contextlib is an import more on the way in
        os.utime(directory)
    except OSError:
        # Read-only: nobody releases there either.
        pass


def _name(flag: str, content: bytes, drafts: str) -> None:
    if not os.path.isdir(drafts):
        drafts = os.path.dirname(flag)
    draft = f"{drafts}/.ESS_ON.{os.getpid()}.{os.urandom(4).hex()}"
    try:
        durable.create(draft, content, 0o644)
        try:
            # link(2) and not rename(2): of two people at once the first keeps the record.
            os.link(draft, flag)
        finally:
            os.unlink(draft)
    except FileExistsError:
        raise
    except OSError:
        # No draft or no hard link: a flag that appears before its content is still one.
        durable.create(flag, content, 0o644)


def _aside(work: Callable[[], bytes]) -> bytes | None:
    """Do what touches the disk in a child; here, when a fork bomb has left no process for one."""
    try:
        return bounded.call(work, PERSISTENT_PATIENCE)
    except OSError:
        return work()


def _pack(place: Placed) -> bytes:
    return f"{int(place.new)}{place.error}".encode()


def _unpack(flag: str, answer: bytes | None) -> Placed:
    if answer is None:
        return Placed(flag, f"the disk did not answer within {PERSISTENT_PATIENCE} s")
    text = answer.decode()
    return Placed(flag, text[1:], new=text[:1] == "1")


def _probe_bounded(flag: str) -> State:
    def ask() -> bytes:
        return probe(flag).value.encode()

    answer = _aside(ask)
    return State.UNKNOWN if answer is None else State(answer.decode())


def _read_flag(flag: str) -> bytes:
    try:
        # O_NONBLOCK: a flag that is a FIFO would wait for a writer.
        descriptor = os.open(flag, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
        return os.read(descriptor, _CONTENT_LIMIT) if regular else b""
    except OSError:
        return b""
    finally:
        os.close(descriptor)


def _changed(flag: str) -> str:
    try:
        moment = time.gmtime(os.lstat(flag).st_mtime)
    except (OSError, OverflowError, ValueError):
        return ""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", moment)
