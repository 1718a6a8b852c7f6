"""A release is not undone by who asked for the stop before it, however late what he left comes."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

import pytest

from tests.lab.rig import (
    CONTROLLER,
    ENFORCER,
    RUN_FLAG,
    RUNNING,
    SENTRY,
    VAR_FLAG,
    alive,
    any_flag,
    assert_held,
    assert_released,
    ess,
    touch,
    trip,
    wait_contained,
    wait_latched,
)
from tests.thorough import in_turn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.lab.lab import Lab

pytestmark = pytest.mark.latch_alone

TOOLS = (CONTROLLER, "ess")
PATHS = ("quantum-ess.path", "quantum-ess-disk.path")
READER = "quantum-ess-request.service"
TIMER = "quantum-ess-sentry.timer"
MEMBER = ("setpriv", "--reuid=quantum-ess", "--regid=quantum-ess", "--clear-groups")
PACKAGE = "/opt/quantum-ess/venv/lib/python*/site-packages/ess"
LATE = "/run/late"
STOPPERS = "/run/quantum-ess/stoppers"
DRAFT = "-- /var/lib/quantum-ess/.ESS_ON"
# How long (s) a word to systemd takes that is just not too slow to be waited for.
SLOWLY = 0.7
KICK = "start --no-block quantum-ess-trigger"
# A program that is called as on a busy host: what it is asked for comes later. Not for the
# enforcer, which ends with its children before a release goes on, unless it is asked for.
SLOW = """#!/bin/bash
group=$(</proc/self/cgroup)
if [[ "$*" == *"{words}"* && $group == *{of}* && ("{of}" || $group != *{enforcer}*) ]]; then
    : >{late}.$$
    {before}
