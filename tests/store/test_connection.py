"""Connections: a malformed URL tells nothing of the password in it; cursors that are used again mix up no rows."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from conftest import Urls
from iamledger.store import Connection, Unreachable, connect
from iamledger.store.connection import FEW_ROWS, _Connection, rows_of


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://app:s3cr%tpw@127.0.0.1/x",
        "postgresql://app:s3cr tpw@127.0.0.1/x",
        "postgresql://app:s3cr@tpw@127.0.0.1:1/x",
        "postgresql://app:s3cr/tpw@127.0.0.1:1/x",
        "postgresql://app:s3cr%00tpw@127.0.0.1:1/x",
        "postgresql://app:1@s3cr@127.0.0.1,tpw@127.0.0.1:1/x",
        "postgresql://app@127.0.0.1:s3cr/x",
        "postgresql://app@127.0.0.1/x?password=s3cr&tpw",
        "host=127.0.0.1 port=1 password=s3cr tpw",
        "host=127.0.0.1 port=1 password='s3cr tpw",
        "host=127.0.0.1 port=1 pasword=s3cr s3cr=tpw",
        "s3cr tpw",
        "s3cr",
    ],
)
def test_nothing_of_a_malformed_url_is_told(url: str) -> None:
    with pytest.raises(Unreachable) as refused:
        connect(url)
    told = "the database URL is malformed: write postgresql://user@host/database,"
    told += " and percent-encode its password or use a passfile"
    assert str(refused.value) == told
    assert refused.value.__cause__ is refused.value.__context__ is None
    told = "".join(traceback.format_exception_only(refused.value))
    assert "s3cr" not in told
    assert "tpw" not in told


@pytest.mark.parametrize(
    "url", ["postgresql://app:s3cr%40tpw@127.0.0.1:1/x", "host=127.0.0.1,/nowhere port=1,2 user=a"]
)
def test_what_is_well_formed_is_tried(url: str) -> None:
    with pytest.raises(Unreachable, match=r"127\.0\.0\.1.*port 1"):
        connect(url)


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    """Eight of them, which take turns as often as they can."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as executor:
            yield executor
    finally:
        sys.setswitchinterval(interval)


def test_threads_that_share_a_connection_get_their_own_rows(
    connection: Connection, threads: ThreadPoolExecutor
) -> None:
    def ask(n: int) -> bool:
        return rows_of(connection, "SELECT %s::int", (n,)) == [(n,)]

    assert all(threads.map(ask, range(1000)))


def test_a_statement_that_failed_leaves_nothing_behind(connection: Connection) -> None:
    assert rows_of(connection, "SELECT generate_series(1, %s)", (2,)) == [(1,), (2,)]
    with pytest.raises(psycopg.errors.DivisionByZero):
        rows_of(connection, "SELECT 1 / %s", (0,))
    assert rows_of(connection, "SELECT generate_series(1, %s)", (0,)) == []
    assert rows_of(connection, "SELECT %s::text", ("a",)) == [("a",)]


def test_a_cursor_is_used_again_unless_it_would_keep_many_rows(urls: Urls) -> None:
    with connect(urls.application) as ours:
        assert isinstance(ours, _Connection)
        for expected in (1, 1, 0, 1):
            many = FEW_ROWS if expected == 0 else FEW_ROWS - 1
            assert len(rows_of(ours, "SELECT generate_series(1, %s)", (many,))) == many
            assert len(ours.spare_cursors) == expected


def test_a_connection_that_is_not_ours_will_do(urls: Urls) -> None:
    with psycopg.connect(urls.application) as theirs:
        assert rows_of(theirs, "SELECT %s::text", ("a",)) == [("a",)]
