"""The JSON reader agrees with the standard library's, but for what it refuses on purpose, and knows where things stand."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from iamledger.policy.json_places import DEEPEST, Array, Boolean, Null, Number, Object, String, Value, read
from iamledger.policy.problems import Problems


class Refused(Exception):
    """What the reader refuses on purpose, or the text is not JSON."""


def theirs(text: str) -> Any:
    def constant(word: str) -> Any:
        raise Refused(word)

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) < len(pairs):
            raise Refused("a repeated key")
        return dict(pairs)

    try:
        value = json.loads(text, parse_constant=constant, object_pairs_hook=members, parse_int=str, parse_float=str)
    except (json.JSONDecodeError, RecursionError) as error:
        raise Refused from error
    if any("\ud800" <= c <= "\udfff" for c in json.dumps(value, ensure_ascii=False)) or _depth(value) > DEEPEST:
        raise Refused
    return value


def ours(text: str) -> Any:
    problems = Problems(text)
    value = read(text, problems)
    if problems or value is None:
        assert problems
        raise Refused(str(problems.error()))
    return _plain(value)


def _plain(value: Value) -> Any:
    match value:
        case Object():
            return {name: _plain(member) for name, (_, member) in value.members.items()}
        case Array():
            return [_plain(item) for item in value.items]
        case String() | Number():
            return value.text
        case Boolean():
            return value.value
        case Null():
            return None
    raise AssertionError(value)


def _depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    return 1 + max(map(_depth, value), default=0) if isinstance(value, list) else 0


def agree(text: str) -> None:
    try:
        expected = theirs(text)
    except Refused:
        with pytest.raises(Refused):
            ours(text)
    else:
        assert ours(text) == expected


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
PIECES = st.sampled_from(
    [
        *'{}[]:,"\\/ \t\n\r-+.eE0159_xu#\u00a0\x0b\x00\ufeff\u0665',
        *("true", "false", "null", "NaN", "Infinity", '"a"', '"\\n"', '"\\ud83d\\ude00"', '"\\ud83d"', "12", "-0.5e3"),
        *('{"a":', '"a":1', "[1,", '"b":[]', "//", "/*"),
    ]
)


@given(value=VALUES, ascii_only=st.booleans(), indent=st.none() | st.integers(0, 3))
def test_whatever_is_dumped_is_read_alike(value: Any, ascii_only: bool, indent: int | None) -> None:
    agree(json.dumps(value, ensure_ascii=ascii_only, indent=indent))


@given(pieces=st.lists(PIECES, max_size=14))
@example(pieces=["[", "1", ",", "]"])
@example(pieces=['{"a":', "1", ",", '"a":1', "}"])
@example(pieces=["0", "1"])
@example(pieces=["-", "0"])
def test_soup_is_accepted_and_refused_alike(pieces: list[str]) -> None:
    agree("".join(pieces))


@given(value=VALUES, cut=st.integers(0, 60), replaced=st.integers(0, 3), piece=PIECES)
def test_damaged_json_is_accepted_and_refused_alike(value: Any, cut: int, replaced: int, piece: str) -> None:
    text = json.dumps(value)
    agree(text[:cut] + piece + text[cut + replaced :])


@given(text=st.text(max_size=20))
def test_any_text_is_accepted_and_refused_alike(text: str) -> None:
    agree(text)


@given(value=VALUES, indent=st.none() | st.integers(0, 3))
def test_every_value_begins_where_it_says(value: Any, indent: int | None) -> None:
    try:
        expected = theirs(text := json.dumps(value, indent=indent))
    except Refused:
        return
    root = read(text, Problems(text))
    assert root is not None
    everything = [root]
    for node in everything:
        decoder = json.JSONDecoder(parse_int=str, parse_float=str)
        assert decoder.raw_decode(text, node.offset)[0] == _plain(node)
        if isinstance(node, Object):
            for name, (key, member) in node.members.items():
                assert decoder.raw_decode(text, key.offset)[0] == name == key.text
                assert key.path == member.path == node.path.child(name)
                everything.append(member)
        if isinstance(node, Array):
            everything += node.items
    assert _plain(root) == expected


@pytest.mark.parametrize(
    "depth", [pytest.param(DEEPEST, id="as deep as allowed"), pytest.param(DEEPEST + 1, id="deeper")]
)
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_depth_is_limited(depth: int, opening: str, closing: str) -> None:
    text = opening * depth + ("1" if opening != "[" else "") + closing * depth
    if depth > DEEPEST:
        with pytest.raises(Refused, match="nested deeper than 32 levels"):
            ours(text)
    else:
        agree(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1, column 1: expected a value and found the end of the text"),
        ('{"a":1,}', "line 1, column 7: a comma with nothing between it and }; remove the comma"),
        ('{"a":1 "b":2}', "line 1, column 8: expected a comma or } and found a string"),
        ('{"a" 1}', 'line 1, column 6: a: expected a colon and found "1"'),
        ("{a:1}", 'line 1, column 2: expected a key in double quotes or } and found "a"'),
        (
            "{'a':1}",
            """line 1, column 2: expected a key in double quotes or } and found "'"; write strings in double quotes""",
        ),
        ("[1 // x\n]", "line 1, column 4: expected a comma or ] and found a comment; remove it: JSON has no comments"),
        ("[True]", 'line 1, column 2: [0]: "True" is no JSON value; write true'),
        ("[NaN]", 'line 1, column 2: [0]: "NaN" is no JSON value; JSON knows finite numbers only'),
        ("[Allow]", 'line 1, column 2: [0]: "Allow" is no JSON value; write strings in double quotes'),
        ("[01]", 'line 1, column 2: [0]: "01" is no JSON value; write numbers like 0.5, -1 or 1e3'),
        ('["a\nb"]', 'line 1, column 2: [0]: a string that does not end in its line; close it with ", or write \\n'),
        ('["a', 'line 1, column 2: [0]: a string that does not end; close it with "'),
        ('["\\q"]', 'line 1, column 3: [0]: a backslash before "q" begins no escape; write \\\\ for a \\'),
        ('["\\u12"]', "line 1, column 3: [0]: \\u without four hexadecimal digits; write \\\\ for a \\"),
        ('["a\tb"]', "line 1, column 4: [0]: the character U+0009 in a string; write it as an escape"),
        ("[] []", 'line 1, column 4: expected the end of the text and found "["'),
        ('{"a":1,\n"a":2}', 'line 2, column 1: a: "a" stands here again, after line 1'),
    ],
)
def test_it_says_what_it_expected_and_found(text: str, said: str) -> None:
    with pytest.raises(Refused) as refused:
        ours(text)
    assert str(refused.value) == said
