"""What a reader queries: projections now, or as of a position.

A view is one snapshot. All its projections stand at the same position of one account's ledger.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import psycopg
from psycopg.rows import dict_row

from iamledger.engine.catchup import catch_up
from iamledger.engine.compile import Table, quoted
from iamledger.engine.declaration import Projection, Rule
from iamledger.engine.errors import InvalidQuery, NoSuchProjection, ProjectionAhead, ProjectionFailed
from iamledger.engine.registry import live_tables
from iamledger.store.connection import Connection
from iamledger.store.errors import SchemaOutdated, translated

Row = dict[str, Any]
T = TypeVar("T")
BEFORE_ALL = datetime.min.replace(tzinfo=UTC)
"""The time of position 0."""


@dataclass(frozen=True, slots=True)
class View:
    """Projections of one account at a position.

    `time` is the moment that the view answers for: now, the time that was asked for, or when the position was recorded.
    """

    connection: Connection
    account_id: str
    position: int
    recorded_at: datetime
    time: datetime
    past: bool
    reached: int
    """The position up to which rows have been made, at least."""
    tables: dict[str, Table]

    def rows(self, sql: str, **parameters: Any) -> list[Row]:
        """Run a query in which `{users}` stands for the rows of the projection `users` that were true at the position.

        Parameters are written `%(name)s`; `%(account_id)s` and `%(time)s` are always there. Raises `InvalidQuery` if the
        query has a WITH of its own that takes a projection's name.
        """
        named = _Named(self.tables)
        statement = sql.format_map(named)
        rows_of = [f"{quoted(name)} AS NOT MATERIALIZED ({self._rows_of(self.tables[name])})" for name in named.used]
        if rows_of:
            its_own = _WITH.match(statement, _after_comments(statement))
            if its_own is None:
                statement = f"WITH {', '.join(rows_of)} {statement}"
            else:
                at = _after_comments(statement, its_own.end())
                recursive = _RECURSIVE.match(statement, at)
                statement = (
                    f"WITH {recursive[0] if recursive else ''} {', '.join(rows_of)},"
                    f" {statement[recursive.end() if recursive else at :]}"
                )
        parameters = {"account_id": self.account_id, "time": self.time, **parameters}
        try:
            with translated(), self.connection.cursor(row_factory=dict_row) as cursor:
                return cursor.execute(statement, parameters).fetchall()
        except psycopg.errors.DuplicateAlias as error:
            raise InvalidQuery(
                f"{error.diag.message_primary}. What a query names in WITH must not be called as a projection that it reads."
            ) from error

    def _rows_of(self, table: Table) -> str:
        account = "%(account_id)s"
        return table.rows_at(account, self.position, self.reached) if self.past else table.rows_now(account)


_WITH = re.compile(r"WITH\b", re.IGNORECASE)
_RECURSIVE = re.compile(r"RECURSIVE\b", re.IGNORECASE)
_SPACE = re.compile(r"(?:\s|--[^\n\r]*)*")
_COMMENT = re.compile(r"/\*|\*/")


def _after_comments(sql: str, at: int = 0) -> int:
    """Where the next word of a statement begins. Comments in /* */ may be nested."""
    depth = 0
    while True:
        space = _SPACE.match(sql, at)
        at = space.end() if space else at
        if not sql.startswith("/*", at):
            return at
        for mark in _COMMENT.finditer(sql, at):
            depth += 1 if mark[0] == "/*" else -1
            at = mark.end()
            if depth == 0:
                break
        else:
            return len(sql)  # it has no end, as the server will say


class _Named:
    """Puts the names of projections into a query, and keeps which ones it named."""

    def __init__(self, tables: Mapping[str, Table]) -> None:
        self.tables = tables
        self.used: dict[str, None] = {}

    def __getitem__(self, name: str) -> str:
        if name not in self.tables:
            raise NoSuchProjection(f"There is no projection called {name}.")
        self.used[name] = None
        return quoted(name)


@contextmanager
def open_view(
    connection: Connection,
    account_id: str,
    projections: Sequence[Projection],
    *,
    position: int | None = None,
    time: datetime | None = None,
    stale: bool = False,
) -> Iterator[View]:
    """A view of these projections, caught up first; as of a position of the ledger, or now.

    Raises `NoLedger`; `ProjectionFailed` if one of them has stopped before the position, unless `stale` is accepted.
    """

    def opened(tables: dict[str, Table]) -> View:
        catch_up(connection, account_id, list(tables.values()))
        with translated(), ExitStack() as opening:
            opening.enter_context(connection.transaction())
            view = _view(connection, account_id, tables, position, time, stale)
            snapshot.push(opening.pop_all())
        return view

    with ExitStack() as snapshot:
        yield _again_if_rebuilt(connection, projections, opened)  # what the reader raises goes through unchanged
        with translated():
            snapshot.close()


def _again_if_rebuilt(
    connection: Connection, projections: Sequence[Projection], read: Callable[[dict[str, Table]], T]
) -> T:
    """Read the live generations; and again, as long as rebuilds put new ones in their place in the meantime."""
    tables = live_tables(connection, projections)
    while True:
        try:
            return read(tables)
        except SchemaOutdated:
            before, tables = tables, live_tables(connection, projections)
            if tables == before:
                raise


def _view(
    connection: Connection,
    account_id: str,
    tables: dict[str, Table],
    position: int | None,
    time: datetime | None,
    stale: bool,
) -> View:
    connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
    names = ", ".join(table.name for table in tables.values())
    connection.execute(f"LOCK TABLE {names} IN ACCESS SHARE MODE")
    rows = connection.execute(
        "SELECT p.projection, p.generation, p.position, p.failed, p.reason, l.head"
        " FROM iamledger.projection_positions p JOIN iamledger.ledgers l USING (account_id) WHERE p.account_id = %s",
        (account_id,),
    ).fetchall()
    reached = {(name, generation): (at, failed, reason) for name, generation, at, failed, reason, _ in rows}
    head = rows[0][5] if rows else 0
    at = min((reached[table.projection.name, table.generation][0] for table in tables.values()), default=0)
    for table in tables.values():
        here, failed, reason = reached[table.projection.name, table.generation]
        _refuse_ahead(table, here, failed, head)
        if failed is not None and not stale and (position is None or position >= failed):
            raise ProjectionFailed(
                f"The projection {table.projection.name} stopped before the event at position {failed}: {reason}."
                f" See `iamledger projection status`; to read it as it stands at position {failed - 1}, add --stale."
            )
    asked = at if position is None else min(position, at)
    row = connection.execute(
        "SELECT (SELECT recorded_at FROM iamledger.events WHERE account_id = %s AND position = %s), clock_timestamp()",
        (account_id, asked),
    ).fetchone()
    assert row is not None
    recorded_at, now = row[0] or BEFORE_ALL, row[1]
    farthest = max((reached[t.projection.name, t.generation][0] for t in tables.values()), default=0)
    moment = time or (recorded_at if position is not None else now)
    return View(connection, account_id, asked, recorded_at, moment, asked < farthest, farthest, tables)


def _refuse_ahead(table: Table, reached: int, failed: int | None, head: int) -> None:
    """No event has taken it there, and those that are to come would pass it by."""
    if max(reached, (failed or 0) - 1) > head:
        name = table.projection.name
        raise ProjectionAhead(
            f"The projection {name} is recorded to have come to position {max(reached, (failed or 0) - 1)}, but the ledger"
            f" of this account ends at position {head}. Rebuild it: iamledger projection rebuild {name}"
        )


def count_rows(
    connection: Connection, account_id: str, projection: Projection, where: tuple[str, str] | None = None
) -> int:
    """How many rows a projection has now, caught up first; only those with a value in a column, if `where` names both."""
    condition = f" AND {quoted(where[0])} = %(value)s" if where else ""

    def counted(tables: dict[str, Table]) -> int:
        table = tables[projection.name]
        catch_up(connection, account_id, [table])
        with translated():
            row = connection.execute(
                f"SELECT rows.count, p.failed, coalesce(p.position, 0), l.head"
                f" FROM (SELECT count(*) FROM {table.name}"
                f" WHERE account_id = %(account)s AND until IS NULL{condition}) AS rows"
                " JOIN iamledger.ledgers l ON l.account_id = %(account)s"
                " LEFT JOIN iamledger.projection_positions p ON p.account_id = l.account_id"
                " AND p.projection = %(projection)s AND p.generation = %(generation)s",
                {
                    "account": account_id,
                    "projection": projection.name,
                    "generation": table.generation,
                    "value": where[1] if where else None,
                },
            ).fetchone()
        assert row is not None
        count, failed, reached, head = row
        _refuse_ahead(table, reached, failed, head)
        if failed is not None:  # what is too few must not pass a quota
            raise ProjectionFailed(
                f"The projection {projection.name} stopped before the event at position {failed}, so its rows cannot be"
                " counted. See `iamledger projection status`."
            )
        return int(count)

    return _again_if_rebuilt(connection, [projection], counted)


def rows_begun(projection: Projection, where: tuple[str, str] | None, types: Iterable[str]) -> int:
    """How many more rows `count_rows` will count after events of these types.

    A row that ends is taken for one that counts: with `where`, a projection must close no others, or too few are told.
    """
    begun = {rule.event: 1 for rule in projection.rules if rule.kind in ("open", "put") and _sets(rule, where)}
    ended = {rule.event: 1 for rule in projection.rules if rule.kind == "close"}
    return sum(begun.get(type_, 0) - ended.get(type_, 0) for type_ in types)


def _sets(rule: Rule, where: tuple[str, str] | None) -> bool:
    return where is None or rule.set.get(where[0]) == where[1]
