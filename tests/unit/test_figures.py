"""The figures of the audit log: never lost, never counted twice, readable by Prometheus."""

from __future__ import annotations

import json
import os
import random
import shutil
import stat
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from ess import event, journal, spool
from ess.aftermath import figures, intake
from ess.audit import log as audit
from ess.audit import tally
from ess.audit.chain import Head
from ess.event import Event
from ess.paths import Paths
from tests.unit.test_aftermath import run_and_die

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parents[2]
PARTS = (
    "paths exits say names clock answer disk config latch cgroup systemd snapshot contain"
    " status spool arming metrics"
)


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return furnished(tmp_path)


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """The journal of the machine that runs the tests is not ours to write to."""
    monkeypatch.setattr(journal, "_send", lambda _address, _text: True)


def furnished(root: Path) -> Paths:
    paths = Paths(str(root))
    textfiles(paths).mkdir(parents=True)
    Path(paths.metrics_lock).parent.mkdir(parents=True)
    return paths


def textfiles(paths: Paths) -> Path:
    return Path(f"{paths.root}/var/lib/prometheus/node-exporter")


def drop(paths: Paths, number: int, kind: str = "trip", **fields: str) -> None:
    name = f"{number:016d}-1-1"
    one = Event(name, kind, number * 1_000_000, number, spool.boot(), f"id-{number}", fields)
    new = Path(paths.spools[0], "new")
    new.mkdir(parents=True, exist_ok=True)
    (new / name).write_bytes(event.encode(one))


def samples(text: str) -> dict[str, float]:
    """Return what Prometheus reads, labels behind the name; AssertionError for what it doubts."""
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation, family.name
        assert family.type in ("counter", "gauge"), family.name
        for sample in family.samples:
            found[" ".join((sample.name, *sample.labels.values()))] = sample.value
    assert len(found) == sum(not line.startswith("#") for line in text.splitlines())
    return found


def read(paths: Paths) -> dict[str, float]:
    return samples((textfiles(paths) / paths.event_metrics).read_text())


def test_what_happened_is_counted(paths: Paths) -> None:
    drop(paths, 1_763_713_331)
    drop(paths, 1_763_713_332, "contained", took="82")
    intake.run(paths)
    log = audit.Log(paths)
    for kind, channel in (
        ("alert-failed", "sms"),
        ("alert-sent", "sms"),
        ("alert-given-up", "mail"),
        ("alert-sent", "https://hooks.example/SECRET"),
    ):
        log.append({"event": kind, "channel": channel, "at": audit.stamp(1_763_713_340_500_000)})
    log.close()
    intake.run(paths)
    assert read(paths) == {
        "quantum_ess_audit_records_total": 6,
        "quantum_ess_activations_total": 1,
        "quantum_ess_last_activation_timestamp_seconds": 1_763_713_331,
        "quantum_ess_last_time_to_contained_seconds": 0.082,
        "quantum_ess_alerts_delivered_total sms": 1,
        "quantum_ess_alerts_delivered_total mail": 0,
        "quantum_ess_alerts_delivered_total other": 1,
        "quantum_ess_alert_failures_total sms": 1,
        "quantum_ess_alert_failures_total mail": 0,
        "quantum_ess_alert_failures_total other": 0,
        "quantum_ess_alerts_given_up_total sms": 0,
        "quantum_ess_alerts_given_up_total mail": 1,
        "quantum_ess_alerts_given_up_total other": 0,
        "quantum_ess_last_alert_failure_timestamp_seconds": 1_763_713_340.5,
    }


def test_a_log_without_activations_says_none(paths: Paths) -> None:
    drop(paths, 1, "drill")
    intake.run(paths)
    counts = {"quantum_ess_audit_records_total": 1.0, "quantum_ess_activations_total": 0.0}
    assert read(paths) == counts


def test_killed_between_any_two_steps_it_counts_right(tmp_path: Path) -> None:
    step, died = 0, True
    while died:
        step += 1
        paths = furnished(tmp_path / str(step))
        for number in range(1, 4):
            drop(paths, number)
        died = run_and_die(paths, step)
        drop(paths, 9)
        intake.run(paths)
        assert read(paths)["quantum_ess_activations_total"] == 4, f"killed before step {step}"
        assert read(paths)["quantum_ess_audit_records_total"] == 4, f"killed before step {step}"
    assert step > 20, "it died at every step of its work"


