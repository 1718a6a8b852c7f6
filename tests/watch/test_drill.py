"""The watcher of the canary: its one limit, and figures that nobody else hears of."""

from __future__ import annotations

import time
import uuid
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ess.errors import DrillError
from ess.mirror.address import parse
from ess.paths import Paths
from ess.watch import custom, drill, drill_figure, figures
from ess.watch.drill import EQUITY
from ess.watch.redis_keys import RedisKeys
from ess.watch.redis_source import RedisSource
from ess.watch.sample import Now
from ess.watch.settings import DEFAULTS, Settings
from ess.watch.source import Report, heard_now
from ess.watch.verdict import Mood, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ess.watch.assembly import Assembly
    from ess.watch.source import Source
    from tests.mirror.server import Server
    from tests.watch.ear import Ear

BOTH = {
    "QT_ESS_WATCH_REDIS_URL": "redis://127.0.0.1:1",
    "QT_ESS_WATCH_PROMETHEUS_URL": "http://127.0.0.1:1",
    "QT_ESS_EXPRESSION_MARGIN": "margin > 0.8",
}


@pytest.fixture
def canary(tmp_path: Path) -> Paths:
    """The places of a canary of which a drill through Redis is under way."""
    paths = Paths(str(tmp_path), "canary")
    for directory in (paths.runtime_dir, f"{paths.state_dir}/watch"):
        Path(directory).mkdir(parents=True)
    begin(paths)
    return paths


def begin(paths: Paths, through: str = "redis", at: float = 0) -> drill.Drill:
    text = f"ID={uuid.uuid4()}\nTHROUGH={through}\nAT={at}\n"
    Path(f"{paths.runtime_dir}/drill").write_text(text)
    return drill.load(paths)


def configure(paths: Paths, url: str) -> None:
    file = Path(paths.watch_config)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"QT_ESS_WATCH_REDIS_URL={url}\n")
    file.chmod(0o640)


def now() -> Now:
    return Now(time.time(), heard_now(), "boot-1")


def assemble(paths: Paths, **keys: str) -> Assembly:
    wanted = {f"QT_ESS_{key}": value for key, value in keys.items()}
    return drill.assemble(paths, Settings(DEFAULTS | BOTH | wanted), now())


def names(sources: tuple[Source, ...]) -> list[str]:
    return [one.name for one in sources]


def test_it_has_one_limit_and_hears_one_source(canary: Paths) -> None:
    found = assemble(canary).parts
    assert set(found.judge.names) == {"drawdown", "redis"}
    assert names(found.sources) == ["redis", "redis keys", "drill"]
    begin(canary, "own")
    assert names(assemble(canary).parts.sources) == ["drill"]
    begin(canary, "prometheus", at=1763713331.5)
    found = assemble(canary).parts
    assert names(found.sources) == ["prometheus, drill", "drill"]
    assert set(found.judge.names) == {"drawdown", "redis", "expr:drill"}


