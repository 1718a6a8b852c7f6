"""One member of a JSON text is replaced, and not one byte besides."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ess.mirror.document import NoObjectError, member, parsed, with_member

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.text(max_size=3) | st.just("it"), VALUES, max_size=5)
LAYOUTS = st.sampled_from([{}, {"indent": 2}, {"separators": (",", ":")}, {"ensure_ascii": False}])


@given(OBJECTS, LAYOUTS, st.sampled_from(["", " ", "\n\t"]))
def test_any_object(there: dict[str, object], layout: dict[str, object], space: str) -> None:
    text = space + json.dumps(there, **layout) + space  # type: ignore[arg-type]
    new = with_member(text, "it", "[1]")
    # By their representation, for NaN is not even equal to itself.
    assert repr(json.loads(new)) == repr({**there, "it": [1]})
    assert member(new, "it") == [1]
    assert repr(member(text, "it")) == repr(there.get("it"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{}", '{"it": 1}'),
        ("{ }", '{"it": 1 }'),
        ('{"a":1}', '{"a":1, "it": 1}'),
        ('{"a": {"it": 2} }', '{"a": {"it": 2}, "it": 1 }'),
        ('{"it":0,"a":1}', '{"it":1,"a":1}'),
        ('{"it" : "}" , "a":1}', '{"it" : 1 , "a":1}'),
        ('{"it": 2, "it": 3}', '{"it": 2, "it": 1}'),
        (r'{"\u0069t": 2}', r'{"\u0069t": 1}'),
        ('{"n": 1e999, "d": ' + "9" * 5000 + "}", '{"n": 1e999, "d": ' + "9" * 5000 + ', "it": 1}'),
    ],
)
def test_every_other_byte_stays(text: str, expected: str) -> None:
    assert with_member(text, "it", "1") == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "null", "[]", '"it"', "{", '{"it"}', '{"it":}', '{"a":1,}', "{1:2}", "{,}"),
        *('{"a":1} x', '{"a":1}{}', "{'a':1}", '{"a" 1}', '{"a":1 "b":2}', '{"a":"\n"}'),
        '{"a":' * 9999,
    ],
)
def test_what_is_no_object_is_refused(text: str) -> None:
    with pytest.raises(NoObjectError):
        with_member(text, "it", "1")
    with pytest.raises(NoObjectError):
        member(text, "it")


@given(st.text(alphabet='{}[]":, 1a\\\n'))
def test_it_takes_what_json_takes(text: str) -> None:
    try:
        expected = isinstance(json.loads(text), dict)
    except ValueError:
        expected = False
    try:
        with_member(text, "it", "1")
    except NoObjectError:
        assert not expected
    else:
        assert expected


@pytest.mark.parametrize("text", ["", "{", "[" * 99999, "9" * 5000])
def test_what_is_no_value_is_nothing(text: str) -> None:
    assert parsed(text) is None
