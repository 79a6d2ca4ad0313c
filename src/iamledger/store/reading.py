"""Reading from a ledger: the boundary of a decision, the history, positions of times."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from iamledger.store.canonical import Json
from iamledger.store.connection import Connection, rows_of
from iamledger.store.errors import NoLedger, translated
from iamledger.store.events import Query, RecordedEvent, query_json


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a ledger: its last position, and when that was recorded."""

    position: int
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class Earlier:
    """What became of a request the first time: its fingerprint, its first and last position."""

    fingerprint: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Boundary:
    """What a decision starts from. `head` is None if the account has no ledger.

    `events` are (position, type, data), in order; `now` is the server's time.
    """

    head: int | None
    now: datetime
    earlier: Earlier | None
    events: Sequence[tuple[int, str, Json]]


def read_boundary(connection: Connection, account_id: str, request_id: str, query: Query) -> Boundary:
    """Read all that a decision starts from, in one snapshot."""
    with translated():
        start, *rows = rows_of(
            connection,
            "SELECT head, now, fingerprint, first, last, position, type, data FROM iamledger.boundary(%s, %s, %s)",
            (account_id, request_id, query_json(query)),
        )
    head, now, fingerprint, first, last, *_ = start
    earlier = None if fingerprint is None else Earlier(fingerprint, first, last)
    return Boundary(head, now, earlier, [(position, type_, orjson.loads(data)) for *_, position, type_, data in rows])


def head(connection: Connection, account_id: str) -> Head:
    """The end of an account's ledger. Raises `NoLedger`."""
    with translated():
        rows = rows_of(
            connection, "SELECT head, recorded_at FROM iamledger.ledgers WHERE account_id = %s", (account_id,)
        )
    if not rows:
        raise NoLedger(f"no ledger for account {account_id}")
    return Head(*rows[0])


def is_recorded(connection: Connection, account_id: str, request_id: str) -> bool:
    """Was anything appended under this request id?"""
    with translated():
        row = connection.execute(
            "SELECT FROM iamledger.requests WHERE account_id = %s AND request_id = %s", (account_id, request_id)
        ).fetchone()
    return row is not None


def position_at(connection: Connection, account_id: str, time: datetime) -> int:
    """The last position recorded at or before a time. Raises `NoLedger`, `TimeInFuture`."""
    with translated():
        row = connection.execute("SELECT iamledger.position_at(%s, %s)", (account_id, time)).fetchone()
    assert row is not None
    return int(row[0])


_COLUMNS = "account_id, position, recorded_at, type, version, tags, context::text, data::text"


def read(
    connection: Connection,
    account_id: str,
    query: Query = (),
    *,
    after: int = 0,
    upto: int | None = None,
    limit: int | None = None,
    newest_first: bool = False,
) -> list[RecordedEvent]:
    """The events that match, after one position and up to another, in order or newest first."""
    conditions = "account_id = %(account)s AND position > %(after)s AND position <= %(upto)s"
    if query:
        conditions += " AND position IN (SELECT iamledger.matching(%(account)s, %(query)s, %(after)s))"
    parameters = {
        "account": account_id,
        "query": query_json(query),
        "after": after,
        "upto": 2**62 if upto is None else upto,
        "limit": limit,
    }
    return select(connection, conditions, parameters, newest_first=newest_first)


def select(
    connection: Connection, conditions: str, parameters: dict[str, Any], *, newest_first: bool = False
) -> list[RecordedEvent]:
    """The events for which conditions in SQL hold; `limit` is among the parameters."""
    order = "DESC" if newest_first else "ASC"
    with translated():
        rows = connection.execute(
            f"SELECT {_COLUMNS} FROM iamledger.recorded WHERE {conditions} ORDER BY position {order} LIMIT %(limit)s",
            parameters,
        ).fetchall()
    return [_recorded(row) for row in rows]


def stream(
    connection: Connection, account_id: str, *, after: int = 0, upto: int, chunk: int = 2000
) -> Iterator[RecordedEvent]:
    """A range of a ledger, read in chunks, so that memory stays small."""
    while after < upto:
        events = read(connection, account_id, after=after, upto=min(after + chunk, upto))
        yield from events
        after += chunk


def _recorded(row: Sequence[Any]) -> RecordedEvent:
    account_id, position, recorded_at, type_, version, tags, context, data = row
    return RecordedEvent(
        account_id, position, recorded_at, type_, version, tags, orjson.loads(context), orjson.loads(data)
    )


def data_key(connection: Connection, account_id: str) -> tuple[str, bytes]:
    """The account's data key: the id of the master key that wrapped it, and its wrapped form. Raises `NoLedger`."""
    with translated():
        row = connection.execute(
            "SELECT master_key_id, wrapped FROM iamledger.data_keys WHERE account_id = %s", (account_id,)
        ).fetchone()
    if row is None:
        raise NoLedger(f"no data key for account {account_id}")
    return row[0], bytes(row[1])


def accounts_with(connection: Connection, tags: Sequence[str], type_: str) -> list[str]:
    """The accounts whose ledgers have an event of a type with one of these tags. It looks at each account's index once."""
    with translated():
        rows = connection.execute(
            "SELECT l.account_id FROM iamledger.ledgers l CROSS JOIN LATERAL (SELECT FROM iamledger.event_tags t"
            " WHERE t.account_id = l.account_id AND t.tag = ANY(%s) AND t.type = %s LIMIT 1) AS found ORDER BY 1",
            (list(tags), type_),
        ).fetchall()
    return [account_id for (account_id,) in rows]


def sealed_secret(connection: Connection, account_id: str, credential: str, kind: str) -> bytes | None:
    """A secret of a credential, encrypted; None if it has none (any more)."""
    with translated():
        row = connection.execute(
            "SELECT sealed FROM iamledger.secrets WHERE account_id = %s AND credential = %s AND kind = %s",
            (account_id, credential, kind),
        ).fetchone()
    return None if row is None else bytes(row[0])