def test_an_evaluator_of_the_operators_is_not_run_a_second_time(
    canary: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(custom, "names", lambda: ["theirs"])
    assert set(assemble(canary).parts.judge.names) == {"drawdown", "redis"}
    assert "custom:theirs" not in names(assemble(canary).parts.sources)
    assert drill.sources(Settings(DEFAULTS | BOTH)) == ["redis", "prometheus", "custom"]
    assert drill.sources(Settings(DEFAULTS)) == ["custom"]


def test_it_writes_where_the_canary_is_and_stops_it_in_a_dry_run_too(canary: Paths) -> None:
    parts = assemble(canary, DRY_RUN="true", WATCH_OFF="drawdown").parts
    assert parts.directory.endswith("/var/lib/quantum-ess/canary/watch")
    assert not parts.dry_run
    Path(canary.requests).mkdir()
    parts.trip.trip("drawdown: too far", "")
    assert len(list(Path(canary.requests).iterdir())) == 1
    assert not Path(Paths(canary.root).requests).exists()


@pytest.mark.parametrize("limit", ["0.01", "15.0", "100"])
def test_its_figure_breaks_every_limit_that_can_be_set(canary: Paths, limit: str) -> None:
    begin(canary, "own")
    parts = assemble(canary, MAX_EQUITY_DD=limit).parts
    verdicts: list[Verdict] = []

    def take(samples: object, _cursor: str) -> None:
        for sample in samples:  # type: ignore[attr-defined]
            verdicts.extend(parts.judge.hear(sample, now()))

    with Path(f"{canary.runtime_dir}/figures").open("a") as file:
        for equity in EQUITY.values():
            file.write(f"equity {equity}\n")
            file.flush()
            parts.sources[-1].once(take, Report("drill"))
    assert [one.mood for one in verdicts] == [Mood.QUIET, Mood.BREACH]
    assert verdicts[-1].reason.startswith("drawdown 200.00 % ")
    assert verdicts[-1].limit == float(limit)


BAD: Mapping[str, str] = {
    "nothing": "",
    "no id": "THROUGH=redis\nAT=0\n",
    "a pattern": "ID=*\nTHROUGH=redis\nAT=0\n",
    "a key of the stack": "ID=figures\nTHROUGH=redis\nAT=0\n",
    "another source": f"ID={uuid.UUID(int=1)}\nTHROUGH=kafka\nAT=0\n",
    "no time": f"ID={uuid.UUID(int=1)}\nTHROUGH=redis\nAT=soon\n",
}


@pytest.mark.parametrize("text", BAD.values(), ids=BAD.keys())
def test_without_a_drill_it_does_not_run(canary: Paths, text: str) -> None:
    file = Path(f"{canary.runtime_dir}/drill")
    file.write_text(text)
    with pytest.raises(DrillError, match="describes no drill"):
        drill.load(canary)
    file.unlink()
    with pytest.raises(DrillError, match="no drill is under way"):
        assemble(canary)


def test_only_its_own_watcher_hears_its_figures(
    canary: Paths, server: Server, listen: Callable[[RedisSource], Ear]
) -> None:
    configure(canary, server.url)
    mine, other = drill.load(canary), replace(drill.load(canary), identity=str(uuid.uuid4()))
    everywhere = (figures.KEYS, mine.keys, other.keys)
    ears = [listen(RedisSource(parse(server.url), "0-0", 0.1, keys)) for keys in everywhere]
    for ear in ears:
        ear.await_answer()
    before = heard_now()
    for equity in EQUITY.values():
        said = drill_figure.write(canary, equity)
    word, ms = said.split()
    assert word == "written"
    assert before * 1000 - 1 <= int(ms) <= heard_now() * 1000
    server.client.xadd(figures.STREAM, {"name": "equity", "value": "7"})
    ears[1].await_values("equity", *map(float, EQUITY.values()))
    ears[0].await_values("equity", 7.0)
    time.sleep(0.5)
    assert ears[2].values("equity") == []
    drill_figure.forget(canary)
    assert server.client.keys("quantum:ess:drill:*") == []
    assert server.client.keys("*") == [figures.STREAM.encode()]


def test_a_request_through_redis_is_not_the_canarys(
    canary: Paths, server: Server, listen: Callable[[Source], Ear]
) -> None:
    keys = drill.load(canary).keys
    ear = listen(RedisKeys(parse(server.url), 0.1, keys))
    ear.await_answer()
    server.client.set(figures.STOP, "drunk bot")
    server.client.hset(figures.LATEST, "equity", "7")
    time.sleep(0.5)
    assert ear.values("manual") == ear.values("equity") == []
    server.client.set(keys.stop, "drill")
    ear.await_values("manual", "drill")


def test_what_a_killed_drill_leaves_goes_by_itself(canary: Paths, server: Server) -> None:
    configure(canary, server.url)
    drill_figure.write(canary, 1000)
    [key] = server.client.keys("*")
    assert 0 < server.client.ttl(key) <= 600


def test_a_redis_that_may_only_be_read_refuses(
    canary: Paths, serve: Callable[..., Server], server: Server
) -> None:
    may = {"keys": ["quantum:ess:*"], "categories": ["+@read", "+@connection", "+@transaction"]}
    server.client.acl_setuser("watch", enabled=True, passwords=["+s3cret"], **may)  # type: ignore[arg-type]
    configure(canary, f"redis://watch:s3cret@127.0.0.1:{server.port}")
    said = drill_figure.write(canary, 1000)
    assert said.startswith("refused ")
    assert "s3cret" not in said
    replica = serve("--replicaof", f"127.0.0.1 {server.port}")
    configure(canary, replica.url)
    assert drill_figure.write(canary, 1000).startswith("refused ")
    assert server.client.keys("*") == []


def test_a_redis_that_is_full_or_gone_is_no_refusal(canary: Paths, server: Server) -> None:
    configure(canary, server.url)
    server.client.config_set("maxmemory", "1")
    with pytest.raises(DrillError, match="redis: "):
        drill_figure.write(canary, 1000)
    server.client.config_set("maxmemory", "0")
    server.kill()
    with pytest.raises(DrillError, match="redis: "):
        drill_figure.write(canary, 1000)
    with pytest.raises(DrillError, match="redis: "):
        drill_figure.forget(canary)


def test_a_wrong_password_is_not_shown(canary: Paths, server: Server) -> None:
    configure(canary, f"redis://:s3cret@127.0.0.1:{server.port}")
    server.client.config_set("requirepass", "other")
    with pytest.raises(DrillError, match="redis: ") as caught:
        drill_figure.write(canary, 1000)
    assert "s3cret" not in str(caught.value)
