"""The configuration's grammar, and that bash reads it alike."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ess import config
from ess.config import DEFAULTS
from ess.errors import ConfigError

REPOSITORY = Path(__file__).parents[2]


def parse(text: str | bytes) -> config.Config:
    return config.parse(text.encode() if isinstance(text, str) else text, "ess.env")


def test_defaults() -> None:
    assert config.default() == config.Config(
        trading=(
            "quantum-ai-engine.service",
            "quantum-execution.service",
            "quantum-apply-layer.service",
            "quantum-governor.service",
        ),
        monitors=(
            "grafana-server.service",
            "quantum-rl-monitor.service",
            "redis-server.service",
            "prometheus.service",
        ),
        start_order=(
            "quantum-governor.service",
            "quantum-ai-engine.service",
            "quantum-apply-layer.service",
            "quantum-execution.service",
        ),
        stop_grace=1.5,
        stop_category="1",
        settle=2.0,
        start_timeout=60,
        after_reboot="hold",
        require_reason=False,
        drill_max_age_days=8,
        metrics_dir="/var/lib/prometheus/node-exporter",
    )


def test_the_shipped_file_says_the_defaults() -> None:
    shipped = (REPOSITORY / "ops/ess.env").read_text()
    assert parse(shipped) == config.default()
    spoken = "\n".join(
        line.removeprefix("#") for line in shipped.splitlines() if line.startswith("#QT_ESS_")
    )
    assert spoken.count("\n") + 1 == len(DEFAULTS)
    assert parse(spoken) == config.default()


def test_a_list_is_taken_in_its_order_and_once() -> None:
    text = "QT_ESS_TRADING_UNITS='b a.service  b bot@*.service'\nQT_ESS_START_ORDER=bot@1 a\n"
    loaded = parse(text)
    assert loaded.trading == ("b.service", "a.service", "bot@*.service")
    assert loaded.start_order == ("bot@1.service", "a.service")


def test_default_order_forgets_units_that_do_not_trade_here() -> None:
    loaded = parse("QT_ESS_TRADING_UNITS=quantum-governor other\n")
    assert loaded.start_order == ("quantum-governor.service",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x", "ess.env:1: not KEY=VALUE"),
        ("\n QT_ESS_SETTLE=1", "ess.env:2: not KEY=VALUE"),
        ("QT_ESS_SETTLE= 1", "ess.env:1: space after ="),
        ("QT_ESS_SETTEL=1", "ess.env:1: unknown key QT_ESS_SETTEL"),
        ("QT_ESS_SETTLE=1\nQT_ESS_SETTLE=1", "ess.env:2: QT_ESS_SETTLE is set a second time"),
        ("QT_ESS_SETTLE=$X", "ess.env:1: backslash, $ or backtick in a value"),
        ('QT_ESS_SETTLE="1', "ess.env:1: quote without its other half"),
        ("QT_ESS_SETTLE='1\"'", "ess.env:1: quote inside a value"),
        ("QT_ESS_SETTLE=1\t", "ess.env:1: more than plain ASCII in a value"),
        (b"QT_ESS_SETTLE=\xff", "ess.env:1: more than plain ASCII in a value"),
        (b"#\x00", "ess.env:1: NUL byte"),
        ("#\\", "ess.env:1: backslash at the end of the line"),
        ("QT_ESS_SETTLE=601", "ess.env:1: QT_ESS_SETTLE must be a number from 0 to 600"),
        ("QT_ESS_SETTLE=", "ess.env:1: QT_ESS_SETTLE must be a number from 0 to 600"),
        ("QT_ESS_AFTER_REBOOT=x", "ess.env:1: QT_ESS_AFTER_REBOOT must be hold or clear"),
        ("QT_ESS_METRICS_DIR=/a/../b", "ess.env:1: QT_ESS_METRICS_DIR must be an absolute path"),
        ("QT_ESS_METRICS_DIR=/a%n", "ess.env:1: QT_ESS_METRICS_DIR must be an absolute path"),
        ("QT_ESS_TRADING_UNITS=' '", "ess.env:1: QT_ESS_TRADING_UNITS names no unit"),
        (
            "QT_ESS_TRADING_UNITS=redis-*",
            "ess.env:1: QT_ESS_TRADING_UNITS: redis-server.service (redis-*.service) is both"
            " a trading and a monitoring unit",
        ),
        (
            "QT_ESS_START_ORDER=other",
            "ess.env:1: QT_ESS_START_ORDER: other.service is not a trading unit",
        ),
        (
            "QT_ESS_TRADING_UNITS=quantum-*",
            "ess.env:1: QT_ESS_TRADING_UNITS: quantum-* names a unit of quantum-ess itself",
        ),
    ],
)
def test_refused_with_file_and_line(text: str | bytes, message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse(text)
    assert refused.value.what.startswith(message)


def test_no_file_and_no_end(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        config.load(str(tmp_path / "none"))
    with pytest.raises(ConfigError, match="is not a regular file"):
        config.load(str(tmp_path))
    with pytest.raises(ConfigError, match="larger than"):
        parse("#" * 100_000)


NAMES = st.from_regex(r"[a-z][a-z0-9:_-]{0,12}(@[a-z0-9]{1,3})?", fullmatch=True)
ASCII = st.characters(codec="ascii")
NUMBERS = {
    "QT_ESS_STOP_GRACE": (0, 1500),
    "QT_ESS_SETTLE": (0, 600_000),
    "QT_ESS_START_TIMEOUT": (1000, 3_600_000),
    "QT_ESS_DRILL_MAX_AGE": (1000, 400_000),
}
WORDS = {
    "QT_ESS_STOP_CATEGORY": ("0", "1"),
    "QT_ESS_AFTER_REBOOT": ("hold", "clear"),
    "QT_ESS_REQUIRE_REASON": ("yes", "no"),
}
DIRECTORIES = st.just("") | st.from_regex(
    r"(/[\w+@-][\w.+@-]{0,9}){1,4}", fullmatch=True, alphabet=ASCII
)


@st.composite
def configurations(draw: st.DrawFn) -> config.Config:
    units = draw(st.lists(NAMES.map(lambda name: f"x-{name}.service"), min_size=1, unique=True))
    cut = draw(st.integers(1, len(units)))
    numbers = {key: draw(st.integers(*limits)) / 1000 for key, limits in NUMBERS.items()}
    words = {key: draw(st.sampled_from(allowed)) for key, allowed in WORDS.items()}
    return config.Config(
        trading=tuple(units[:cut]),
        monitors=tuple(units[cut:]),
        start_order=tuple(draw(st.permutations(units[:cut]))),
        stop_grace=numbers["QT_ESS_STOP_GRACE"],
        stop_category=words["QT_ESS_STOP_CATEGORY"],
        settle=numbers["QT_ESS_SETTLE"],
        start_timeout=numbers["QT_ESS_START_TIMEOUT"],
        after_reboot=words["QT_ESS_AFTER_REBOOT"],
        require_reason=words["QT_ESS_REQUIRE_REASON"] == "yes",
        drill_max_age_days=numbers["QT_ESS_DRILL_MAX_AGE"],
        metrics_dir=draw(DIRECTORIES),
    )


def written(known: config.Config) -> str:
    values: dict[str, Any] = {
        "QT_ESS_TRADING_UNITS": " ".join(known.trading),
        "QT_ESS_MONITOR_UNITS": " ".join(known.monitors),
        "QT_ESS_START_ORDER": " ".join(known.start_order),
        "QT_ESS_STOP_GRACE": f"{known.stop_grace:.3f}",
        "QT_ESS_STOP_CATEGORY": known.stop_category,
        "QT_ESS_SETTLE": f"{known.settle:.3f}",
        "QT_ESS_START_TIMEOUT": f"{known.start_timeout:.3f}",
        "QT_ESS_AFTER_REBOOT": known.after_reboot,
        "QT_ESS_REQUIRE_REASON": "yes" if known.require_reason else "no",
        "QT_ESS_DRILL_MAX_AGE": f"{known.drill_max_age_days:.3f}",
        "QT_ESS_METRICS_DIR": known.metrics_dir,
    }
    return "".join(f'{key}="{value}"\n' for key, value in values.items())


@given(configurations())
def test_what_is_written_is_read(known: config.Config) -> None:
    assert parse(written(known)) == known


VALUES = st.one_of(
    st.sampled_from(
        ("hold", "1", "1.5", "0.0001", "10000", "01", "yes", "a b", "a@*", "a[b]c", "/a", "/a/.b")
    ),
    st.lists(
        st.sampled_from(("a", "a.service", "b@*.service", "b@1", "q?", "[ab]x", "a@.service")),
        max_size=3,
    ).map(" ".join),
    st.text(st.sampled_from("ab10.@*?[]!^-_ \"'$\\`#;=\t\r\x00é\u2003"), max_size=8),
)
LINES = st.one_of(
    st.builds("{}={}".format, st.sampled_from(tuple(DEFAULTS)), VALUES),
    st.builds("{}='{}'".format, st.sampled_from(tuple(DEFAULTS)), VALUES),
    st.builds('{}="{}"'.format, st.sampled_from(tuple(DEFAULTS)), VALUES),
    st.sampled_from(("", "# comment", "; \\", "  # c", "\t", "X=1", "export A=1")),
    st.text(st.sampled_from("#;= \t\\ab\u3000"), max_size=6),
)
FILES = st.lists(LINES, max_size=4).map("\n".join)


@given(st.one_of(st.binary(), FILES.map(str.encode)))
def test_never_anything_but_a_configuration_or_a_refusal(data: bytes) -> None:
    try:
        parse(data)
    except ConfigError as error:
        said = str(error)
    else:
        said = ""
    assert "\n" not in said


HOSTILE = st.lists(st.one_of(LINES.map(str.encode), st.binary(max_size=6)), max_size=4).map(
    b"\n".join
)


class Bash:
    """The bash reader, kept running: a file's path in, its answer out."""

    SCRIPT = """
    LC_ALL=C.UTF-8
    for part in paths names config; do . "$1/ops/lib/$part.sh"; done
    while IFS= read -r file; do
        config_load "$file" 2>/dev/null || { echo "refused ${CONFIG_ERROR#"$file"}" && continue; }
        names_join TRADING "${TRADING[@]}"
        names_join MONITORS "${MONITORS[@]}"
        echo "ok ${TRADING[*]} | ${MONITORS[*]} | ${START_ORDER[*]}" \
            "${CONFIG[QT_ESS_STOP_GRACE]} ${CONFIG[QT_ESS_SETTLE]} ${CONFIG[QT_ESS_AFTER_REBOOT]}"
    done
    """

    def __init__(self, directory: Path) -> None:
        self.file = directory / "ess.env"
        self.process = subprocess.Popen(
            ["bash", "-c", self.SCRIPT, "bash", str(REPOSITORY)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def read(self, data: bytes) -> str:
        assert self.process.stdin
        assert self.process.stdout
        self.file.write_bytes(data)
        self.process.stdin.write(f"{self.file}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().rstrip("\n")


def by_python(data: bytes) -> str:
    try:
        known = config.parse(data, "")
    except ConfigError:
        return "refused"
    values = dict(
        line.split("=", 1)
        for line in data.decode("utf-8", "replace").split("\n")
        if line.startswith(("QT_ESS_STOP_GRACE=", "QT_ESS_SETTLE=", "QT_ESS_AFTER_REBOOT="))
    )
    shown = [
        values.get(key, DEFAULTS[key]).rstrip(" ").strip("\"'")
        for key in ("QT_ESS_STOP_GRACE", "QT_ESS_SETTLE", "QT_ESS_AFTER_REBOOT")
    ]
    order = dict.fromkeys((*known.start_order, *known.trading))
    lists = (known.trading, known.monitors, tuple(order))
    return f"ok {' | '.join(map(' '.join, lists))} {' '.join(shown)}"


def test_bash_reads_it_alike(tmp_path: Path) -> None:
    bash = Bash(tmp_path)

    @settings(max_examples=400)
    @given(st.one_of(FILES, configurations().map(written)).map(str.encode) | HOSTILE)
    def alike(data: bytes) -> None:
        answer, expected = bash.read(data), by_python(data)
        assert answer == expected if answer.startswith("ok") else expected == "refused", answer

    with bash.process as process:
        alike()
        assert process.stdin
        process.stdin.close()
