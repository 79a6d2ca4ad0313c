"""Comparing rows with what the events say: a clean database shows nothing, and every kind of tampering shows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from random import Random
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from psycopg.conninfo import make_conninfo

from conftest import Urls
from engine.histories import event, lamp_history, lamps, live, new_account, recorded, rows, sockets, write
from iamledger import store
from iamledger.engine.catchup import catch_up
from iamledger.engine.compile import Table, quoted
from iamledger.engine.errors import BrokenRule
from iamledger.engine.naive import Version
from iamledger.engine.rebuild import rebuild
from iamledger.engine.verify import Comparison, Drift
from iamledger.store import Connection, Context, NewEvent
from iamledger_projections import projections

BY_SOMEBODY = Context({"actor": {"kind": "tester", "level": 1}})


@pytest.fixture(scope="module")
def superuser(urls: Urls) -> Iterator[Connection]:
    """Who can tamper with rows."""
    with psycopg.connect(make_conninfo(urls.superuser, options="-c timezone=UTC"), autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="module")
def account(connection: Connection) -> str:
    """An account with a history of 80 events."""
    account = new_account()
    write(connection, account, lamp_history(Random(4), 80), BY_SOMEBODY)
    catch_up(connection, account, [live(connection, lamps), live(connection, sockets)])
    return account


def drifts(connection: Connection, table: Table, account: str, upto: int = 80) -> list[Drift]:
    """Compare all rows of a projection, in one snapshot."""
    with connection.transaction():
        comparison = Comparison(connection, account, table, upto)
        found: list[Drift] = []
        for e in recorded(connection, account, upto):
            assert (e.type in comparison.events) == (e.type in table.projection.events())
            found += comparison.apply(e)
        return [*found, *comparison.finish()]


# Nothing wrong


@pytest.mark.parametrize("projection", [lamps, sockets], ids=lambda projection: projection.name)
def test_a_clean_database_shows_no_drift(connection: Connection, account: str, projection: Any) -> None:
    """Neither at the head nor at any earlier position, though the rows have gone further."""
    table = live(connection, projection)
    assert rows(connection, table, account)
    for upto in range(1, 81):
        assert drifts(connection, table, account, upto) == []


def test_every_row_is_counted(connection: Connection, account: str) -> None:
    table = live(connection, lamps)
    with connection.transaction():
        comparison = Comparison(connection, account, table, 80)
        for e in recorded(connection, account):
            assert not comparison.apply(e)
        list(comparison.finish())
    assert comparison.rows == len(rows(connection, table, account))


def test_several_projections_are_compared_side_by_side(connection: Connection, account: str) -> None:
    with connection.transaction():
        both = [Comparison(connection, account, live(connection, projection), 80) for projection in (lamps, sockets)]
        for e in recorded(connection, account):
            assert [[*comparison.apply(e)] for comparison in both] == [[], []]
        assert [list(comparison.finish()) for comparison in both] == [[], []]


def test_an_event_that_broke_a_rule_is_told(connection: Connection) -> None:
    account, table = new_account(), live(connection, lamps)
    write(connection, account, [event("LampHung", lamp="l"), event("LampHung", lamp="l")])
    catch_up(connection, account, [table])
    assert drifts(connection, table, account, 1) == []
    with pytest.raises(BrokenRule, match="open of a row that is open"):
        drifts(connection, table, account, 2)


# Tampering

OTHER_VALUES = {
    "text": "coalesce({0}, '') || '.'",
    "bigint": "coalesce({0}, 0) + 1",
    "boolean": "NOT coalesce({0}, false)",
    "timestamptz": "coalesce({0}, 'epoch') + interval '1 microsecond'",
    "jsonb": "jsonb_build_array({0})",
}
EMPTIED = "CASE WHEN {0} IS NULL THEN {1} END"
WHICH = "account_id = %(account)s AND since = %(since)s AND {key}"


def tamper(superuser: Connection, table: Table, account: str, change: str, row: tuple[Any, ...]) -> int:
    """Change one row. Returns how many were changed."""
    projection = table.projection
    key = " AND ".join(f"{quoted(name)} = %(key{n})s" for n, name in enumerate(projection.key))
    parameters = {"account": account, "since": row[1], **{f"key{n}": value for n, value in enumerate(row[0])}}
    statement = change.format(table=table.name) + " WHERE " + WHICH.format(key=key)
    return superuser.execute(statement, parameters).rowcount


def changes(table: Table) -> dict[str, str]:
    """Every kind of tampering, by name."""
    projection = table.projection
    first = quoted(projection.key[0])
    names = ["account_id", "since", "until", *projection.key, *projection.columns]
    into = ", ".join(map(quoted, names))

    def copied(**other: str) -> str:
        values = ", ".join(other.get(name, quoted(name)) for name in names)
        return f"INSERT INTO {{table}} ({into}) SELECT {values} FROM {{table}}"

    found = {
        "removed": "DELETE FROM {table}",
        "since earlier": "UPDATE {table} SET since = since - 1",
        "since later": "UPDATE {table} SET since = since + 1",
        "since in the future": "UPDATE {table} SET since = 1000000",
        "until earlier": "UPDATE {table} SET until = until - 1",
        "until later": "UPDATE {table} SET until = until + 1",
        "until in the future": "UPDATE {table} SET until = 1000000",
        "reopened or closed": "UPDATE {table} SET until = CASE WHEN until IS NULL THEN since + 1 END",
        "of another key": f"UPDATE {{table}} SET {first} = {first} || '.'",
        "of another account": "UPDATE {table} SET account_id = '999999999999'",
        "extra": copied(**{projection.key[0]: f"{first} || '.'"}),
        "extra in the future": copied(since="1000000", until="NULL"),
        "extra before": copied(since="0", until="since"),
    }
    for name, type_ in projection.columns.items():
        other = OTHER_VALUES[type_].format(quoted(name))
        found[f"other {name}"] = f"UPDATE {{table}} SET {quoted(name)} = {other}"
        found[f"empty {name}"] = f"UPDATE {{table}} SET {quoted(name)} = {EMPTIED.format(quoted(name), other)}"
    return found


@pytest.mark.slow
@settings(max_examples=200, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=some.data())
def test_whatever_is_tampered_with_shows(
    superuser: Connection, connection: Connection, account: str, data: Any
) -> None:
    table = live(connection, data.draw(some.sampled_from([lamps, sockets])))
    kind, change = data.draw(some.sampled_from(sorted(changes(table).items())))
    row = data.draw(some.sampled_from(rows(connection, table, account)))
    with superuser.transaction(force_rollback=True):
        try:
            with superuser.transaction():
                assert tamper(superuser, table, account, change, row) == 1
        except (psycopg.errors.UniqueViolation, psycopg.errors.DataException):
            assert kind.startswith("since")
            return  # another version of the row begins there, or the row would end before it begins
        if kind in ("until earlier", "until later") and row[2] is None:
            assert drifts(superuser, table, account) == []  # an open row has no end to shift
            return
        found = drifts(superuser, table, account)

    assert found, kind
    assert all((drift.projection, drift.account_id) == (table.projection.name, account) for drift in found)
    versions = [version for drift in found for version in (drift.expected, drift.found) if version is not None]
    first, *rest = row[0]
    assert all(version.key in {(first, *rest), (f"{first}.", *rest)} for version in versions)
    match kind.split()[0]:
        case "removed":
            assert [(drift.expected is not None, drift.found) for drift in found] == [(True, None)]
        case "extra":
            assert [(drift.expected, drift.found is not None) for drift in found] == [(None, True)]
        case "other" | "empty":
            (drift,) = found
            assert drift.expected is not None
            assert drift.found is not None
            assert (drift.expected.since, drift.expected.until) == (drift.found.since, drift.found.until) == row[1:3]
            assert f"differs: {kind.split()[1]} is " in str(drift)
    assert drifts(connection, table, account) == []


def test_true_is_not_one(superuser: Connection, connection: Connection, account: str) -> None:
    table = live(connection, lamps)
    with superuser.transaction(force_rollback=True):
        superuser.execute(
            f"UPDATE {table.name} SET by = jsonb_set(by, '{{level}}', 'true') WHERE account_id = %s", (account,)
        )
        found = drifts(superuser, table, account)
    assert len(found) == len(rows(connection, table, account))
    assert "by is {'kind': 'tester', 'level': True} instead of" in str(found[0])


def test_all_rows_are_gone(superuser: Connection, connection: Connection, account: str) -> None:
    table = live(connection, lamps)
    before = rows(connection, table, account)
    with superuser.transaction(force_rollback=True):
        superuser.execute(f"TRUNCATE {table.name}")
        assert len(drifts(superuser, table, account)) == len(before)


def test_what_a_drift_says() -> None:
    one = Version(("room", "wall"), 3, 7, {"lamp": "l", "at": 3})
    assert str(Drift("sockets", "1", one, None)) == "sockets room/wall from 3 until 7: lacks a row"
    assert (
        str(Drift("sockets", "1", None, one._replace(until=None)))
        == "sockets room/wall from 3 until now: has a row that no event made"
    )
    other = one._replace(until=None, columns={"lamp": None, "at": 3})
    assert str(Drift("sockets", "1", one, other)) == (
        "sockets room/wall from 3 until 7: has a row that differs: ends at None instead of 7; lamp is None instead of 'l'"
    )


# Erased values


def test_an_erased_value_must_go_from_the_rows_too(connection: Connection) -> None:
    """Rows that still show it differ from the events; a rebuild takes it away."""
    users, account = projections()["users"], new_account()
    made = {"user_name": "u", "path": "/", "tags": [["team", "red"]]}
    write(
        connection,
        account,
        [
            NewEvent("UserCreated", {"user_id": "U1", **made}, personal=["tags"]),
            NewEvent("UserCreated", {"user_id": "U2", **made}, personal=["tags"]),
            NewEvent("UserPathChanged", {"user_id": "U1", "path": "/a/"}),
        ],
    )
    table = live(connection, users)
    catch_up(connection, account, [table])
    assert drifts(connection, table, account, 3) == []
    assert store.erase(connection, account, 1)

    told = [str(drift) for drift in drifts(connection, table, account, 3)]
    assert told == [
        "users U1 from 1 until 3: has a row that differs: tags is [['team', 'red']] instead of None",
        "users U1 from 3 until now: has a row that differs: tags is [['team', 'red']] instead of None",
    ]

    table = rebuild(connection, users)
    assert drifts(connection, table, account, 3) == []
    tags = connection.execute(f"SELECT user_id, tags FROM {table.name} WHERE until IS NULL ORDER BY user_id").fetchall()
    assert tags == [("U1", None), ("U2", [["team", "red"]])]


def test_a_projection_without_personal_columns_shows_digests_erased_or_not(connection: Connection) -> None:
    tags = replace(projections()["users"], name="digests", personal=(), _digest=[])
    account, table = new_account(), live(connection, tags)
    made = {"user_id": "U1", "user_name": "u", "path": "/", "tags": [["team", "red"]]}
    write(connection, account, [NewEvent("UserCreated", made, personal=["tags"])])
    catch_up(connection, account, [table])
    assert drifts(connection, table, account, 1) == []
    assert store.erase(connection, account, 1)
    assert drifts(connection, table, account, 1) == []
    ((shown,),) = connection.execute(f"SELECT tags FROM {table.name}").fetchall()
    assert list(shown) == ["digest"]
