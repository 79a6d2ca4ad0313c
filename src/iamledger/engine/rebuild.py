"""Rebuilding a projection: a new generation is filled beside the live one, caught up, and takes its place.

Readers see the live generation all the time and never wait. Events are applied in slices of many accounts, or of a part of
one account's ledger, by the same statement that catches up; each slice commits rows and positions together. Where an event
does not fit the rules, its slice is halved until the account is found and caught up by itself: the new generation stops
before that event, for that account, as a catch-up would, and goes live for all others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from psycopg.sql import quote

from iamledger.engine.catchup import UNFIT, catch_up, run
from iamledger.engine.compile import SCHEMA, Table
from iamledger.engine.declaration import Projection
from iamledger.engine.errors import RebuildUnderWay
from iamledger.engine.registry import begin
from iamledger.store.connection import Connection
from iamledger.store.errors import Locked, translated

SLICE = 1_000_000
"""Events that one statement applies, about. Large slices read the table of events in its own order, and few times."""

FLIP_ATTEMPTS = 10
BUILD_MEMORY = "64MB"
"""For each sort; what does not fit goes to temporary files."""
STATISTICS = 25
"""The size of the planner's statistics of new rows: those of PostgreSQL's default, 100, take a tenth of a rebuild's time."""


Progress = Callable[[int, int], None]
"""Told how many events are done, of how many."""


@dataclass(frozen=True, slots=True)
class Slice:
    """Events that one statement applies: of a range of accounts, whole, or a range of positions of one account."""

    accounts: Mapping[str, int]
    """In order, with how many events of each."""
    after: int
    upto: int
    fresh: bool
    """The accounts have no rows yet."""

    @property
    def events(self) -> int:
        """How many, of all accounts."""
        return sum(self.accounts.values())


def rebuild(connection: Connection, projection: Projection, progress: Progress = lambda _done, _of: None) -> Table:
    """Build a new generation from the events and make it the live one. Returns it.

    `registry.stopped` tells for which accounts an event did not fit the rules. Raises `RebuildUnderWay`.
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
    """Fill the bare table first, then index it; only a ledger that comes in parts needs its keys before."""
    whole, parts = _slices(connection)
    total = sum(one.events for one in [*whole, *parts])
    done = 0
    unfit: list[Slice] = []

    def went_on(events: int) -> None:
        nonlocal done
        done += events
        progress(done, total)

    def apply(one: Slice) -> None:
        before = any(one.accounts.keys() == slice_.accounts.keys() for slice_ in unfit)
        if not before and _apply_slice(connection, table, one):
            went_on(one.events)
        elif len(one.accounts) == 1:
            unfit.append(one)
        else:
            for half in _halves(one):
                apply(half)

    went_on(0)
    with translated():
        connection.execute(table.create())
    for one in whole:
        apply(one)
    if not _index_keys(connection, table):
        unfit, done = [], 0
        for one in whole:
            apply(one)
    for one in parts:
        apply(one)
    for one in unfit:
        for account_id, events in one.accounts.items():
            catch_up(connection, account_id, [table])
            went_on(events)
    with translated():
        connection.execute(table.index_past())
        connection.execute(f"ANALYZE {table.name}")


def _index_keys(connection: Connection, table: Table) -> bool:
    """Index the rows by their keys. If one is too long for that, empty the table, index that, and return False."""
    with translated():
        try:
            connection.execute(table.index_keys())
        except psycopg.errors.ProgramLimitExceeded:
            with connection.transaction():
                connection.execute(
                    "DELETE FROM iamledger.projection_positions WHERE projection = %s AND generation = %s",
                    (table.projection.name, table.generation),
                )
                connection.execute(f"TRUNCATE {table.name}")
                connection.execute(table.index_keys())
            return False
    return True


def _slices(connection: Connection) -> tuple[list[Slice], list[Slice]]:
    """Cover every ledger up to its head: small ones whole, many together; large ones in parts."""
    with translated():
        ledgers = connection.execute("SELECT account_id, head FROM iamledger.ledgers ORDER BY account_id").fetchall()
    whole: list[Slice] = []
    parts: list[Slice] = []
    together: dict[str, int] = {}
    events = 0
    for account_id, head in ledgers:
        if together and events + head > SLICE:
            whole.append(_whole(together))
            together, events = {}, 0
        if head > SLICE:
            for after in range(0, head, SLICE):
                upto = min(after + SLICE, head)
                parts.append(Slice({account_id: upto - after}, after, upto, fresh=False))
        else:
            together[account_id] = head
            events += head
    if together:
        whole.append(_whole(together))
    return whole, parts


def _halves(one: Slice) -> list[Slice]:
    """The same events in two slices of fewer accounts each."""
    accounts = [*one.accounts.items()]
    middle = len(accounts) // 2
    return [_whole(dict(half)) for half in (accounts[:middle], accounts[middle:])]


def _whole(ledgers: dict[str, int]) -> Slice:
    return Slice(ledgers, 0, max(ledgers.values()), fresh=True)


def _apply_slice(connection: Connection, table: Table, one: Slice) -> bool:
    """Apply the events of a slice, and note the positions, from one snapshot. False if an event does not fit the rules."""
    name, generation = table.projection.name, table.generation
    first, last = min(one.accounts), max(one.accounts)
    accounts = f"e.account_id BETWEEN {quote(first)} AND {quote(last)}"
    if first == last:
        accounts = f"e.account_id = {quote(first)}"
    try:
        with translated(), connection.transaction():
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            statement = table.apply(accounts, fresh=one.fresh)
            run(connection, statement, {"after": one.after, "upto": one.upto}, prepare=False)
            connection.execute(
                "INSERT INTO iamledger.projection_positions (account_id, projection, generation, position)"
                f" SELECT account_id, %s, %s, least(head, %s) FROM iamledger.ledgers e WHERE {accounts}"
                " ON CONFLICT (account_id, projection, generation) DO UPDATE SET position = excluded.position",
                (name, generation, one.upto),
            )
    except UNFIT:
        return False
    return True


def _flip(connection: Connection, table: Table) -> None:
    """A last catch-up, then the registry's row; its lock is waited for only as long as the lock timeout, again and again."""
    name = table.projection.name
    for attempt in range(FLIP_ATTEMPTS):
        try:
            for account_id in _behind(connection, table):
                catch_up(connection, account_id, [table])
            with translated(), connection.transaction():
                connection.execute("SELECT FROM iamledger.projections WHERE name = %s FOR UPDATE", (name,))
                for account_id in _behind(connection, table):
                    catch_up(connection, account_id, [table])
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
    """The accounts whose head it has not reached, though nothing has stopped it, in order."""
    rows = connection.execute(
        "SELECT l.account_id FROM iamledger.ledgers l LEFT JOIN iamledger.projection_positions p"
        " ON p.account_id = l.account_id AND p.projection = %s AND p.generation = %s"
        " WHERE coalesce(p.position, 0) < l.head AND p.failed IS NULL ORDER BY l.account_id",
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
    """More memory for sorting and for indexes, and all the time that a statement needs, while building."""
    connection.execute(
        f"SET work_mem = '{BUILD_MEMORY}'; SET maintenance_work_mem = '{BUILD_MEMORY}'; SET statement_timeout = 0;"
        f"SET default_statistics_target = {STATISTICS}"
    )
    try:
        yield
    finally:
        if not (connection.closed or connection.broken):
            connection.execute(
                "RESET work_mem; RESET maintenance_work_mem; RESET statement_timeout; RESET default_statistics_target"
            )
