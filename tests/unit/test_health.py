"""How what follows a stop is: found on real files, bounded, and no traceback for anybody."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ess import bounded, event, journal, judge_aftermath, spool
from ess.aftermath import health, intake
from ess.audit import history, recent
from ess.audit import log as audit
from ess.event import Event
from ess.facts import Aftermath
from ess.paths import Paths
from tests.unit.facts import healthy

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
URL = "QT_ESS_ALERT_URLS=json://desk.example\n"


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """The journal of the machine that runs the tests is not ours to write to, or to judge by."""
    monkeypatch.setattr(journal, "_send", lambda _address, _text: True)
    monkeypatch.setattr(history, "checkpoints", lambda _newest=None: {})


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(str(tmp_path))


def configure(paths: Paths, text: str, mode: int = 0o600) -> None:
    file = Path(paths.aftermath_config)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(mode)


def drop(paths: Paths, number: int, kind: str = "sentry-repair", **fields: str) -> Path:
    name = f"{number:016d}-1-1"
    one = Event(name, kind, number * 1_000_000, number, spool.boot(), "", fields)
    new = Path(paths.spools[0], "new")
    new.mkdir(parents=True, exist_ok=True)
    (new / name).write_bytes(event.encode(one))
    return new / name


def record(paths: Paths, *kinds: str, **fields: str) -> None:
    log = audit.Log(paths)
    for kind in kinds:
        log.append({"event": kind, "at": audit.stamp(1_763_713_340_000_000), **fields})
    log.close()


def codes(paths: Paths) -> set[str]:
    facts = healthy()._replace(aftermath=health.look(paths))
    return {finding.code for finding in judge_aftermath.judge(facts, paths)}


def test_a_host_that_tells_nobody_is_well(paths: Paths) -> None:
    assert health.look(paths) == Aftermath()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("QT_ESS_SLACK=x\n", "unknown key QT_ESS_SLACK"),
        ("QT_ESS_SLACK_WEBHOOK_URL=https://hooks.example/T/B/SECRET\n", "no slack alerts"),
        ("QT_ESS_TWILIO_AUTH_TOKEN=SECRET\n", "no SMS alerts"),
        ("QT_ESS_SMTP_HOST=mail.example\n", "no e-mail alerts"),
        ("QT_ESS_REDIS_URL=http://:SECRET@host\n", "QT_ESS_REDIS_URL"),
        (
            "QT_ESS_REDIS_URL=redis://host\nQT_ESS_REDIS_STREAM=quantum:ess:x\n",
            "QT_ESS_REDIS_STREAM: keys that begin with quantum:ess:",
        ),
    ],
)
def test_every_mistake_is_named_without_a_value(paths: Paths, text: str, words: str) -> None:
    configure(paths, text)
    [problem] = health.look(paths).problems
    assert words in problem
    assert "SECRET" not in problem
    assert "alerts-misconfigured" in codes(paths)


@pytest.mark.parametrize(
    "spoil", [lambda file: file.chmod(0o640), lambda file: os.chown(file, 1, 1)]
)
def test_a_file_that_others_can_read_is_one_finding(
    paths: Paths, spoil: Callable[[Path], None]
) -> None:
    configure(paths, "")
    spoil(Path(paths.aftermath_config))
    assert codes(paths) == {"alerts-exposed"}


def test_a_file_that_is_none_is_a_problem(paths: Paths) -> None:
    Path(paths.aftermath_config).mkdir(parents=True, mode=0o700)
    assert health.look(paths).problems == (f"{paths.aftermath_config}: is not a regular file",)


def test_events_that_wait_are_counted_by_the_oldest(paths: Paths) -> None:
    first, *_ = [drop(paths, number) for number in (1, 2, 3)]
    os.utime(first, (time.time() - 500,) * 2)
    waiting = health.look(paths).waiting[paths.spools[0]]
    assert waiting.events == 3
    assert 499 < waiting.age < 520
    assert codes(paths) == {"spool-waiting"}
    intake.run(paths)
    assert health.look(paths).waiting == {}
    assert codes(paths) == set()


def test_a_channel_fails_until_something_gets_through(paths: Paths) -> None:
    configure(paths, URL)
    record(paths, "alert-sent", "alert-failed", channel="url-1")
    record(paths, "alert-given-up", "alert-failed", channel="sms-7")
    assert health.look(paths).missed["url-1"] == 1_763_713_340
    assert codes(paths) == {"alert-failing", "alert-unacked"}
    record(paths, "alert-test", channel="url-1", delivered="no")
    assert "alert-failing" in codes(paths)
    record(paths, "alert-test", channel="url-1", delivered="yes")
    assert codes(paths) == {"alert-unacked"}


@pytest.mark.parametrize("package", ["apprise", "redis"])
def test_a_package_that_cannot_be_loaded_is_missed_only_where_it_is_needed(
    paths: Paths, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    assert health.look(paths).packages == {}
    configure(paths, f"{URL}QT_ESS_REDIS_URL=redis://127.0.0.1\n")
    missing = health.look(paths).packages
    assert set(missing) == {package}
    assert missing[package].startswith("ModuleNotFoundError: ")


def test_what_is_needed_is_loaded_in_a_child(paths: Paths) -> None:
    configure(paths, f"{URL}QT_ESS_REDIS_URL=redis://127.0.0.1\n")
    script = (
        "import sys; from ess.aftermath import health; from ess.paths import Paths\n"
        "found = health.look(Paths(sys.argv[1]))\n"
        "print(found.channels, found.packages, {'apprise', 'redis'} & set(sys.modules))"
    )
    argv = (sys.executable, "-c", script, paths.root)
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert (done.stdout, done.stderr) == ("('redis', 'url-1') {} set()\n", "")


def edit(line: bytes) -> bytes:
    return line.replace(b"mine", b"your")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda lines: [*lines[:-2], edit(lines[-2]), lines[-1]], "was edited"),
        (lambda lines: [*lines[:-2], lines[-1]], "does not follow"),
        (lambda lines: lines[:-1], "record 40 was written"),
        (lambda lines: [*lines[:-2], b"{\n", lines[-1]], "no JSON"),
        (lambda _lines: [], "there is no log"),
    ],
)
def test_a_log_that_was_changed_is_found(
    paths: Paths, spoil: Callable[[list[bytes]], list[bytes]], words: str
) -> None:
    record(paths, *["sentry-repair"] * 40, what="mine")
    assert codes(paths) == set()
    lines = Path(paths.audit).read_bytes().splitlines(keepends=True)
    Path(paths.audit).write_bytes(b"".join(spoil(lines)))
    [(where, what), *_] = health.look(paths).faults
    assert words in what
    assert codes(paths) == {"audit-broken"}
    if words == "was edited":
        assert where == f"{paths.audit}:39"


def test_only_the_newest_part_is_looked_at_and_lines_keep_their_numbers(paths: Paths) -> None:
    record(paths, *["sentry-repair"] * 40, what="mine")
    lines = Path(paths.audit).read_bytes().splitlines(keepends=True)
    Path(paths.audit).write_bytes(
        b"".join([edit(lines[0]), *lines[1:-3], edit(lines[-3]), *lines[-2:]])
    )
    newest = len(lines[-1]) * 10
    assert [fault.where for fault in recent.faults(paths, {}, newest)] == [f"{paths.audit}:38"]
    assert recent.faults(paths, {})[0].where == f"{paths.audit}:1"


def test_wherever_the_part_begins_a_whole_log_is_whole(paths: Paths) -> None:
    record(paths, *["sentry-repair"] * 2)
    os.rename(paths.audit, f"{paths.audit}.1")
    record(paths, *["sentry-repair"] * 3)
    # Shorter than one record is no part.
    for newest in range(300, 1500):
        assert recent.faults(paths, {}, newest) == [], newest


def test_right_after_logrotate_the_file_before_is_looked_at(paths: Paths) -> None:
    record(paths, *["sentry-repair"] * 5, what="mine")
    data = edit(Path(paths.audit).read_bytes())
    Path(paths.audit).unlink()
    record(paths, "sentry-repair")
    with gzip.open(f"{paths.audit}.2.gz", "wb") as file:
        file.write(data)
    assert recent.faults(paths, {}) == []
    Path(f"{paths.audit}.1").write_bytes(data)
    assert recent.faults(paths, {})[0].where == f"{paths.audit}.1:1"


def test_a_long_log_takes_little_time(paths: Paths) -> None:
    record(paths, *["sentry-repair"] * 3, what="mine" * 100)
    line = Path(paths.audit).read_bytes()
    with open(paths.audit, "ab") as file:
        for _ in range(200):
            file.write(line * 1000)
    begun = time.monotonic()
    assert health.look(paths).faults
    assert time.monotonic() - begun < 6


def test_a_disk_that_hangs_is_unknown_and_no_traceback(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded, "call", lambda _work, _seconds: None)
    unknown = health.look(paths).unknown
    assert set(unknown) == {paths.spools[0], paths.audit_head, paths.audit}
    assert all("no answer within" in why for why in unknown.values())


def test_a_directory_in_the_way_is_unknown(paths: Paths) -> None:
    Path(paths.audit).mkdir(parents=True)
    assert health.look(paths).unknown == {paths.audit: "Is a directory"}


def test_who_is_not_root_is_told_so(paths: Paths) -> None:
    configure(paths, URL)
    answer = bounded.call(lambda: nobody(paths), 10)
    assert answer is not None
    assert json.loads(answer) == {
        "what follows a stop": "only root may look at alerts, spool and audit log"
    }


def nobody(paths: Paths) -> bytes:
    os.setresuid(65534, 65534, 65534)
    found = health.look(paths)
    assert found.channels == ()
    return json.dumps(found.unknown).encode()
