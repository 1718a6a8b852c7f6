"""Where it counts, a test that was skipped is a test that failed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.checks.tracked import CHECKOUT

if TYPE_CHECKING:
    from pathlib import Path

SKIPS = {
    "in the test": "import pytest\ndef test_it():\n    pytest.skip('no lab')\n",
    "by a mark": "import pytest\n@pytest.mark.skip(reason='no lab')\ndef test_it(): pass\n",
    "of a module": "import pytest\npytest.skip('no lab', allow_module_level=True)\n",
    "in a fixture": (
        "import pytest\n@pytest.fixture\ndef lab(): pytest.skip('no lab')\ndef test_it(lab): pass\n"
    ),
}


def run(*files: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {key: os.environ[key] for key in ("PATH", "PYTHONPYCACHEPREFIX") if key in os.environ}
    return subprocess.run(
        (
            *(sys.executable, "-m", "pytest", "-p", "tests.conftest", "-p", "no:cacheprovider"),
            *("-c", os.devnull, "--rootdir", str(files[0].parent)),
            *("--continue-on-collection-errors", *map(str, files)),
        ),
        cwd=CHECKOUT,
        env=kept | environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("variable", ["CI", "QT_ESS_NO_SKIP"])
def test_each_skip_fails_and_says_why(tmp_path: Path, variable: str) -> None:
    files = [tmp_path / f"test_{how.replace(' ', '_')}.py" for how in SKIPS]
    for file, text in zip(files, SKIPS.values(), strict=True):
        file.write_text(text)
    done = run(*files, **{variable: "true"})
    assert done.returncode not in (0, 5)
    failed = re.findall(r"^(?:FAILED|ERROR) \S*/(\w+\.py)", done.stdout, re.MULTILINE)
    assert sorted(failed) == sorted(file.name for file in files), done.stdout
    reasons = re.findall(r"^here a skip is a failure:.*no lab", done.stdout, re.MULTILINE)
    assert len(reasons) == len(files), done.stdout


def test_on_a_laptop_a_skip_is_one(tmp_path: Path) -> None:
    file = tmp_path / "test_skips.py"
    file.write_text(SKIPS["in the test"])
    done = run(file)
    assert done.returncode == 0
    assert "1 skipped" in done.stdout