@pytest.mark.parametrize("rotate", ["no", "plain", "gzip"])
def test_a_crash_before_it_is_remembered_loses_no_count(paths: Paths, rotate: str) -> None:
    """The log is one record ahead of what is remembered, and may be rotated in between."""
    for number in (1, 2):
        drop(paths, number)
        intake.run(paths)
        shutil.copy(paths.audit_head, f"{paths.audit_head}.{number}")
    shutil.copy(f"{paths.audit_head}.1", paths.audit_head)
    if rotate != "no":
        os.rename(paths.audit, f"{paths.audit}.1")
    if rotate == "gzip":
        subprocess.run(["gzip", f"{paths.audit}.1"], check=True)
    drop(paths, 3)
    intake.run(paths)
    assert read(paths)["quantum_ess_activations_total"] == 3


@pytest.mark.parametrize(
    "spoil",
    [
        lambda head: head.unlink(),
        lambda head: head.write_text("{"),
        lambda head: head.write_text(json.dumps({**json.loads(head.read_text()), "counts": 7})),
        lambda head: head.write_text(
            json.dumps({key: json.loads(head.read_text())[key] for key in ("seq", "hash")})
        ),
        lambda head: head.write_text(
            head.read_text().replace('"activations": 2', '"activations": "2"')
        ),
    ],
    ids=["gone", "torn", "no counts", "of an older version", "no number"],
)
def test_what_is_not_remembered_is_counted_anew(
    paths: Paths, spoil: Callable[[Path], object]
) -> None:
    drop(paths, 1)
    intake.run(paths)
    os.rename(paths.audit, f"{paths.audit}-20260101")
    drop(paths, 2)
    intake.run(paths)
    spoil(Path(paths.audit_head))
    drop(paths, 3)
    intake.run(paths)
    assert read(paths)["quantum_ess_activations_total"] == 3
    assert read(paths)["quantum_ess_audit_records_total"] == 3


def test_counts_outlive_the_log_that_was_rotated_away(paths: Paths) -> None:
    drop(paths, 1)
    intake.run(paths)
    os.unlink(paths.audit)
    drop(paths, 2)
    intake.run(paths)
    assert read(paths)["quantum_ess_activations_total"] == 2
    assert read(paths)["quantum_ess_audit_records_total"] == 2


def test_random_kills_change_no_count(tmp_path: Path) -> None:
    chance = random.Random(4712)
    paths, dropped = furnished(tmp_path), 0
    for _ in range(25):
        for _ in range(chance.randrange(20)):
            dropped += 1
            drop(paths, dropped, chance.choice(("trip", "killed")))
        run_and_die(paths, chance.randrange(1, 120))
        if chance.random() < 0.3 and Path(paths.audit).exists():
            os.rename(paths.audit, f"{paths.audit}.{1000 - dropped}")
    intake.run(paths)
    records = list(audit.records(paths))
    trips = [one for one in records if one["event"] == "trip"]
    assert len(records) == dropped
    assert read(paths)["quantum_ess_activations_total"] == len(trips)
    assert read(paths)["quantum_ess_audit_records_total"] == dropped


def in_place(paths: Paths) -> Path:
    return textfiles(paths) / paths.event_metrics


@pytest.mark.parametrize(
    "trouble",
    [
        "rmdir {directory}",
        "rmdir {directory}; echo >{directory}",
        "mkdir {directory}/quantum_ess_events.prom",
        "rm {lock}; mkdir {lock}",
    ],
    ids=["no directory", "a file for it", "a directory in its place", "no lock"],
)
def test_no_trouble_reaches_the_aftermath(paths: Paths, trouble: str) -> None:
    Path(paths.metrics_lock).touch()
    script = trouble.format(directory=textfiles(paths), lock=paths.metrics_lock)
    subprocess.run(["sh", "-ec", script], check=True)
    drop(paths, 1)
    intake.run(paths)
    assert len(list(audit.records(paths))) == 1


@pytest.mark.parametrize(
    "plant",
    [
        lambda file, _victim: os.mkfifo(file),
        lambda file, victim: file.symlink_to(victim),
        lambda file, victim: file.with_name(f".{file.name}.left").symlink_to(victim),
    ],
    ids=["fifo", "symlink", "an old draft"],
)
def test_what_lies_in_its_place_is_not_followed(
    paths: Paths, tmp_path: Path, plant: Callable[[Path, Path], object]
) -> None:
    victim = tmp_path / "victim"
    victim.write_text("mine")
    plant(in_place(paths), victim)
    drop(paths, 1)
    intake.run(paths)
    assert victim.read_text() == "mine"
    assert stat.S_IMODE(in_place(paths).lstat().st_mode) == 0o644
    assert stat.S_ISREG(in_place(paths).lstat().st_mode)
    assert os.listdir(textfiles(paths)) == [paths.event_metrics]