fi
/usr/bin/{program} "$@"
code=$?
[[ ! -e {late}.$$ ]] || {{ {after}; rm {late}.$$; }}
exit $code
"""


@contextlib.contextmanager
def late(
    lab: Lab, call: str, *, of: str = "", before: str = "sleep 2", after: str = ":"
) -> Iterator[None]:
    """Whoever calls that (a program and words), in a unit of that name, is slow meanwhile."""
    program, _, words = call.partition(" ")
    slow = f"/usr/local/sbin/{program}"
    script = SLOW.format(
        program=program,
        words=words,
        of=of,
        enforcer=ENFORCER,
        late=LATE,
        before=before,
        after=after,
    )
    lab.write(slow, script, 0o755)
    try:
        yield
    finally:
        lab.sh(f"rm -f {slow} {LATE}.*")


def is_late(lab: Lab) -> bool:
    # Who takes too long is killed by who called him.
    found = lab.sh(f'for f in {LATE}.*; do [[ ! -d /proc/${{f##*.}} ]] || echo "$f"; done')
    return bool(found.stdout)


def await_late(lab: Lab) -> None:
    lab.wait_until(lambda: is_late(lab), what="somebody is late")


def await_list(lab: Lab) -> None:
    lab.wait_until(lambda: lab.exists(RUNNING), what="what ran is written down")


def activate(lab: Lab, tool: str = CONTROLLER) -> None:
    """Activate; nobody here waits for what that leaves behind."""
    lab.sh(f"{tool} activate &>/dev/null")
    await_list(lab)


def ask(lab: Lab) -> None:
    lab.exec(*MEMBER, "touch", "/run/quantum-ess/requests/please")
    wait_contained(lab)
    await_list(lab)


def release(lab: Lab, tool: str, *arguments: str) -> None:
    done = lab.exec(tool, "deactivate", *arguments, check=False, timeout=30)
    assert done.returncode == 0, done.stdout + done.stderr


def stays_released(lab: Lab) -> None:
    """What came late has come, and a moment later nothing is latched and trading runs."""
    lab.wait_until(lambda: not is_late(lab), 6, "what was late has come")
    time.sleep(0.5)
    assert lab.state(ENFORCER) == "inactive"
    assert_released(lab)


@pytest.mark.both_systemds
@pytest.mark.parametrize("tool", TOOLS)
def test_start_of_the_enforcer(armed: Lab, tool: str) -> None:
    """That it was started is the trip: one more start, with no flag, latched again."""
    with late(armed, f"systemctl {KICK}", before=f"sleep {SLOWLY}"):
        activate(armed)
        await_late(armed)
        release(armed, tool)
        stays_released(armed)


@pytest.mark.parametrize("tool", TOOLS)
def test_start_of_the_enforcer_by_python(armed: Lab, tool: str) -> None:
    call, slow = "bounded.spawn(lambda: ", "__import__('time').sleep(1.5) or "
    file = armed.sh(f"echo {PACKAGE}/trip.py").stdout.strip()
    whole = armed.read(file)
    assert call in whole
    armed.write(file, whole.replace(call, call + slow))
    try:
        activate(armed, "ess")
        release(armed, tool)
        time.sleep(2)
        stays_released(armed)
    finally:
        armed.write(file, whole)


@pytest.mark.parametrize("tool", TOOLS)
def test_flag_on_a_slow_disk(armed: Lab, tool: str) -> None:
    with late(armed, f"sync {DRAFT}"):
        activate(armed)
        wait_latched(armed)
        await_late(armed)
        release(armed, tool)
        stays_released(armed)


@pytest.mark.parametrize("tool", TOOLS)
def test_copy_of_the_enforcer_on_a_slow_disk(armed: Lab, tool: str) -> None:
    """PID 1 saw the copy that came late, and started an enforcer for it."""
    activate(armed)
    with late(armed, f"ln -T {DRAFT}", of=ENFORCER):
        armed.sh(f"rm {VAR_FLAG}")
        await_late(armed)
        release(armed, tool)
        stays_released(armed)


@pytest.mark.parametrize("tool", TOOLS)
def test_stop_of_the_units_where_no_enforcer_came(armed: Lab, tool: str) -> None:
    """Trading that was started by the release was stopped again, without a latch."""
    armed.systemctl("stop", *PATHS)
    calls = (
        f'case "$*" in *"{KICK}"*) rm {LATE}.$$; exit 1 ;; *"stop --no-block"*) sleep {SLOWLY} ;;'
        f" *) rm {LATE}.$$ ;; esac"
    )
    with late(armed, "systemctl", before=calls):
        armed.sh(f"{CONTROLLER} activate &>/run/said")
        await_late(armed)
        assert "the enforcer does not run" in armed.read("/run/said")
        armed.systemctl("start", *PATHS)
        release(armed, tool, "--all")
        stays_released(armed)
    armed.exec("rm", "/run/said")


@pytest.mark.parametrize("tool", TOOLS)
def test_words_of_a_request_on_a_slow_disk(armed: Lab, tool: str) -> None:
    with late(armed, f"sync {DRAFT}", of=READER, before="sleep 4"):
        ask(armed)
        wait_latched(armed)
        await_late(armed)
        release(armed, tool)
        stays_released(armed)


@pytest.mark.parametrize("tool", TOOLS)
def test_sentry_that_starts_the_enforcer(armed: Lab, tool: str) -> None:
    armed.systemctl("stop", TIMER, *PATHS)
    with late(armed, "systemctl start quantum-ess-trigger", of=SENTRY, before=f"sleep {SLOWLY}"):
        touch(armed)
        armed.systemctl("start", "--no-block", SENTRY)
        await_late(armed)
        armed.systemctl("start", TIMER, *PATHS)
        await_list(armed)
        release(armed, tool)
        stays_released(armed)


@pytest.mark.parametrize("tool", TOOLS)
def test_sentry_that_looks_for_what_the_enforcer_left(armed: Lab, tool: str) -> None:
    """It saw the latch, and then killed what a release had started meanwhile."""
    armed.systemctl("stop", TIMER)
    trip(armed)
    time.sleep(3.1)
    with late(armed, "stat -c %.6Z", of=SENTRY, before=":", after=f"sleep {SLOWLY}"):
        armed.systemctl("start", "--no-block", SENTRY)
        await_late(armed)
        armed.systemctl("start", TIMER)
        release(armed, tool)
        stays_released(armed)


@pytest.mark.parametrize(("asks", "tool"), in_turn(TOOLS, TOOLS))
def test_one_who_was_suspended(armed: Lab, asks: str, tool: str) -> None:
    """He would go on where he was, and set the latch that he finds gone."""
    script = (
        f"{asks} activate &>/run/suspended & pid=$!; until [[ -e {RUN_FLAG} ]]; do :; done;"
        " pkill -STOP -P $pid || :; kill -STOP $pid"
    )
    armed.sh(f"set +e; ({script}) </dev/null")
    try:
        wait_contained(armed)
        wait_latched(armed)
        await_list(armed)
        refused = armed.exec(tool, "deactivate", check=False, timeout=30)
        assert refused.returncode == 6, refused.stdout
        assert "still at work" in refused.stderr
        assert "the latch is still set" in refused.stderr
        assert_held(armed)
    finally:
        armed.sh("pkill -CONT -f activate; while pgrep -f 'activate$'; do sleep 0.1; done")
    assert armed.read("/run/suspended").count("CONTAINED") == 1
    release(armed, tool)
    stays_released(armed)
    armed.exec("rm", "/run/suspended")


@pytest.mark.parametrize("tool", TOOLS)
def test_who_only_tells_of_a_stop_is_not_waited_for(armed: Lab, tool: str) -> None:
    with late(armed, "logger --journald", of=READER, before="sleep 9"):
        ask(armed)
        await_late(armed)
        began = time.monotonic()
        release(armed, tool)
        assert time.monotonic() - began < 5
        assert is_late(armed)
        armed.exec("pkill", "-x", "sleep", check=False)
    assert not any_flag(armed)


@pytest.mark.parametrize("tool", TOOLS)
def test_who_asks_while_a_release_waits_is_heard(armed: Lab, tool: str) -> None:
    with late(armed, f"systemctl {KICK}", before=f"sleep {SLOWLY}"):
        activate(armed)
        await_late(armed)
        script = f"{tool} deactivate & pid=$!; sleep 0.4; {CONTROLLER} activate; wait $pid"
        done = armed.sh(script, check=False, timeout=30)
        assert done.returncode == 6, done.stdout + done.stderr
        assert "asked for the stop again" in done.stderr or "set the latch again" in done.stderr
    assert_held(armed)


@pytest.mark.parametrize("tool", TOOLS)
def test_one_that_hangs_and_was_killed_is_not_waited_for_twice(armed: Lab, tool: str) -> None:
    """What the refusal tells to do helps."""
    with late(armed, f"sync {DRAFT}", before="sleep 60"):
        activate(armed)
        wait_latched(armed)
        done = armed.exec(tool, "deactivate", check=False, timeout=30)
        assert done.returncode == 6, done.stdout
        end = done.stderr[done.stderr.index("kill -KILL") :].partition(". Then")[0]
        armed.sh(end)
        release(armed, tool)
        stays_released_but_for(armed)


def stays_released_but_for(lab: Lab) -> None:
    """As stays_released; the one that was killed left its mark."""
    lab.sh(f"rm -f {LATE}.*")
    stays_released(lab)


def test_nobody_but_root_can_hold_a_release_up(armed: Lab) -> None:
    trip(armed)
    assert armed.sh(f"stat -c %a {STOPPERS}").stdout == "600\n"
    assert ess(armed, "deactivate").returncode == 0


@pytest.mark.parametrize(("asks", "tool"), in_turn(TOOLS, TOOLS))
def test_a_journal_that_hangs_holds_no_release_up(armed: Lab, asks: str, tool: str) -> None:
    """What an activate has to tell waits for it for long."""
    armed.sh("systemctl kill -s STOP systemd-journald")
    try:
        activate(armed, asks)
        began = time.monotonic()
        release(armed, tool)
        assert time.monotonic() - began < 5
    finally:
        armed.sh("systemctl kill -s CONT systemd-journald")
    assert_released(armed)


ODD = ("mkfifo", "ln -s stoppers", "ln -s /dev/full", f"ln -s {RUN_FLAG}", "mkdir -m 0")


@pytest.mark.parametrize(("make", "tool"), in_turn(ODD, TOOLS))
def test_whatever_lies_there_neither_stop_nor_release_hangs(
    armed: Lab, make: str, tool: str
) -> None:
    armed.sh(f"rm -rf {STOPPERS}; {make} {STOPPERS}")
    try:
        began = time.monotonic()
        armed.exec(tool, "activate")
        assert time.monotonic() - began < 2
        assert alive(armed) == []
        await_list(armed)
        release(armed, tool)
    finally:
        armed.sh(f"rm -rf {STOPPERS}")
    assert_released(armed)
