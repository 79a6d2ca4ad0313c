"""The quick look at order and hashes: it passes what is whole, and nothing in which the careful look finds anything."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from unittest.mock import patch

import orjson
import psycopg
import pytest
from eventsourcing.dcb.api import DCBEvent
from hypothesis import given, settings
from hypothesis import strategies as some

from conftest import Urls
from iamledger import store
from iamledger.replay import replay
from iamledger.replay.hashes import CHECKED, _findings, _whole, streamed
from iamledger.store import Context, Database
from iamledger.store.events import body_hash, iso_of_text, leaf_hash
from iamledger.store.recorder import Recorder
from test_replay import EVENTS, Whole, filled

Row = tuple[Any, ...]
(POSITION, LEAF, TIME, TYPE, VERSION, TAGS, CONTEXT, DATA, HAS_PERSONAL, SALT, TOLD, DATA_TOLD) = range(12)


@pytest.fixture(scope="module")
def ledger(new_database: Callable[[], Urls]) -> Iterator[Whole]:
    """One of whose events the personal values were erased."""
    urls = new_database()
    database = Database(urls.application)
    whole = filled(database, urls)
    assert store.erase(database.connection, whole.account_id, 6)
    yield whole
    database.close()


@pytest.fixture(scope="module")
def rows(ledger: Whole) -> list[Row]:
    with ledger.connection.transaction():
        (rows,) = streamed(ledger.connection, CHECKED, {"account": ledger.account_id, "after": 0, "upto": EVENTS})
    return rows


def test_a_whole_ledger_needs_no_careful_look(ledger: Whole) -> None:
    with patch("iamledger.replay.hashes._findings", side_effect=AssertionError):
        assert replay(ledger.connection, ledger.account_id, EVENTS, verify=True).findings == []


PLACES = some.tuples(some.integers(0, EVENTS - 1), some.integers(POSITION, DATA_TOLD))
DEEP = "[" * 300 + "]" * 300
TEXTS = some.sampled_from(
    ["{}", "[]", "null", '"x"', "1e999", DEEP, f'{{"tags": {DEEP}}}', '{"tags": "x"}', '{"a": {"digest": "x"}}']
)
FITTING: dict[int, some.SearchStrategy[Any]] = {
    POSITION: some.integers(-3, 20),
    LEAF: some.binary(min_size=32, max_size=32),
    TIME: some.sampled_from(
        ["2020-01-01 00:00:00+00", "10000-01-01 00:00:00.12345+00", "0044-03-15 12:00:00.123+00 BC", "infinity"]
    ),
    TYPE: some.text(),
    VERSION: some.integers(0, 3),
    TAGS: some.lists(some.text(max_size=2) | some.none(), max_size=2),
    CONTEXT: TEXTS,
    DATA: TEXTS,
    HAS_PERSONAL: some.booleans(),
    SALT: some.none() | some.binary(max_size=16),
    TOLD: some.none() | TEXTS,
    DATA_TOLD: some.none() | TEXTS,
}


def forged(account_id: str, row: Row) -> Row:
    """The row with the hash that it would have if it had been written like that."""
    try:
        context, data = orjson.loads(row[CONTEXT]), orjson.loads(row[DATA])
        body = body_hash(context, data, row[TAGS], row[TYPE], row[VERSION])
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):  # no event can have been written like that
        return row
    return (row[POSITION], leaf_hash(account_id, body, row[POSITION], iso_of_text(row[TIME])), *row[TIME:])


@settings(max_examples=300, deadline=None)
@given(some.data(), PLACES, some.booleans())
def test_it_passes_only_what_the_careful_look_passes(
    ledger: Whole, rows: list[Row], data: some.DataObject, place: tuple[int, int], forge: bool
) -> None:
    n, column = place
    value = data.draw(FITTING[column] | some.sampled_from([row[column] for row in rows]))
    spoilt = [*rows]
    spoilt[n] = (*rows[n][:column], value, *rows[n][column + 1 :])
    if forge:
        spoilt[n] = forged(ledger.account_id, spoilt[n])
    found = list(_findings(ledger.account_id, spoilt, 0, None))
    passed = _whole(ledger.account_id, spoilt, 0, "")
    assert not (passed and found)
    assert passed or found or forge  # of what nobody can have written, the careful look may think better
    assert found or forge or spoilt == rows or column in (TOLD, DATA_TOLD, SALT)


@pytest.mark.parametrize("depth", [200, 600, 1000, 1020, 2000])
@pytest.mark.parametrize("column", [CONTEXT, DATA, TOLD, DATA_TOLD])
def test_what_is_nested_deeply_is_found(ledger: Whole, rows: list[Row], column: int, depth: int) -> None:
    deep = f'{{"tags": {{"digest": {"[" * depth + "]" * depth}}}}}'
    spoilt = [*rows[:1], (*rows[1][:column], deep, *rows[1][column + 1 :])]
    assert not _whole(ledger.account_id, spoilt, 0, "")
    assert [*_findings(ledger.account_id, spoilt, 0, None)]


def test_a_personal_value_that_is_nested_deeper_than_any_is_told(ledger: Whole, rows: list[Row]) -> None:
    spoilt = [*rows[:1], (*rows[1][:DATA_TOLD], f'{{"tags": {DEEP}}}')]
    assert not _whole(ledger.account_id, spoilt, 0, "")
    assert [*_findings(ledger.account_id, spoilt, 0, None)] == [
        "position 2: the personal value tags is not the one that was hashed"
    ]


def test_events_whose_data_are_no_object_may_have_a_personal_context(urls: Urls, database: Database) -> None:
    context = Context({"source": "203.0.113.7", "request_id": "theirs"}, personal=["source", "request_id"])
    recorder = Recorder(database, "123456789012", context)
    recorder.append([DCBEvent("Opaque", b"\0\xff", ["a", "b"])])
    with patch("iamledger.replay.hashes._findings", side_effect=AssertionError):
        assert replay(database.connection, "123456789012", 1, verify=True).findings == []
    with psycopg.connect(urls.superuser) as superuser:
        superuser.execute("UPDATE iamledger.personal SET data = '{\"x\": 1}'")
    assert replay(database.connection, "123456789012", 1, verify=True).findings == [
        "position 1: the personal value x is not the one that was hashed"
    ]
