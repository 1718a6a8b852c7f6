"""Asking the delivery service: each question taken once, and nothing that lies there breaks it."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from ess.aftermath import enquiry, question, reply
from ess.aftermath.question import EVERY, Answer, Question, Sight, Tried
from ess.paths import Paths

ASKED = Question(EVERY, "alice", 8.0)
SAID = Answer(
    Sight(("slack",), "redis", ("no sms-1: x",), ("QT_ESS_ALERT_URLS",)),
    (Tried("slack", True, "ok", 12),),  # noqa: FBT003 - a field
    True,  # noqa: FBT003 - a field
)


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(str(tmp_path))


def test_a_question_is_taken_once(paths: Paths) -> None:
    path = question.place(paths)
    question.put(path, ASKED)
    assert question.take(paths) == {path: ASKED}
    assert question.take(paths) == {}
    assert not question.withdraw(path), "it is too late to take it back"


def test_a_question_that_was_taken_back_is_not_answered(paths: Paths) -> None:
    path = question.place(paths)
    question.put(path, ASKED)
    assert question.withdraw(path)
    assert question.take(paths) == {}


def test_what_is_answered_is_what_was_said(paths: Paths) -> None:
    path = question.place(paths)
    question.put(path, ASKED)
    assert question.answered(path) is None
    question.answer(path, SAID)
    assert question.answered(path) == SAID
    question.forget(path)
    question.forget(path)
    assert os.listdir(paths.questions) == []


def test_nobody_waits_for_an_old_question(paths: Paths) -> None:
    path = question.place(paths)
    question.put(path, ASKED)
    os.utime(path, (time.time() - 61,) * 2)
    assert question.take(paths) == {}
    assert not os.path.exists(path)


def test_litter_is_swept_and_garbage_left_alone(paths: Paths) -> None:
    directory = Path(paths.questions)
    directory.mkdir(parents=True)
    (directory / "1-1").mkdir()
    os.mkfifo(directory / "2-2")
    for name, text in (("3-3", "{"), ("4-4", "[]"), ("5-5", '{"test": 1}'), (".6-6.77", "{}")):
        (directory / name).write_text(text)
    (directory / "7-7").symlink_to("/dev/zero")
    assert question.take(paths) == {}
    for name in ("3-3", ".6-6.77"):
        os.utime(directory / name, (time.time() - 601,) * 2)
    question.take(paths)
    assert not (directory / "3-3").exists()
    assert not (directory / ".6-6.77").exists()


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"sight": []}', '{"sight": {}, "done": 1}'])
def test_an_answer_that_is_none_is_none(paths: Paths, text: str) -> None:
    path = question.place(paths)
    os.makedirs(paths.questions)
    Path(f"{path}.answer").write_text(text)
    assert question.answered(path) is None


def test_who_answers_says_when_it_is_done(paths: Paths) -> None:
    path = question.place(paths)
    question.put(path, Question())
    replies = reply.Replies(paths)
    replies.take()
    deadline = time.monotonic() + 10
    while replies.busy and time.monotonic() < deadline:
        time.sleep(0.01)
    assert question.answered(path) == Answer(Sight(), (), done=True)


BEGUN = 100.0
LATER, BEFORE = "100500000", "99000000"


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        ({"LoadState": "not-found"}, "is not installed"),
        ({"LoadState": "masked"}, "is masked"),
        ({"LoadState": "bad-setting"}, "cannot be loaded (bad-setting)"),
        ({}, "cannot be loaded (no answer)"),
        ({"ActiveState": "failed", "ExecMainStatus": "243"}, "does not start: a credential"),
        (
            {"ActiveState": "failed", "Result": "exit-code", "ExecMainStatus": "1"},
            "fails (exit-code, status 1)",
        ),
        ({"ActiveState": "inactive", "ConditionResult": "no"}, "the Python part is not installed"),
        ({"ActiveState": "inactive", "ConditionResult": "yes"}, ""),
        ({"ActiveState": "activating"}, ""),
    ],
)
def test_why_the_service_cannot_run(seen: dict[str, str], words: str) -> None:
    stamps = {"StateChangeTimestampMonotonic": LATER, "ConditionTimestampMonotonic": LATER}
    loaded = {"LoadState": "loaded"} if "ActiveState" in seen else {}
    why = enquiry._obstacle({**stamps, **loaded, **seen}, seen.get("ActiveState", ""), BEGUN)
    assert (words in why) if words else why == ""


@pytest.mark.parametrize("state", ["failed", "inactive"])
def test_what_was_before_the_question_is_no_obstacle(state: str) -> None:
    seen = {
        "LoadState": "loaded",
        "ExecMainStatus": "243",
        "ConditionResult": "no",
        "StateChangeTimestampMonotonic": BEFORE,
        "ConditionTimestampMonotonic": BEFORE,
    }
    assert enquiry._obstacle(seen, state, BEGUN) == ""
