"""A configuration that is wrong is refused with file and line, and nothing is changed by it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.checks.installed import Root

if TYPE_CHECKING:
    from pathlib import Path

TRADING = "QT_ESS_TRADING_UNITS"
MONITORS = "QT_ESS_MONITOR_UNITS"
ORDER = "QT_ESS_START_ORDER"

# what is wrong: (the file, the line that is to be named)
BAD: dict[str, tuple[str | bytes, int]] = {
    "unknown key": ("# a\nQT_ESS_SETTEL=2\n", 2),
    "key of another program": ("PATH=/bin\n", 1),
    "key twice": ("QT_ESS_SETTLE=2\nQT_ESS_SETTLE=3\n", 2),
    "no =": ("QT_ESS_SETTLE\n", 1),
    "space before =": ("QT_ESS_SETTLE =2\n", 1),
    "space after =": ("QT_ESS_SETTLE= 2\n", 1),
    "space before key": (" QT_ESS_SETTLE=2\n", 1),
    "export": ("export QT_ESS_SETTLE=2\n", 1),
    "lower case": ("qt_ess_settle=2\n", 1),
    "byte order mark": (b"\xef\xbb\xbfQT_ESS_SETTLE=2\n", 1),
    "backslash": ("QT_ESS_SETTLE=2\\\n", 1),
    "backslash ends a comment": ("# one \\\nQT_ESS_SETTLE=2\n", 1),
    "dollar": ("QT_ESS_TRADING_UNITS=$UNITS\n", 1),
    "backtick": ("QT_ESS_TRADING_UNITS=`id`\n", 1),
    "quote not closed": ('QT_ESS_SETTLE="2\n', 1),
    "quote not opened": ('QT_ESS_SETTLE=2"\n', 1),
    "one quote": ('QT_ESS_SETTLE="\n', 1),
    "quotes differ": ("QT_ESS_SETTLE=\"2'\n", 1),
    "quote inside": ('QT_ESS_SETTLE="a\'b"\n', 1),
    "two quoted values": ('QT_ESS_TRADING_UNITS="a" "b"\n', 1),
    "text after the quote": ('QT_ESS_SETTLE="2" # two\n', 1),
    "control character": ("QT_ESS_TRADING_UNITS=a\x07b\n", 1),
    "tab between units": ("QT_ESS_TRADING_UNITS=a\tb\n", 1),
    "carriage return": ("QT_ESS_SETTLE=2\r\n", 1),
    "NUL in a value": (b"QT_ESS_SETTLE=2\0\n", 1),
    "NUL in a comment": (b"# a\0b\nQT_ESS_SETTLE=2\n", 1),
    "not UTF-8": (b"QT_ESS_TRADING_UNITS=caf\xe9\n", 1),
    "wide space after a value": ("QT_ESS_AFTER_REBOOT=hold\u2003\n", 1),
    "wide space as a blank line": ("QT_ESS_SETTLE=2\n\u3000\n", 2),
    "grace too long": ("QT_ESS_STOP_GRACE=1.6\n", 1),
    "grace negative": ("QT_ESS_STOP_GRACE=-1\n", 1),
    "grace with a unit": ("QT_ESS_STOP_GRACE=1s\n", 1),
    "grace empty": ("QT_ESS_STOP_GRACE=\n", 1),
    "grace with a comma": ("QT_ESS_STOP_GRACE=1,5\n", 1),
    "grace in another script": ("QT_ESS_STOP_GRACE=\u0661\n", 1),
    "settle too long": ("QT_ESS_SETTLE=601\n", 1),
    "no time to start": ("QT_ESS_START_TIMEOUT=0\n", 1),
    "category": ("QT_ESS_STOP_CATEGORY=2\n", 1),
    "after reboot": ("QT_ESS_AFTER_REBOOT=keep\n", 1),
    "require reason": ("QT_ESS_REQUIRE_REASON=true\n", 1),
    "drill age": ("QT_ESS_DRILL_MAX_AGE=0.5\n", 1),
    "metrics below": ("QT_ESS_METRICS_DIR=metrics\n", 1),
    "metrics above": ("QT_ESS_METRICS_DIR=/var/lib/../tmp\n", 1),
    "metrics in two places": ("QT_ESS_METRICS_DIR=/a /b\n", 1),
    "metrics with a specifier": ("QT_ESS_METRICS_DIR=/a/%n\n", 1),
    "metrics too deep": (f"QT_ESS_METRICS_DIR={'/a' * 101}\n", 1),
    "no trading unit": (f"{TRADING}=\n", 1),
    "blank trading units": (f'{TRADING}="  "\n', 1),
    "unit in both lists": (f"{MONITORS}=a b\n{TRADING}=b c\n", 1),
    "unit in both lists, by pattern": (f"{TRADING}=redis-*\n", 1),
    "pattern in both lists": (f"{MONITORS}=[ab]x\n{TRADING}=[ab]x\n", 1),
    "monitor pattern covers trading": (f"{MONITORS}=quantum-exec*\n", 1),
    "order names another unit": (f"{ORDER}=quantum-nothing\n", 1),
    "unit of ours": (f"{TRADING}=quantum-ess-canary\n", 1),
    "everything": (f"{TRADING}=*\n", 1),
    "everything of quantum": (f"{TRADING}=quantum-*\n", 1),
    "not a service": (f"{TRADING}=quantum-execution.socket\n", 1),
    "a path": (f"{TRADING}=../../quantum-execution\n", 1),
    "a bare template": (f"{TRADING}=quantum-execution@.service\n", 1),
    "comma between units": (f"{TRADING}=a,b\n", 1),
    "bracket not closed": (f"{TRADING}=a[b\n", 1),
    "exclamation mark": (f"{TRADING}=a!b\n", 1),
    "monitor is no unit": (f"{MONITORS}=a/b\n", 1),
    "name too long": (f"{TRADING}={'a' * 250}\n", 1),
}


@pytest.mark.parametrize(("text", "line"), BAD.values(), ids=BAD.keys())
def test_bad_configuration_is_refused_and_named(
    tmp_path: Path, text: str | bytes, line: int
) -> None:
    root = Root(tmp_path / "root")
    done = root.configure(text)
    assert done.returncode == 2, done.stdout
    assert re.search(rf"/etc/quantum-ess/ess\.env:{line}: \S", done.stderr), done.stderr
    assert done.stderr.startswith("ess: configuration refused: ")
    assert set(root.files()) == {"/etc/quantum-ess/ess.env"}


GOOD: dict[str, str | bytes] = {
    "empty": "",
    "no newline at the end": "QT_ESS_SETTLE=3",
    "comments and blanks": "# a\n; b\n\n \t\n  # c\nQT_ESS_SETTLE=3\n",
    "double quotes": 'QT_ESS_TRADING_UNITS="a  b.service "\n',
    "single quotes": "QT_ESS_TRADING_UNITS='a b'\n",
    "spaces at the end": "QT_ESS_SETTLE=3  \n",
    "comment in another encoding": b"# caf\xe9\nQT_ESS_SETTLE=3\n",
    "no monitors": "QT_ESS_MONITOR_UNITS=\n",
    "hash in a comment only": "#QT_ESS_SETTLE=banana\n",
    "globs": "QT_ESS_TRADING_UNITS=bot-[ab]* bot-?x\nQT_ESS_START_ORDER=bot-a1\n",
    "instances": "QT_ESS_TRADING_UNITS=bot@*.service bot@x.service\n",
    "limits": "QT_ESS_STOP_GRACE=0\nQT_ESS_SETTLE=600\nQT_ESS_START_TIMEOUT=3600\n",
}


@pytest.mark.parametrize("text", GOOD.values(), ids=GOOD.keys())
def test_good_configuration_is_taken(installed: Root, text: str | bytes) -> None:
    done = installed.configure(text)
    assert done.returncode == 0, done.stderr
