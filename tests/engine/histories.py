"""Histories of events, written straight into the store, and the rows that they make: by the engine, and by the oracle."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from random import Random
from typing import Any
from uuid import uuid4

import orjson
import psycopg
from psycopg.conninfo import make_conninfo

from iamledger.engine.compile import Table, quoted
from iamledger.engine.declaration import (
    POSITION,
    RECORDED_AT,
    FromContext,
    Projection,
    close_row,
    open_row,
    put_row,
    revise_row,
)
from iamledger.engine.errors import BrokenRule
from iamledger.engine.naive import Interpreter, Recorded, Version, unpacked
from iamledger.engine.registry import live_tables
from iamledger.store import Connection, Context, NewEvent, Request, append

NO_CONTEXT = Context()
_numbers = count(1)

lamps = Projection(
    name="lamps",
    key=["lamp"],
    columns={"color": "text", "watts": "bigint", "lit": "boolean", "since_time": "timestamptz", "by": "jsonb"},
    rules=[
        open_row("LampHung", set={"lit": False, "since_time": RECORDED_AT, "by": FromContext("actor")}),
        revise_row("LampPainted", "color"),
        revise_row("LampLit", set={"lit": True, "since_time": RECORDED_AT}),
        revise_row("LampSwitchedOff", set={"lit": False}),
        close_row("LampBroken"),
    ],
)
"""A projection with every kind of column."""

sockets = Projection(
    name="sockets",
    key=["room", "wall"],
    columns={"lamp": "text", "at": "bigint"},
    rules=[put_row("LampPlugged", set={"at": POSITION}), close_row("LampUnplugged")],
)
"""A projection with two columns in its key, of which a put may replace a row."""


def new_account() -> str:
    """The number of an account that no other test of this process has."""
    return f"{next(_numbers):012}"


def write(connection: Connection, account_id: str, events: Sequence[NewEvent], context: Context = NO_CONTEXT) -> int:
    """Append in one append, opening the ledger if there is none, as the request that the context tells of, if it does.

    Returns the last position.
    """
    known = connection.execute("SELECT FROM iamledger.ledgers WHERE account_id = %s", (account_id,)).fetchone()
    request = Request(str(context.entries.get("request_id") or uuid4()), "")
    return append(connection, account_id, events, context=context, request=request, opens=known is None).last


def event(type_: str, **data: Any) -> NewEvent:
    """An event without tags."""
    return NewEvent(type_, data)


def lamp_history(random: Random, length: int) -> list[NewEvent]:
    """Events that obey the rules of `lamps` and `sockets`, some of which concern neither."""
    hung: list[str] = []
    plugged: list[tuple[str, str]] = []
    events = []
    for number in range(length):
        kind = random.randrange(8) if hung else 0
        lamp = random.choice(hung) if hung else ""
        match kind:
            case 0 | 1:
                hung.append(f"lamp {number}")
                events.append(event("LampHung", lamp=hung[-1], color="white", watts=number))
            case 2:
                events.append(event("LampPainted", lamp=lamp, color=random.choice(["red", "blue", None])))
            case 3:
                events.append(event(random.choice(["LampLit", "LampSwitchedOff"]), lamp=lamp))
            case 4:
                hung.remove(lamp)
                events.append(event("LampBroken", lamp=lamp))
            case 5:
                socket = (random.choice("ab"), random.choice("nesw"))
                plugged.append(socket)
                events.append(event("LampPlugged", room=socket[0], wall=socket[1], lamp=lamp))
            case 6 if plugged:
                socket = random.choice(plugged)
                plugged = [other for other in plugged if other != socket]
                events.append(event("LampUnplugged", room=socket[0], wall=socket[1]))
            case _:
                events.append(event("RoomSwept", room="a"))
    return events


def recorded(connection: Connection, account_id: str, upto: int | None = None) -> Iterator[Recorded]:
    """The events of an account as projections see them."""
    events = connection.execute(
        "SELECT e.position, iamledger.iso(e.recorded_at), e.type, r.context, r.data, e.context, e.data"
        "  FROM iamledger.events e JOIN iamledger.recorded r USING (account_id, position)"
        " WHERE account_id = %s AND (%s::bigint IS NULL OR position <= %s) ORDER BY position",
        (account_id, upto, upto),
    )
    for position, recorded_at, type_, context, data, *stored in events.fetchall():
        concealed = Recorded(position, recorded_at, type_, *stored)
        yield Recorded(position, recorded_at, type_, context, data, concealed)


Rows = list[tuple[tuple[str, ...], int, int | None, bytes]]
"""Key, since, until, and the columns in JSON, ordered."""


def plain(versions: Sequence[Version]) -> Rows:
    """In a form that tells true from 1, ordered by key and position."""
    return sorted((v.key, v.since, v.until, orjson.dumps(v.columns, option=orjson.OPT_SORT_KEYS)) for v in versions)


@dataclass
class Oracle:
    """What the naive interpreter makes of a history: all rows, and where and why it stopped."""

    versions: list[Version] = field(default_factory=list)
    failed: int | None = None
    reason: str | None = None

    @property
    def rows(self) -> Rows:
        return plain(self.versions)

    def rows_at(self, position: int) -> Rows:
        """The rows that were true at a position."""
        return plain([v for v in self.versions if v.since <= position and (v.until is None or v.until > position)])


def oracle(connection: Connection, projection: Projection, account_id: str, upto: int | None = None) -> Oracle:
    """Replay a history with the naive interpreter."""
    return interpreted(projection, recorded(connection, account_id, upto))


def interpreted(projection: Projection, events: Iterator[Recorded]) -> Oracle:
    """Interpret events until one of them breaks a rule."""
    interpreter, result = Interpreter(projection), Oracle()
    begun: dict[tuple[str, ...], tuple[int, dict[str, Any]]] = {}
    for e in events:
        try:
            steps = interpreter.apply(e)
        except BrokenRule as broken:
            result.failed, result.reason = e.position, str(broken)
            break
        for key, since, columns in steps:
            assert since == (begun[key][0] if key in begun else None)
            if since is not None:
                result.versions.append(Version(key, since, e.position, begun.pop(key)[1]))
            if columns is not None:
                begun[key] = e.position, unpacked(projection, columns)
    result.versions += [Version(key, since, None, columns) for key, (since, columns) in begun.items()]
    return result


def rows(connection: Connection, table: Table, account_id: str, where: str = "true") -> Rows:
    """The rows of the engine."""
    projection = table.projection
    columns = [
        f"iamledger.iso({quoted(name)})" if type_ == "timestamptz" else quoted(name)
        for name, type_ in projection.columns.items()
    ]
    found = connection.execute(
        f"SELECT since, until, jsonb_build_array({', '.join(map(quoted, projection.key))}),"
        f" jsonb_build_array({', '.join(columns)}) FROM {table.name} WHERE account_id = %s AND {where}",
        (account_id,),
    ).fetchall()
    return plain([Version(tuple(k), s, u, dict(zip(projection.columns, c, strict=True))) for s, u, k, c in found])


def live(connection: Connection, projection: Projection) -> Table:
    """The live generation."""
    return live_tables(connection, [projection])[projection.name]


def standing(connection: Connection, table: Table, account_id: str) -> tuple[int, int | None, str | None]:
    """Position, the event that stopped it, and why."""
    row = connection.execute(
        "SELECT position, failed, reason FROM iamledger.projection_positions"
        " WHERE account_id = %s AND projection = %s AND generation = %s",
        (account_id, table.projection.name, table.generation),
    ).fetchone()
    return row or (0, None, None)  # type: ignore[return-value]


def forget(connection: Connection, projection: Projection) -> None:
    """Remove a projection from the database, so that many of them can follow each other there."""
    tables = connection.execute(
        "SELECT tablename FROM pg_tables WHERE schemaname = 'iamledger_projections' AND tablename ~ %s",
        (f"^{projection.name}_[0-9]+$",),
    ).fetchall()
    for (table,) in tables:
        connection.execute(f"DROP TABLE iamledger_projections.{table}")
    connection.execute("DELETE FROM iamledger.projections WHERE name = %s", (projection.name,))
    connection.execute("DELETE FROM iamledger.projection_positions WHERE projection = %s", (projection.name,))


class Watched:
    """A connection that tells of every statement before it runs."""

    def __init__(self, connection: Connection, before: Callable[[str], None]) -> None:
        self._connection, self._before = connection, before

    def execute(self, query: Any, *arguments: Any, **options: Any) -> Any:
        self._before(str(query))
        return self._connection.execute(query, *arguments, **options)

    @contextmanager
    def transaction(self) -> Iterator[Any]:
        with self._connection.transaction() as transaction:
            yield transaction
            self._before("COMMIT")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


def watched(connection: Connection, before: Callable[[str], None]) -> Connection:
    """The connection, with `before` called with the text of each statement."""
    return Watched(connection, before)  # type: ignore[return-value]


def kill(superuser: str, connection: Connection) -> None:
    """End a connection's session on the server, and wait until it is gone."""
    pid = connection.info.backend_pid
    with psycopg.connect(superuser, autocommit=True) as admin:
        admin.execute("SELECT pg_terminate_backend(%s, 10000)", (pid,))


def as_superuser(superuser: str, statement: str, parameters: Mapping[str, Any] | None = None) -> int:
    """Do what the application must not. Returns how many rows it touched."""
    with psycopg.connect(make_conninfo(superuser, options="-c timezone=UTC"), autocommit=True) as admin:
        return admin.execute(statement, parameters).rowcount