@pytest.mark.parametrize(("value", "written"), [("/srv/x", True), ("", False)])
def test_the_directory_is_configured(paths: Paths, value: str, *, written: bool) -> None:
    chosen = Path(f"{paths.root}/srv/x")
    chosen.mkdir(parents=True)
    Path(paths.config).parent.mkdir(parents=True)
    Path(paths.config).write_text(f"QT_ESS_METRICS_DIR={value}\n")
    drop(paths, 1)
    intake.run(paths)
    assert os.listdir(chosen) == ([paths.event_metrics] if written else [])
    assert os.listdir(textfiles(paths)) == []


def test_one_that_hangs_is_not_followed_by_another(paths: Paths) -> None:
    drop(paths, 1)
    holder = subprocess.Popen(
        ["flock", paths.metrics_lock, "sh", "-c", "echo; exec sleep 60"], stdout=subprocess.PIPE
    )
    assert holder.stdout
    try:
        holder.stdout.readline()
        intake.run(paths)
        assert os.listdir(textfiles(paths)) == []
    finally:
        holder.kill()
        holder.wait(10)
        holder.stdout.close()


RECORDS = st.lists(
    st.fixed_dictionaries(
        {
            "event": st.sampled_from(
                ("trip", "contained", "alert-sent", "alert-failed", "alert-given-up", "drill")
            ),
            "at": st.one_of(st.just("2026-01-31T08:00:00.000Z"), st.text(max_size=8), st.none()),
            "channel": st.one_of(st.sampled_from(("slack", "sms")), st.text(max_size=40)),
            "took": st.one_of(st.integers(), st.text(max_size=15)),
        }
    ),
    max_size=80,
)


@given(RECORDS, st.integers(0, 80))
def test_any_records_make_a_file_that_can_be_read(
    records: list[dict[str, object]], cut: int
) -> None:
    """Added up at once or in two parts with a memory in between it is the same."""
    whole = tally.total(tally.Tally(), records)
    first = tally.total(tally.Tally(), records[:cut])
    again = tally.decode(json.loads(json.dumps(tally.encode(first))))
    assert tally.total(again, records[cut:]) == whole
    found = samples(figures.text(audit.Remembered(Head(7, "x"), whole)))
    trips = sum(one["event"] == "trip" for one in records)
    assert found["quantum_ess_activations_total"] == trips
    sent = sum(value for name, value in found.items() if "delivered_total" in name)
    assert sent == sum(one["event"] == "alert-sent" for one in records)


def sentry_writes(directory: Path, state: str, drill: Path) -> dict[str, float]:
    """Return what the sentry writes of a state and a record of the last drill."""
    script = f"""
    for part in {PARTS}; do . "$1/ops/lib/$part.sh"; done
    TELLERS='' {state} FINDINGS=() CG_ROOT=/nonexistent DRILL_FILE=$3
    config_load /nonexistent && metrics_put "$2"
    """
    argv = ["bash", "-c", script, "bash", str(ROOT), str(directory), str(drill)]
    done = subprocess.run(argv, capture_output=True, timeout=10, check=True)
    assert done.stderr == b""
    return samples((directory / "quantum_ess.prom").read_text())


@pytest.mark.parametrize(("state", "active"), [("clear", 0), ("latched", 1), ("unknown", 1)])
def test_the_file_of_the_sentry_can_be_read(tmp_path: Path, state: str, active: int) -> None:
    found = sentry_writes(tmp_path, f"LATCH_STATE={state}", tmp_path / "none")
    assert found.pop("quantum_ess_sentry_timestamp_seconds") > 1_700_000_000
    assert found.pop("quantum_ess_spool_depth") >= 0
    assert found == {
        "quantum_ess_active": active,
        "quantum_ess_armed": 1,
        "quantum_ess_contained": 0,
        "quantum_ess_last_drill_timestamp_seconds": 0,
        "quantum_ess_last_drill_passed": 0,
        "quantum_ess_drill_max_age_seconds": 8 * 86400,
        "quantum_ess_info unknown": 1,
    }


def test_the_file_of_the_sentry_tells_who_took_the_test_of_the_drill(tmp_path: Path) -> None:
    record = tmp_path / "last-drill"
    record.write_text(
        "epoch=1763713331\nresult=PASS\nchannels=slack:yes email-1:no *:yes a:maybe redis:yes\n"
    )
    found = sentry_writes(tmp_path, "LATCH_STATE=clear", record)
    name = "quantum_ess_last_drill_channel_acked"
    acked = {key.removeprefix(f"{name} "): found[key] for key in found if key.startswith(name)}
    assert acked == {"slack": 1, "email-1": 0, "redis": 1}
