"""Rebuilding a projection: a new generation is filled beside the live one, caught up, and takes its place.

Readers see the live generation all the time and never wait. Events are applied in slices of many accounts, or of a part of
one account's ledger, by the same statement that catches up; each slice commits rows and positions together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from psycopg.sql import quote

from iamledger.engine.catchup import catch_up, run
from iamledger.engine.compile import SCHEMA, Table
from iamledger.engine.declaration import Projection
from iamledger.engine.errors import ProjectionFailed, RebuildUnderWay
from iamledger.engine.registry import begin
from iamledger.store.connection import Connection
from iamledger.store.errors import Locked, translated

SLICE = 50_000
"""Events that one statement applies, about."""

FLIP_ATTEMPTS = 10
BUILD_MEMORY = "128MB"

Progress = Callable[[int, int], None]
"""Told how many events are done, of how many."""


@dataclass(frozen=True, slots=True)
class Slice:
    """A range of accounts, whole, or a range of positions of one account."""

    first_account: str
    last_account: str
    after: int
    upto: int
    events: int


def rebuild(connection: Connection, projection: Projection, progress: Progress = lambda _done, _of: None) -> Table:
    """Build a new generation from the events and make it the live one. Returns it.

    Raises `RebuildUnderWay`; `ProjectionFailed` if an event does not fit the rules (the live generation then stays).
    """
    begin(connection, projection)
    with translated(), _only_one(connection, projection), _build_settings(connection):
        table = Table(projection, _next_generation(connection, projection))
        try:
            _fill(connection, table, progress)
            _flip(connection, table)
        except BaseException:
            _discard(connection, table)
            raise
        _drop_others(connection, table)
    return table


def _fill(connection: Connection, table: Table, progress: Progress) -> None:
    slices = list(_slices(connection))
    total = sum(s.events for s in slices)
    with translated():
        connection.execute(table.create())
    done = 0
    progress(done, total)
    for one in slices:
        _apply_slice(connection, table, one)
        done += one.events
        progress(done, total)
    with translated():
        connection.execute(table.index())
        connection.execute(f"ANALYZE {table.name}")


def _slices(connection: Connection) -> Iterator[Slice]:
    """Cover every ledger up to its head: small ones together, large ones in parts."""
    with translated():
        ledgers = connection.execute("SELECT account_id, head FROM iamledger.ledgers ORDER BY account_id").fetchall()
    gathered: list[tuple[str, int]] = []
    events = 0
    for account_id, head in ledgers:
        if gathered and events + head > SLICE:
            yield _together(gathered)
            gathered, events = [], 0
        if head > SLICE:
            for after in range(0, head, SLICE):
                upto = min(after + SLICE, head)
                yield Slice(account_id, account_id, after, upto, upto - after)
        else:
            gathered.append((account_id, head))
            events += head
    if gathered:
        yield _together(gathered)


def _together(ledgers: Sequence[tuple[str, int]]) -> Slice:
    return Slice(ledgers[0][0], ledgers[-1][0], 0, max(head for _, head in ledgers), sum(head for _, head in ledgers))


def _apply_slice(connection: Connection, table: Table, one: Slice) -> None:
    """Apply the events of a slice, and note the positions, from one snapshot."""
    name, generation = table.projection.name, table.generation
    accounts = f"e.account_id BETWEEN {quote(one.first_account)} AND {quote(one.last_account)}"
    if one.first_account == one.last_account:
        accounts = f"e.account_id = {quote(one.first_account)}"
    try:
        with translated(), connection.transaction():
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            broken = run(connection, table.apply(accounts), {"after": one.after, "upto": one.upto}, prepare=False)
            if broken is not None:
                raise ProjectionFailed(
                    f"The event at position {broken[1]} of account {broken[0]} does not fit the rules of the projection"
                    f" {name}: {broken[2]}."
                )
            connection.execute(
                "INSERT INTO iamledger.projection_positions (account_id, projection, generation, position)"
                f" SELECT account_id, %s, %s, least(head, %s) FROM iamledger.ledgers e WHERE {accounts}"
                " ON CONFLICT (account_id, projection, generation) DO UPDATE SET position = excluded.position",
                (name, generation, one.upto),
            )
    except (psycopg.DataError, psycopg.IntegrityError) as error:
        _find_failure(connection, table, one)
        raise ProjectionFailed(str(error)) from error


def _find_failure(connection: Connection, table: Table, one: Slice) -> None:
    """Go on account by account, which halves the range to the event that cannot be applied. Raises `ProjectionFailed`."""
    with translated():
        accounts = connection.execute(
            "SELECT account_id FROM iamledger.ledgers WHERE account_id BETWEEN %s AND %s ORDER BY account_id",
            (one.first_account, one.last_account),
        ).fetchall()
    for (account_id,) in accounts:
        _catch_up(connection, account_id, table)


def _catch_up(connection: Connection, account_id: str, table: Table) -> None:
    """Catch one account up. Raises `ProjectionFailed`."""
    catch_up(connection, account_id, [table])
    with translated():
        row = connection.execute(
            "SELECT failed, reason FROM iamledger.projection_positions"
            " WHERE account_id = %s AND projection = %s AND generation = %s",
            (account_id, table.projection.name, table.generation),
        ).fetchone()
    if row is not None and row[0] is not None:
        raise ProjectionFailed(
            f"The event at position {row[0]} of account {account_id} cannot be applied by the projection"
            f" {table.projection.name}: {row[1]}."
        )


def _flip(connection: Connection, table: Table) -> None:
    """A last catch-up, then the registry's row; its lock is waited for only as long as the lock timeout, again and again."""
    name = table.projection.name
    for attempt in range(FLIP_ATTEMPTS):
        try:
            for account_id in _behind(connection, table):
                _catch_up(connection, account_id, table)
            with translated(), connection.transaction():
                connection.execute("SELECT FROM iamledger.projections WHERE name = %s FOR UPDATE", (name,))
                for account_id in _behind(connection, table):
                    _catch_up(connection, account_id, table)
                connection.execute(
                    "INSERT INTO iamledger.projections (name, generation, declaration) VALUES (%s, %s, %s)"
                    " ON CONFLICT (name) DO UPDATE SET generation = excluded.generation, declaration = excluded.declaration",
                    (name, table.generation, table.projection.digest()),
                )
        except Locked:
            if attempt == FLIP_ATTEMPTS - 1:
                raise
        else:
            return


