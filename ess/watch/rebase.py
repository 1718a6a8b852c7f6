"""A person's word that an evaluator shall measure anew from where the account stands now.

After a drawdown that was looked into and released, the peak is still as far away: without this the
watcher would trip again after every pause, and somebody would switch it off.
"""

from __future__ import annotations

import contextlib
import os

from ess import regular

NAME = "rebase"
_LARGEST = 4096


def ask(directory: str, names: list[str]) -> None:
    """Ask the watcher whose baselines are in `directory`; it does so in its next round.

    Only who may write there can ask: root, and the watcher itself. Raises OSError.
    """
    draft = f"{directory}/{NAME}.new"
    with contextlib.suppress(FileNotFoundError):
        os.unlink(draft)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
    with open(os.open(draft, flags, 0o644), "w", encoding="utf-8") as file:
        file.write("\n".join(names) + "\n")
    os.replace(draft, f"{directory}/{NAME}")


def taken(directory: str) -> list[str]:
    """Return the names that were asked for, and forget them. Raises nothing."""
    path = f"{directory}/{NAME}"
    try:
        data = regular.read(path, _LARGEST, follow=False)
        os.unlink(path)
    except OSError:
        return []
    return [
        line for line in data.decode("utf-8", "replace").split("\n") if line.isprintable() and line
    ]
