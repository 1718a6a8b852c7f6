"""What the drill takes for a script that parses is what bash takes for one."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOUND = (ROOT / "ops/lib/cgroup.sh").read_text()
DAMAGED = {
    "a word too many": SOUND + "if then\n",
    "a function without an end": SOUND + "foo() {\n",
    "an end without a function": SOUND + "}\n",
    "a quote without an end": SOUND + "echo 'abc\n",
    "a substitution without an end": SOUND + "x=$(foo\n",
    "an expansion without an end": SOUND + "x=${foo\n",
    "a case without an end": SOUND + "case x in\n",
    "arithmetic without an end": SOUND + "((1+\n",
    "a condition without an end": SOUND + "[[ a\n",
    "an array without an end": SOUND + "a=(1\n",
    "cut off": SOUND[: SOUND.index("local dir name") + 5],
}


def parses(file: Path) -> bool:
    text = (ROOT / "scripts/proof_ess.sh").read_text()
    match = re.search(r"^parses\(\) \{\n.*?^\}\n", text, re.MULTILINE | re.DOTALL)
    assert match
    script = match[0] + 'parses "$1" 2>/dev/null; echo "code $?"'
    done = subprocess.run(
        ["bash", "-c", script, "bash", file], capture_output=True, text=True, check=False
    )
    assert done.stdout in ("code 0\n", "code 1\n", "code 2\n"), done
    return done.stdout == "code 0\n"


@pytest.mark.parametrize("name", DAMAGED)
def test_what_bash_does_not_parse_does_not(name: str, tmp_path: Path) -> None:
    file = tmp_path / "x.sh"
    file.write_text(DAMAGED[name])
    bash = subprocess.run(["bash", "-n", file], capture_output=True, check=False)
    assert bash.returncode != 0
    assert not parses(file)


def test_a_script_is_parsed_and_not_run(tmp_path: Path) -> None:
    file = tmp_path / "x.sh"
    file.write_text(f"{SOUND}\ntouch {tmp_path}/ran\nset +n\ntouch {tmp_path}/ran\nexit 3\n")
    assert parses(file)
    assert not (tmp_path / "ran").exists()


def test_zeros_where_a_disk_lost_what_was_written_do_not_parse(tmp_path: Path) -> None:
    """To "bash -n" they are nothing, when they do not come first."""
    file = tmp_path / "x.sh"
    for text in (SOUND[:300] + "\0" * 4096, "\0" * 4096):
        file.write_text(text)
        assert not parses(file)


def test_what_is_no_file_does_not_parse(tmp_path: Path) -> None:
    assert not parses(tmp_path)
    assert not parses(tmp_path / "missing")