def _behind(connection: Connection, table: Table) -> list[str]:
    """The accounts whose head it has not reached, in order."""
    rows = connection.execute(
        "SELECT l.account_id FROM iamledger.ledgers l LEFT JOIN iamledger.projection_positions p"
        " ON p.account_id = l.account_id AND p.projection = %s AND p.generation = %s"
        " WHERE coalesce(p.position, 0) < l.head ORDER BY l.account_id",
        (table.projection.name, table.generation),
    ).fetchall()
    return [account_id for (account_id,) in rows]


def _generations(connection: Connection, projection: Projection) -> list[int]:
    """The generations whose tables exist."""
    rows = connection.execute(
        "SELECT substring(tablename FROM '_([0-9]+)$')::integer FROM pg_tables WHERE schemaname = %s AND tablename ~ %s",
        (SCHEMA, f"^{projection.name}_[0-9]+$"),
    ).fetchall()
    return [generation for (generation,) in rows]


def _next_generation(connection: Connection, projection: Projection) -> int:
    """One above all that exist; what a killed rebuild left behind is removed."""
    live = connection.execute(
        "SELECT generation FROM iamledger.projections WHERE name = %s", (projection.name,)
    ).fetchone()
    generations = _generations(connection, projection)
    for generation in generations:
        if live is None or generation > live[0]:
            _discard(connection, Table(projection, generation))
    with translated():  # and positions without a table, which a reader of a dropped generation may have noted
        connection.execute(
            "DELETE FROM iamledger.projection_positions WHERE projection = %s AND NOT generation = ANY(%s)",
            (projection.name, _generations(connection, projection)),
        )
    return int(max([0, *generations, *(live or ())])) + 1


def _drop_others(connection: Connection, live: Table) -> None:
    for generation in _generations(connection, live.projection):
        if generation != live.generation:
            _discard(connection, Table(live.projection, generation))


def _discard(connection: Connection, table: Table) -> None:
    """Remove a generation that is not live. If a reader holds its table for long, the next rebuild removes it.

    Table and positions go in two transactions, since whoever catches up locks them in the other order.
    """
    if connection.closed or connection.broken:
        return
    names = (table.projection.name, table.generation)
    try:
        with translated():
            live = "SELECT FROM iamledger.projections WHERE name = %s AND generation = %s"
            if connection.execute(live, names).fetchone() is not None:
                return  # it was interrupted right after the flip
            connection.execute(table.drop())
            connection.execute(
                "DELETE FROM iamledger.projection_positions WHERE projection = %s AND generation = %s", names
            )
    except Locked:
        pass


@contextmanager
def _only_one(connection: Connection, projection: Projection) -> Iterator[None]:
    """One rebuild of a projection at a time. The lock goes with the session, so a killed rebuild leaves none."""
    key = f"iamledger rebuild of {projection.name}"
    with translated():
        row = connection.execute("SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", (key,)).fetchone()
    if row != (True,):
        raise RebuildUnderWay(f"The projection {projection.name} is being rebuilt by somebody else. Wait for them.")
    try:
        yield
    finally:
        if not (connection.closed or connection.broken):
            connection.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", (key,))


@contextmanager
def _build_settings(connection: Connection) -> Iterator[None]:
    """More memory for sorting and for indexes, while building."""
    connection.execute(f"SET work_mem = '{BUILD_MEMORY}'; SET maintenance_work_mem = '{BUILD_MEMORY}'")
    try:
        yield
    finally:
        if not (connection.closed or connection.broken):
            connection.execute("RESET work_mem; RESET maintenance_work_mem")
