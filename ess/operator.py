"""Who is at the keyboard."""

import os

from ess.text import clean

# The kernel's (uid_t)-1: no login session.
_NO_LOGIN = 4294967295


def operator() -> str:
    """Return the name to record for what this process does; never fails, never blocks."""
    return clean(os.environ.get("SUDO_USER", "")) or _user_name(_login_uid())


def _login_uid() -> int:
    try:
        with open("/proc/self/loginuid", encoding="ascii") as file:
            uid = int(file.read())
    except (OSError, ValueError):
        return os.getuid()
    return os.getuid() if uid == _NO_LOGIN else uid


def _user_name(uid: int) -> str:
    # Not pwd.getpwuid(): it asks every source in nsswitch.conf, and a directory server that does
    # not answer must not stand between a person and the latch.
    try:
        with open("/etc/passwd", encoding="utf-8", errors="replace") as file:
            for line in file:
                fields = line.split(":")
                if fields[2:3] == [str(uid)]:
                    return clean(fields[0])
    except OSError:
        pass
    return f"uid {uid}"
