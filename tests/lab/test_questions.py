"""What Python asks systemd itself is what systemctl says, to root and to everybody."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.lab import ground as g

if TYPE_CHECKING:
    from tests.lab.lab import Lab

pytestmark = [pytest.mark.both_systemds, pytest.mark.latch_alone]

PYTHON = "/opt/quantum-ess/venv/bin/python"
ASK = """
import json, sys
from ess import questions
units = questions.matching(["quantum*.service", "wq*.service"], 5)
print(json.dumps([units, questions.runtime_directories(units, 5), questions.assertions(units, 5)]))
"""
LISTING = "--no-legend --plain --full --no-pager -- 'quantum*.service' 'wq*.service'"
# More than a message broker lets somebody wait for at once.
MANY = 150


def furnish(lab: Lab) -> None:
    """Have units of every kind: by file, link, template, in memory alone, new, and unknown."""
    body = "[Service]\nExecStart=/usr/bin/sleep infinity\n"
    units = {f"wq-{number}.service": body for number in range(MANY)}
    units["wq-kept.service"] = f"{body}RuntimeDirectory=quantum wq-own\n"
    units["wq-after.service"] = f"[Unit]\nAfter=wq-absent.service\n{body}"
    units["wq-made@.service"] = body
    g.put_units(lab, units)
    lab.sh(
        "systemctl start wq-made@one wq-after wq-kept"
        " && systemd-run --quiet --unit=wq-transient sleep infinity"
        " && ln -s wq-kept.service /etc/systemd/system/wq-alias.service"
        " && ln -s /dev/null /run/systemd/system/wq-masked.service"
        " && mkdir -p /usr/local/lib/systemd/system /etc/systemd/system/wq-directory.service"
        " && printf '[Service]\\nExecStart=/bin/true\\n' | tee"
        " /usr/local/lib/systemd/system/wq-new.service '/etc/systemd/system/wq bad.service'"
    )


@pytest.fixture
def host(ground: g.Ground, lab_image: str) -> Lab:
    return ground.lab(lab_image)


def test_one_question_alone_is_answered(host: Lab) -> None:
    """Read together with the end of the greeting it lay in PID 1's buffer: one trading unit."""
    ask = """
from ess import questions
print(*(len(questions.assertions(["quantum-governor.service"], 2)) for _ in range(200)))
"""
    assert set(host.exec(PYTHON, "-I", "-c", ask, timeout=60).stdout.split()) == {"1"}


@pytest.mark.parametrize("who", ["root", "nobody"])
def test_the_answers_are_those_of_systemctl(host: Lab, who: str) -> None:
    asked = host.exec("runuser", "-u", who, "--", PYTHON, "-I", "-c", ASK, timeout=60)
    units, directories, asserts = json.loads(asked.stdout)
    listed = host.sh(f"systemctl list-units --all {LISTING}; systemctl list-unit-files {LISTING}")
    names = {line.split()[0] for line in listed.stdout.splitlines()}
    assert set(units) == {name for name in names if not name.endswith("@.service")}
    assert len(units) > MANY
    assert {"wq-made@one.service", "wq-transient.service", "wq-new.service"} < set(units)
    assert {"wq-masked.service", "wq-alias.service", "wq-absent.service"} < set(units)
    shown = host.show_each(units, "RuntimeDirectory")
    assert {unit: " ".join(found) for unit, found in directories.items()} == shown
    assert directories["wq-kept.service"] == ["quantum", "wq-own"]
    assert asserts["quantum-governor.service"]
