"""bash, Python and systemd read the same out of one configuration file, or it is refused."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ess import config
from ess.errors import ConfigError
from tests.checks import bash_config
from tests.checks.test_bad_configuration import BAD, GOOD

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.lab.lab import Lab

# What a grammar for three readers stumbles over.
SPECIAL = [*"\"'\\$`#;=%! \t\r\n\0\x1b\x85\u00a0\u2028\u3000\ufeff\ud800é[]@*?-.,", "QT_ESS_"]
WORDS = ["a", "b.service", "bot@*", "bot@1.service", "x*", "[ab]c", "x?", "hold", "yes", "1.5", "0"]
KEYS = [*config.DEFAULTS, "PATH", "QT_ESS_"]


def joined(strategy: st.SearchStrategy[str], largest: int) -> st.SearchStrategy[str]:
    return st.lists(strategy, max_size=largest).map("".join)


noise = joined(st.sampled_from([*SPECIAL, *WORDS]) | st.characters(), 6)
words = st.lists(st.sampled_from(WORDS), max_size=4).map(" ".join)
quote = st.sampled_from(["", "", "", '"', "'"])
units = st.builds(
    "{}={}{}{}{}".format,
    st.sampled_from(["QT_ESS_TRADING_UNITS", "QT_ESS_MONITOR_UNITS"]),
    (same := st.shared(quote)),
    words,
    same,
    st.sampled_from(["", "", " ", "  ", "\t", "\r"]),
)
SOUND = {
    "QT_ESS_STOP_GRACE": ["0", "1.5", '"0.25"'],
    "QT_ESS_SETTLE": ["0", "600", "'2.0'", "2.000 "],
    "QT_ESS_AFTER_REBOOT": ["hold", "clear", '"clear"'],
    "QT_ESS_REQUIRE_REASON": ["yes", "no ", "'no'"],
    "QT_ESS_DRILL_MAX_AGE": ["8", "400", "1"],
    "QT_ESS_METRICS_DIR": ["/a", '"/var/lib/b.c"', "''"],
}
sound = st.sampled_from([f"{key}={value}" for key, values in SOUND.items() for value in values])
line = st.one_of(
    sound,
    sound,
    units,
    st.sampled_from(["", "# words", "; words", "  # words", " \t"]),
    st.builds("#{}".format, noise),
    st.builds("{}={}{}".format, st.sampled_from(KEYS), noise, words),
    noise,
)
document = st.builds(
    lambda lines, end: ("\n".join(lines) + end).encode(errors="surrogatepass"),
    st.lists(line, max_size=4),
    st.sampled_from(["\n", "\n", "", "\\", "\\\n"]),
)


def by_python(data: bytes) -> config.Config | None:
    try:
        return config.parse(data, "ess.env")
    except ConfigError:
        return None


def spelled(values: dict[str, str]) -> config.Config:
    """Return the configuration that plain values mean, free of any file's spelling."""
    text = "".join(f'{key}="{value}"\n' for key, value in values.items())
    return config.parse(text.encode(), "values")


def by_systemd(lab: Lab, data: bytes) -> dict[str, str]:
    """Return what a service of systemd finds in its environment, beyond what it always has."""
    octal = "".join(f"\\{byte:03o}" for byte in data)
    lab.sh(f"printf {shlex.quote(octal)} >/run/probe.env")
    show = ("systemd-run", "--quiet", "--wait", "--pipe", "--collect", "/usr/bin/env", "-0")
    with_file = (*show[:5], "--property=EnvironmentFile=/run/probe.env", *show[5:])
    done = lab.exec(*with_file, check=False)
    assert done.returncode == 0, f"systemd refuses what we accept: {data!r}"
    return dict(entry.split("=", 1) for entry in done.stdout.split("\0") if entry.startswith("QT_"))


def judge(lab: Lab, file: Path, data: bytes) -> bool:
    """Tell whether the file was accepted; the three readers must agree on what it says."""
    file.write_bytes(data)
    bash, python = bash_config.read(file), by_python(data)
    assert (not bash.error) is (python is not None), f"{data!r}: bash: {bash.error or 'accepts'}"
    if python is None:
        return False
    assert list(dict.fromkeys(bash.trading)) == list(python.trading)
    assert list(dict.fromkeys(bash.monitors)) == list(python.monitors)
    found = by_systemd(lab, data)
    assert set(found) <= set(config.DEFAULTS)
    assert {key: bash.values[key] for key in found} == found
    assert spelled(found) == python
    return True


@pytest.mark.every_image
@pytest.mark.timeout(300)
def test_readers_agree(bare_lab: Lab, tmp_path: Path) -> None:
    accepted = 0

    @settings(
        max_examples=250, deadline=None, suppress_health_check=list(HealthCheck), database=None
    )
    @given(document)
    def agree(data: bytes) -> None:
        nonlocal accepted
        accepted += judge(bare_lab, tmp_path / "ess.env", data)

    with_known(agree)()
    assert accepted >= 50, "hardly a file was accepted: this compared little"


def with_known(test: Callable[[bytes], None]) -> Callable[[], None]:
    for text in [*(text for text, _ in BAD.values()), *GOOD.values()]:
        test = example(text.encode() if isinstance(text, str) else text)(test)
    return test  # type: ignore[return-value]
