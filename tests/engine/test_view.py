"""Views: any position of the past equals a replay up to it, and all projections of a view stand at the same one."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from random import Random
from threading import Event
from typing import Any

import psycopg
import pytest

from conftest import Urls
from engine.histories import (
    Rows,
    event,
    kill,
    lamp_history,
    lamps,
    live,
    new_account,
    oracle,
    plain,
    sockets,
    watched,
    write,
)
from iamledger import store
from iamledger.engine.declaration import Projection
from iamledger.engine.errors import InvalidQuery, NoSuchProjection
from iamledger.engine.naive import Version
from iamledger.engine.rebuild import rebuild
from iamledger.engine.view import View, count_rows, open_view
from iamledger.store import Connection, ConnectionLost, NoLedger, StoreError
from iamledger.store.connection import connect
from iamledger.store.events import iso
from iamledger_projections import projections

BOTH = [lamps, sockets]


@pytest.fixture
def account(connection: Connection) -> str:
    """An account with a history of 60 events."""
    account = new_account()
    write(connection, account, lamp_history(Random(3), 60))
    return account


def rows_of(view: View, projection: Projection) -> Rows:
    """The rows of a view, without when they end, which a view of the past does not show."""

    def value(column: Any) -> Any:
        return iso(column) if isinstance(column, datetime) else column

    return plain(
        [
            Version(
                tuple(row[name] for name in projection.key),
                row["since"],
                None,
                {name: value(row[name]) for name in projection.columns},
            )
            for row in view.rows(f"SELECT * FROM {{{projection.name}}}")
        ]
    )


def told_at(connection: Connection, projection: Projection, account: str, position: int) -> Rows:
    """What a replay up to a position makes, without when rows end."""
    return oracle(connection, projection, account, upto=position).rows_at(position)


# Positions


@pytest.mark.parametrize("projection", BOTH, ids=lambda projection: projection.name)
def test_as_of_every_position_is_a_replay_up_to_it(
    connection: Connection, account: str, projection: Projection
) -> None:
    for position in range(61):
        with open_view(connection, account, BOTH, position=position) as view:
            assert view.position == position
            assert rows_of(view, projection) == told_at(connection, projection, account, position)


def test_now_is_as_of_the_head(connection: Connection, account: str) -> None:
    with open_view(connection, account, BOTH) as view:
        now = [rows_of(view, projection) for projection in BOTH]
        assert (view.position, view.past) == (60, False)
    with open_view(connection, account, BOTH, position=60) as view:
        assert [rows_of(view, projection) for projection in BOTH] == now
    assert any(now)


def test_the_past_does_not_change(connection: Connection, account: str) -> None:
    with open_view(connection, account, BOTH, position=30) as view:
        before = [rows_of(view, projection) for projection in BOTH]
    write(connection, account, [event("LampHung", lamp=f"later {n}") for n in range(10)])
    for projection in BOTH:
        rebuild(connection, projection)
    with open_view(connection, account, BOTH, position=30) as view:
        assert [rows_of(view, projection) for projection in BOTH] == before


def test_a_write_can_be_read_at_once(connection: Connection, account: str) -> None:
    position = write(connection, account, [event("LampHung", lamp="fresh")])
    with open_view(connection, account, [lamps]) as view:
        assert view.position == position
        assert [row["since"] for row in view.rows("SELECT * FROM {lamps} WHERE lamp = 'fresh'")] == [position]


def test_a_view_shows_one_moment_however_long_it_is_open(urls: Urls, connection: Connection, account: str) -> None:
    with open_view(connection, account, BOTH) as view, connect(urls.application) as writer:
        before = rows_of(view, lamps)
        write(writer, account, [event("LampHung", lamp="fresh")])
        with open_view(writer, account, BOTH) as later:
            assert later.position == view.position + 1
        assert rows_of(view, lamps) == before


def test_projections_that_others_brought_further_are_read_as_of_the_same_position(
    connection: Connection, urls: Urls, account: str
) -> None:
    """Between catching up and reading, somebody else catches up only one of the two."""
    with connect(urls.application) as other:

        def meanwhile(statement: str) -> None:
            if statement.startswith("LOCK TABLE"):
                write(other, account, [event("LampHung", lamp="fresh"), event("LampPlugged", room="a", wall="x")])
                with open_view(other, account, [lamps]):
                    pass

        with open_view(watched(connection, meanwhile), account, BOTH) as view:
            assert view.position == 60
            assert view.past
    with open_view(connection, account, BOTH, position=60) as past:
        expected = [rows_of(past, projection) for projection in BOTH]
    with open_view(connection, account, BOTH) as now:
        assert [rows_of(now, projection) for projection in BOTH] != expected
    assert all("fresh" not in str(row) for row in expected[0])


# Time


def test_the_time_of_a_view(connection: Connection, account: str) -> None:
    recorded = [e.recorded_at for e in store.read(connection, account)]
    with open_view(connection, account, [lamps]) as view:
        assert view.recorded_at == recorded[-1]
        assert recorded[-1] < view.time <= datetime.now(UTC) + timedelta(seconds=5)
        (row,) = view.rows("SELECT %(time)s AS time, %(account_id)s AS account")
        assert row == {"time": view.time, "account": account}
    with open_view(connection, account, [lamps], position=7) as view:
        assert (view.recorded_at, view.time) == (recorded[6], recorded[6])
    asked = recorded[6] + timedelta(microseconds=1)
    with open_view(connection, account, [lamps], position=7, time=asked) as view:
        assert (view.recorded_at, view.time) == (recorded[6], asked)
    with open_view(connection, account, [lamps], position=0) as view:
        assert view.time == datetime.min.replace(tzinfo=UTC)
        assert view.rows("SELECT * FROM {lamps} WHERE since_time <= %(time)s") == []


# Queries


def test_a_query_takes_parameters(connection: Connection, account: str) -> None:
    with open_view(connection, account, BOTH) as view:
        (row,) = view.rows(
            "SELECT count(*) AS n, %(text)s AS text FROM {lamps} l LEFT JOIN {sockets} s USING (lamp)"
            " WHERE l.watts >= %(least)s",
            least=0,
            text="100% {braces} 'quoted'",
        )
        assert row["n"] > 0
        assert row["text"] == "100% {braces} 'quoted'"


def test_a_projection_that_does_not_exist(connection: Connection, account: str) -> None:
    with open_view(connection, account, [lamps]) as view, pytest.raises(NoSuchProjection, match="chairs"):
        view.rows("SELECT * FROM {chairs}")


def test_an_account_without_a_ledger(connection: Connection) -> None:
    with pytest.raises(NoLedger), open_view(connection, new_account(), [lamps]):
        pass


def test_rows_of_other_accounts_are_not_seen(connection: Connection, account: str) -> None:
    other = new_account()
    write(connection, other, [event("LampHung", lamp="of another account")])
    for position in (None, 60):
        with open_view(connection, account, [lamps], position=position) as view:
            assert {row["account_id"] for row in view.rows("SELECT * FROM {lamps}")} == {account}


def test_counting_rows(connection: Connection, account: str) -> None:
    with open_view(connection, account, [lamps]) as view:
        (row,) = view.rows("SELECT count(*) AS n FROM {lamps}")
    assert count_rows(connection, account, lamps) == row["n"] > 0
    write(connection, account, [event("LampHung", lamp="fresh")])
    assert count_rows(connection, account, lamps) == row["n"] + 1


# What can go wrong inside


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO iamledger.projections VALUES ('x', 1, 'x')",
        "DELETE FROM iamledger.projection_positions",
        "UPDATE {table} SET color = 'tampered'",
        "DROP TABLE {table}",
    ],
)
def test_a_view_cannot_write(connection: Connection, account: str, statement: str) -> None:
    table = live(connection, lamps)
    with open_view(connection, account, [lamps]) as view:
        before = rows_of(view, lamps)
    statement = statement.format(table=table.name)
    with (
        pytest.raises(psycopg.errors.ReadOnlySqlTransaction),
        open_view(connection, account, [lamps]) as view,
    ):
        view.connection.execute(statement)
    with pytest.raises(StoreError, match="read-only"), open_view(connection, account, [lamps]) as view:
        view.rows(statement.replace("{", "{{"))
    with open_view(connection, account, [lamps]) as view:
        assert rows_of(view, lamps) == before


@pytest.mark.parametrize(
    "error",
    [
        ValueError("x"),
        KeyboardInterrupt(),
        StopIteration(),
        NoLedger("raised by the reader"),
        psycopg.errors.UndefinedTable("of another database"),
        psycopg.OperationalError("of another database"),
        psycopg.errors.UniqueViolation("of another database"),
    ],
    ids=repr,
)
def test_what_a_reader_raises_goes_through_unchanged(
    connection: Connection, account: str, error: BaseException
) -> None:
    with pytest.raises(type(error)) as raised, open_view(connection, account, [lamps]):
        raise error
    assert raised.value is error
    assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE


def test_a_query_that_fails_leaves_the_connection_usable(connection: Connection, account: str) -> None:
    with pytest.raises(psycopg.errors.DivisionByZero), open_view(connection, account, [lamps]) as view:
        view.rows("SELECT 1 / 0")
    with open_view(connection, account, [lamps]) as view, pytest.raises(psycopg.errors.SyntaxError):
        view.rows("SELEKT")
    with open_view(connection, account, [lamps]) as view:
        assert view.position == 60


@pytest.mark.parametrize(
    "when", ["SELECT name, generation", "SELECT l.head", "LOCK TABLE", "SELECT p.projection", "COMMIT"]
)
def test_a_connection_that_is_lost_is_called_so(urls: Urls, account: str, when: str) -> None:
    with connect(urls.application) as own:

        def killing(statement: str) -> None:
            if statement.startswith(when):
                kill(urls.superuser, own)

        with pytest.raises(ConnectionLost), open_view(watched(own, killing), account, [lamps]):
            pass


# While others write


def test_two_projections_stand_at_the_same_position_while_others_write(urls: Urls, connection: Connection) -> None:
    """Every access key has its user, in each view, since the writer makes the user first and deletes it last."""
    users, keys = projections()["users"], projections()["access_keys"]
    account, done = new_account(), Event()
    write(connection, account, [event("AccountCreated", account_id=account, account_name="a", email="e@example.org")])

    def writing() -> int:
        with connect(urls.application) as own:
            number = 0
            while not done.is_set():
                number += 1
                user = {"user_id": f"U{number}", "user_name": f"u{number}", "path": "/", "tags": []}
                key = {"access_key_id": f"K{number}", "user_id": f"U{number}"}
                write(own, account, [event("UserCreated", **user)])
                write(own, account, [event("AccessKeyCreated", **key)])
                if number % 2:
                    write(own, account, [event("AccessKeyRevoked", **key, revocation_reason="unspecified")])
                    write(own, account, [event("UserDeleted", **user)])
            return number

    def reading(number: int) -> set[int]:
        random, seen = Random(number), set()
        with connect(urls.application) as own:
            while not done.is_set():
                with open_view(own, account, random.sample([users, keys], random.choice([1, 2, 2]))) as view:
                    if len(view.tables) < 2:
                        continue
                    (row,) = view.rows(
                        "SELECT count(*) AS keys, count(*) FILTER (WHERE u.user_id IS NULL) AS lost,"
                        " (SELECT count(*) FROM {users}) AS users FROM {access_keys} k LEFT JOIN {users} u USING (user_id)"
                    )
                    assert row["lost"] == 0
                    assert row["keys"] <= row["users"] <= row["keys"] + 1
                    seen.add(view.position)
        return seen

    with ThreadPoolExecutor(4) as threads:
        writer = threads.submit(writing)
        readers = [threads.submit(reading, number) for number in range(3)]
        done.wait(2)
        done.set()
        seen = [reader.result() for reader in readers]
        assert writer.result() > 10
    assert all(len(positions) > 5 for positions in seen), "the readers saw the ledger grow"


def test_magnitudes_are_the_powers_of_two_that_a_length_reaches(connection: Connection) -> None:
    """By this the past is found, so it must be exact up to the longest life there can be."""
    lengths = sorted({1, 2**62} | {2**m + near for m in range(1, 62) for near in (-1, 0, 1)})
    rows = connection.execute(
        "SELECT length, iamledger.magnitude(length) FROM unnest(%s::bigint[]) AS length", (lengths,)
    ).fetchall()
    assert dict(rows) == {length: length.bit_length() - 1 for length in lengths}


@pytest.mark.parametrize("length", [1, 2, 3, 4, 7, 8, 9, 31, 32, 33])
def test_a_row_is_found_from_its_first_position_until_before_its_last(connection: Connection, length: int) -> None:
    account = new_account()
    swept = [event("RoomSwept")] * (length - 1)
    write(connection, account, [event("RoomSwept"), event("LampHung", lamp="l"), *swept, event("LampBroken", lamp="l")])
    write(connection, account, [event("RoomSwept")] * 5)
    found = []
    for position in range(1, length + 8):
        with open_view(connection, account, [lamps], position=position) as view:
            if view.rows("SELECT FROM {lamps}"):
                found.append(position)
    assert found == [*range(2, 2 + length)]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) FROM {lamps}",
        "SELECT count(*) FROM {lamps} l JOIN {lamps} m USING (lamp);",
        "WITH lit AS (SELECT * FROM {lamps}) SELECT count(*) FROM lit",
        "with recursive n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 9)"
        " SELECT count(*) FROM {lamps} WHERE EXISTS (SELECT FROM n)",
        "SELECT count FROM (SELECT count(*) FROM {lamps}) AS counted ORDER BY 1 LIMIT 1 ; ",
        "-- which are lit\n /* and /* not */ which */\nWITH lit AS (SELECT * FROM {lamps}) SELECT count(*) FROM lit",
        "WITH -- no end\n RECURSIVE n(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 9)"
        " SELECT count(*) FROM {lamps} WHERE EXISTS (SELECT FROM n)",
        "/* WITH */ SELECT count(*) FROM {lamps} -- with",
        "WITH lit AS (WITH lamps AS (SELECT * FROM {lamps}) SELECT * FROM lamps) SELECT count(*) FROM lit",
    ],
)
@pytest.mark.parametrize("position", [None, 2])
def test_a_query_may_name_a_projection_as_it_likes(connection: Connection, sql: str, position: int | None) -> None:
    """With and without an alias, several times, below a WITH of its own."""
    account = new_account()
    write(connection, account, [event("LampHung", lamp="l"), event("LampHung", lamp="m"), event("LampHung", lamp="n")])
    with open_view(connection, account, [lamps, sockets], position=position) as view:
        assert view.rows(sql) == [{"count": position or 3}]


def test_a_query_must_not_call_its_own_as_a_projection(connection: Connection) -> None:
    account = new_account()
    write(connection, account, [event("LampHung", lamp="l")])
    with (
        open_view(connection, account, [lamps]) as view,
        pytest.raises(InvalidQuery, match=r'"lamps" specified more than once.* must not be called as a projection'),
    ):
        view.rows("WITH lamps AS (SELECT * FROM {lamps}) SELECT count(*) FROM lamps")
