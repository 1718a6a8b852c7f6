"""Unit names and patterns."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ess import names


@pytest.mark.parametrize(
    ("given_name", "full"),
    [
        ("a", "a.service"),
        ("a.service", "a.service"),
        ("a.v2", "a.v2.service"),
        ("a.timer", "a.timer"),
        ("a@1", "a@1.service"),
        ("a*", "a*.service"),
    ],
)
def test_suffix(given_name: str, full: str) -> None:
    assert names.with_suffix(given_name) == full


@pytest.mark.parametrize(
    "name",
    [
        "a.service",
        "a@1.service",
        "a@*.service",
        "a-[a-c]?*.service",
        "_a.service",
        "quantum-execution.service",
        "a:b.service",
    ],
)
def test_good_names(name: str) -> None:
    assert names.problem(name) is None


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (".service", "is not a unit name"),
        ("@a.service", "is not a unit name"),
        ("a/b.service", "is not a unit name"),
        ("a b.service", "is not a unit name"),
        ("a[b.service", "is not a unit name"),
        ("é.service", "is not a unit name"),
        ("a" * 250 + ".service", "is not a unit name"),
        ("a.socket", "is not a service"),
        ("a@.service", "is a template; name its instances, such as a@*.service"),
        ("quantum-ess.service", "names a unit of quantum-ess itself"),
        ("quantum-ess-canary.service", "names a unit of quantum-ess itself"),
        ("quantum-e*.service", "names a unit of quantum-ess itself"),
        ("*.service", "names a unit of quantum-ess itself"),
        ("*-sentry.service", "names a unit of quantum-ess itself"),
    ],
)
def test_bad_names(name: str, said: str) -> None:
    assert names.problem(name) == said


def test_patterns_stand_for_instances() -> None:
    assert names.matches("a@*.service", "a@1.service")
    assert not names.matches("a@*.service", "a.service")
    assert names.matches_any(["x.service", "a?.service"], "ab.service")
    assert names.overlap("redis-server.service", "redis-*.service")
    assert not names.overlap("a.service", "b.service")


@pytest.mark.parametrize(
    ("name", "template"),
    [
        ("a@1.service", "a@.service"),
        ("a@*.service", "a@.service"),
        ("a.service", None),
        ("a@.service", None),
        ("a*@1.service", None),
    ],
)
def test_templates(name: str, template: str | None) -> None:
    assert names.template_of(name) == template


@pytest.mark.parametrize(
    ("directory", "unit"),
    [("a.service", "a.service"), ("_cpu.service", "cpu.service"), ("__a.service", "_a.service")],
)
def test_cgroup_names_are_unescaped(directory: str, unit: str) -> None:
    assert names.unit_of_cgroup(directory) == unit


@given(st.text())
def test_any_text_is_judged(name: str) -> None:
    assert names.problem(name) is None or isinstance(names.problem(name), str)
    assert names.matches(name, name)
