"""Catching projections up with the ledger of one account.

All projections of an account advance in one transaction: rows and positions commit together, so an event is applied
exactly once, and every snapshot shows all projections at one position. If an event cannot be applied, each
projection goes on by itself: the range is halved until the event is found, what comes before it is committed, and the
projection stops there, for that account. No event is ever skipped.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from iamledger.engine.compile import Table
from iamledger.engine.errors import BrokenRule
from iamledger.store.connection import Connection
from iamledger.store.errors import NoLedger, translated


@dataclass(frozen=True, slots=True)
class Behind:
    """A generation and the position that it has reached with an account."""

    table: Table
    position: int
    failed: int | None


UNFIT = (BrokenRule, psycopg.DataError, psycopg.IntegrityError)
"""What is raised if an event cannot be applied; the latter two do not tell which one it was."""


def catch_up(connection: Connection, account_id: str, tables: Sequence[Table]) -> int:
    """Bring these generations to the head of the account's ledger, or to the event that stops them.

    Returns the head. Costs one indexed look-up if nothing is new. Raises `NoLedger`.
    """
    head, behind = _look(connection, account_id, tables)
    if behind:
        try:
            with translated(), connection.transaction():
                head, behind = _look(connection, account_id, tables, lock=True)
                _advance(connection, account_id, behind, head)
        except UNFIT:
            for one in behind:
                _advance_or_stop(connection, account_id, one, head)
    return head


def _look(
    connection: Connection, account_id: str, tables: Sequence[Table], *, lock: bool = False
) -> tuple[int, list[Behind]]:
    """The ledger's head, and which generations are behind it and have not failed."""
    if lock:
        _begin(connection, account_id, tables)
        these, names = _these(tables)
        connection.execute(
            f"SELECT FROM iamledger.projection_positions WHERE account_id = %s AND {these}"
            " ORDER BY projection, generation FOR UPDATE",
            (account_id, *names),
        )
    with translated():
        rows = connection.execute(
            "SELECT l.head, p.projection, p.generation, p.position, p.failed FROM iamledger.ledgers l"
            " LEFT JOIN iamledger.projection_positions p USING (account_id) WHERE l.account_id = %s",
            (account_id,),
        ).fetchall()
    if not rows:
        raise NoLedger(f"no ledger for account {account_id}")
    head: int = rows[0][0]
    reached = {(name, generation): (position, failed) for _, name, generation, position, failed in rows}
    every = [Behind(table, *reached.get((table.projection.name, table.generation), (0, None))) for table in tables]
    return head, [one for one in every if one.position < head and one.failed is None]


def _begin(connection: Connection, account_id: str, tables: Iterable[Table]) -> None:
    # Always in the same order: two sessions that begin with the same account must not wait for each other's rows.
    rows = [(account_id, *name) for name in sorted(map(_name, tables))]
    connection.execute(
        "INSERT INTO iamledger.projection_positions (account_id, projection, generation, position)"
        f" VALUES {', '.join(['(%s, %s, %s, 0)'] * len(rows))} ON CONFLICT DO NOTHING",
        [value for row in rows for value in row],
    )


def _name(table: Table) -> tuple[str, int]:
    return table.projection.name, table.generation


def _these(tables: Sequence[Table]) -> tuple[str, list[str | int]]:
    """A condition for the positions of these generations, and its parameters."""
    condition = f"(projection, generation) IN ({', '.join(['(%s, %s)'] * len(tables))})"
    return condition, [part for table in tables for part in _name(table)]


def _advance(connection: Connection, account_id: str, behind: Sequence[Behind], upto: int) -> None:
    """Apply events up to a position, in the caller's transaction."""
    for after in {one.position for one in behind}:
        together = [one.table for one in behind if one.position == after]
        rows = connection.execute(
            "SELECT DISTINCT type FROM iamledger.events WHERE account_id = %s AND position > %s AND position <= %s",
            (account_id, after, upto),
        ).fetchall()
        types = {type_ for (type_,) in rows}
        for table in together:
            if types.intersection(table.projection.events()):
                _apply(connection, account_id, table, after, upto)
        these, names = _these(together)
        connection.execute(
            f"UPDATE iamledger.projection_positions SET position = %s WHERE account_id = %s AND {these}",
            (upto, account_id, *names),
        )


def _apply(connection: Connection, account_id: str, table: Table, after: int, upto: int) -> None:
    run(
        connection,
        table.apply("e.account_id = %(account)s"),
        {"account": account_id, "after": after, "upto": upto},
    )


def run(connection: Connection, statement: str, parameters: dict[str, Any], *, prepare: bool | None = None) -> None:
    """Run a statement that applies events. Raises one of `UNFIT` if one of them cannot be applied."""
    try:
        broken = connection.execute(statement, parameters, prepare=prepare).fetchone()
    except psycopg.errors.ProgramLimitExceeded as error:  # such as a key that is too long for an index
        raise psycopg.DataError(error.diag.message_primary or str(error)) from error
    if broken is not None:
        raise BrokenRule(broken[2], broken[1])


def _advance_or_stop(connection: Connection, account_id: str, behind: Behind, upto: int) -> bool:
    """Bring one generation as far as it goes; False if it stopped before an event."""
    table, after = behind.table, behind.position
    try:
        with translated(), connection.transaction():
            _, still = _look(connection, account_id, [table], lock=True)
            if not still or still[0].position >= upto:
                return not _stopped(connection, account_id, table)
            _advance(connection, account_id, [still[0]], upto)
    except BrokenRule as broken:
        if broken.position - 1 > after:
            _advance_or_stop(connection, account_id, behind, broken.position - 1)
        _stop(connection, account_id, table, broken.position, str(broken))
        return False
    except (psycopg.DataError, psycopg.IntegrityError) as error:
        if upto - after == 1:
            _stop(connection, account_id, table, upto, error.diag.message_primary or str(error))
            return False
        middle = (after + upto) // 2
        return _advance_or_stop(connection, account_id, behind, middle) and _advance_or_stop(
            connection, account_id, Behind(table, middle, None), upto
        )
    return True


def _stopped(connection: Connection, account_id: str, table: Table) -> bool:
    row = connection.execute(
        "SELECT failed FROM iamledger.projection_positions"
        " WHERE account_id = %s AND projection = %s AND generation = %s",
        (account_id, table.projection.name, table.generation),
    ).fetchone()
    return row is not None and row[0] is not None


def _stop(connection: Connection, account_id: str, table: Table, position: int, reason: str) -> None:
    with translated():
        _begin(connection, account_id, [table])  # if it was the very first event, its row was rolled back
        connection.execute(
            "UPDATE iamledger.projection_positions SET failed = %s, reason = %s"
            " WHERE account_id = %s AND projection = %s AND generation = %s AND position = %s - 1",
            (position, reason, account_id, table.projection.name, table.generation, position),
        )
