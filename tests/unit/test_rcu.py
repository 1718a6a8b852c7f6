"""Whether the kernel lets PID 1 wait, as /sys says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ess import rcu
from ess.paths import Paths

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("expedited", "normal", "answer"),
    [
        ("1\n", "0\n", True),
        ("3\n", "0\n", True),
        ("1\n", None, True),
        ("0\n", "0\n", False),
        ("1\n", "1\n", False),
        ("", "0\n", False),
        ("\xff", "0\n", False),
        (None, None, False),
    ],
)
def test_it_does_not(
    tmp_path: Path, expedited: str | None, normal: str | None, *, answer: bool
) -> None:
    kernel = tmp_path / "sys/kernel"
    kernel.mkdir(parents=True)
    for name, text in (("rcu_expedited", expedited), ("rcu_normal", normal)):
        if text is not None:
            (kernel / name).write_text(text, encoding="latin-1")
    assert rcu.is_expedited(Paths(str(tmp_path))) is answer
