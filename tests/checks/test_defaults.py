"""The shipped configuration, bash and Python know the same keys and the same defaults."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from ess import config
from tests.checks import bash_config
from tests.checks.tracked import CHECKOUT

if TYPE_CHECKING:
    from pathlib import Path

SHIPPED = CHECKOUT / "ops" / "ess.env"
COMMENTED = re.compile(r'^#(QT_ESS_[A-Z_]+)="?(.*?)"?$', re.MULTILINE)


def shipped() -> dict[str, str]:
    found = COMMENTED.findall(SHIPPED.read_text())
    assert len({key for key, _ in found}) == len(found), "a key is there twice"
    return dict(found)


def full(key: str, value: str) -> str:
    if not key.endswith(("_UNITS", "_ORDER")):
        return value
    return " ".join(word.removesuffix(".service") for word in value.split())


def same(values: dict[str, str]) -> dict[str, str]:
    return {key: full(key, value) for key, value in values.items()}


def test_shipped_file_sets_nothing() -> None:
    lines = SHIPPED.read_text().splitlines()
    assert not [line for line in lines if line and not line.startswith("#")]


def test_shipped_file_shows_the_defaults_of_bash() -> None:
    assert same(shipped()) == same(bash_config.read("/nonexistent").values)


def test_shipped_file_shows_the_defaults_of_python() -> None:
    assert same(shipped()) == same(config.DEFAULTS)


def test_every_key_has_its_words(tmp_path: Path) -> None:
    """Each key stands right below a comment that says what it is; uncommented, it is accepted."""
    lines = SHIPPED.read_text().splitlines()
    for number, line in enumerate(lines):
        if COMMENTED.fullmatch(line):
            assert re.match(r"# \w", lines[number - 1]), line
    plain = tmp_path / "ess.env"
    plain.write_text(re.sub(r"^#(?=QT_ESS_)", "", SHIPPED.read_text(), flags=re.MULTILINE))
    assert not bash_config.read(plain).error
    assert config.load(str(plain)) == config.default()


def test_python_and_bash_understand_the_defaults_alike() -> None:
    bash, python = bash_config.read("/nonexistent"), config.default()
    assert bash.trading == list(python.trading)
    assert bash.monitors == list(python.monitors)
    assert bash.start_order == list(python.start_order)
