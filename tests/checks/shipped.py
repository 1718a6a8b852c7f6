"""A shipped file of settings that sets nothing: every key is there, commented, with its default."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ess.paths import Paths
from tests.checks.tracked import CHECKOUT

if TYPE_CHECKING:
    from pathlib import Path
    from types import ModuleType

_COMMENTED = re.compile(r"^#(QT_ESS_[A-Z_]+)=(.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Shipped:
    """The file ops/NAME.env, the module that reads it, and the mode it is installed with."""

    name: str
    settings: ModuleType
    mode: int

    @property
    def text(self) -> str:
        """What it says."""
        return (CHECKOUT / "ops" / f"{self.name}.env").read_text()

    def load(self, root: Path, text: str) -> Any:
        """Return what the module makes of such a text."""
        paths = Paths(str(root))
        file = root / f"etc/quantum-ess/{self.name}.env"
        file.parent.mkdir(parents=True)
        file.write_text(text)
        file.chmod(self.mode)
        return self.settings.load(paths)

    def assert_sets_nothing(self, root: Path) -> None:
        """As it is, and with every key uncommented, it says what holds without it."""
        plain = re.sub(r"^#(?=QT_ESS_)", "", self.text, flags=re.MULTILINE)
        assert self.load(root / "commented", self.text) == self.settings.Settings()
        assert self.load(root / "plain", plain) == self.settings.Settings()

    def assert_shows_every_key_once(self) -> None:
        """It shows every key with its default, and words above each."""
        found = _COMMENTED.findall(self.text)
        assert dict(found) == self.settings.DEFAULTS
        assert len(found) == len(self.settings.DEFAULTS), "a key is there twice"
        lines = self.text.splitlines()
        for number, line in enumerate(lines):
            if _COMMENTED.fullmatch(line):
                assert re.match(r"# \S", lines[number - 1]), line
