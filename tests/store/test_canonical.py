"""Canonical JSON: the bytes are those of RFC 8785, and the values survive PostgreSQL's `jsonb`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from decimal import Decimal
from enum import StrEnum
from typing import Any

import pytest
import rfc8785
from hypothesis import example, given, settings
from hypothesis import strategies as some

from conftest import Urls
from iamledger.store import Connection, NotStrictJson, canonical
from iamledger.store.canonical import MAX_INTEGER, parse
from iamledger.store.connection import connect

TEXTS = some.text(some.characters(exclude_characters="\0", exclude_categories=["Cs"]))
KEYS = some.text(some.characters(min_codepoint=1, max_codepoint=127))
SCALARS = some.none() | some.booleans() | some.integers(-MAX_INTEGER, MAX_INTEGER) | TEXTS
VALUES = some.recursive(SCALARS, lambda v: some.lists(v) | some.dictionaries(KEYS, v), max_leaves=20)
ODD = '\x01\b\t\n\f\r\x1f\x7f\x80"\\/\u2028\u2029\ufeff\uffff\U0001f511'


class Colour(StrEnum):
    RED = "red"


@pytest.fixture(scope="module")
def connection(new_database: Callable[[], Urls]) -> Iterator[Connection]:
    with connect(new_database().application) as connection:
        yield connection


@given(VALUES)
@example({"b": 1, "a": 2, "": 3, "A": 4, "a!": 5, "~": 6, "\x7f": 7, "\n": 8, '"': 9})
@example([ODD, MAX_INTEGER, -MAX_INTEGER, 0, True, False, None, [], {}, [[]], {"": {}}])
def test_it_is_rfc_8785(value: Any) -> None:
    assert canonical(value) == rfc8785.dumps(value)


@given(VALUES)
@example([ODD])
def test_it_is_what_the_standard_library_writes_when_told_to(value: Any) -> None:
    assert canonical(value).decode() == json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


@settings(deadline=None)
@given(VALUES)
@example([ODD, MAX_INTEGER, -MAX_INTEGER])
@example({ODD[:8]: ODD})
def test_the_value_survives_jsonb(connection: Connection, value: Any) -> None:
    row = connection.execute("SELECT (%s::jsonb)::text", (canonical(value).decode(),)).fetchone()
    assert row is not None
    assert parse(row[0]) == value
    assert canonical(parse(row[0])) == canonical(value)


@given(VALUES)
def test_reading_it_gives_the_value_again(value: Any) -> None:
    assert parse(canonical(value)) == value


def test_a_tuple_is_a_list() -> None:
    assert canonical({"a": (1, ("b",))}) == b'{"a":[1,["b"]]}'


@pytest.mark.parametrize(
    "value",
    [
        *(0.0, 1.5, -0.0, float("nan"), float("inf"), 1e300, Decimal(1)),
        *(MAX_INTEGER + 1, -MAX_INTEGER - 1, 2**64, -(2**64)),
        *("\0", "a\0b", "\ud800", "\udfff", "\ud83d\ud83d"),
        *({"é": 1}, {"\0": 1}, {"\ud800": 1}, {1: 2}, {None: 1}, {True: 1}, {b"a": 1}),
        *(b"a", {1, 2}, ..., Colour.RED, range(3)),
    ],
    ids=ascii,
)
@pytest.mark.parametrize("wrapped", [lambda v: v, lambda v: [1, (v,)], lambda v: {"a": {"b": v}}])
def test_anything_else_is_refused(value: Any, wrapped: Callable[[Any], Any]) -> None:
    with pytest.raises(NotStrictJson):
        canonical(wrapped(value))


def test_the_refusal_names_the_place() -> None:
    with pytest.raises(NotStrictJson, match=r"^salary: a float cannot be stored"):
        canonical({"user": {"salary": 1.5}})


@pytest.mark.parametrize("depth", [300, 100_000])
@pytest.mark.parametrize("around", [lambda v: [v], lambda v: {"a": v}])
def test_what_is_nested_too_deeply_is_refused(depth: int, around: Callable[[Any], Any]) -> None:
    value: Any = 1
    for _ in range(depth):
        value = around(value)
    with pytest.raises(NotStrictJson, match="nested too deeply"):
        canonical(value)


@pytest.mark.parametrize("text", ["", "{", "nul", "NaN", "[1,]", '{"a":1}x', '"\x01"', b"\xff"])
def test_what_is_no_json_is_not_read(text: str | bytes) -> None:
    with pytest.raises(NotStrictJson):
        parse(text)
