"""What one event changed: the rows of projections before and after it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from psycopg.rows import dict_row

from iamledger.engine.compile import Table, quoted
from iamledger.store.connection import Connection
from iamledger.store.errors import translated
from iamledger.store.events import RecordedEvent


@dataclass(frozen=True, slots=True)
class Change:
    """A row of a projection, named by its key: its columns before and after an event; None if it was not open."""

    projection: str
    key: tuple[str, ...]
    before: dict[str, Any] | None
    after: dict[str, Any] | None

    def columns(self) -> dict[str, tuple[Any, Any]]:
        """The columns that differ, as they were and as they are."""
        before, after = self.before or {}, self.after or {}
        names = dict.fromkeys([*before, *after])
        return {n: (before.get(n), after.get(n)) for n in names if before.get(n) != after.get(n)}


def changes(connection: Connection, event: RecordedEvent, tables: Iterable[Table]) -> Iterator[Change]:
    """The rows that an event opened, revised or closed. The projections must have come that far."""
    for table in tables:
        projection = table.projection
        for rule in projection.rules:
            if rule.event == event.type:
                key = tuple(
                    str(event.data.get(source) if isinstance(source, str) else event.position)
                    for source in projection.key_fields(rule)
                )
                yield _change(connection, event, table, key)


def _change(connection: Connection, event: RecordedEvent, table: Table, key: tuple[str, ...]) -> Change:
    projection = table.projection
    same_key = " AND ".join(f"{quoted(name)} = %s" for name in projection.key)
    with translated(), connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(
            f"SELECT * FROM {table.name} WHERE account_id = %s AND {same_key} AND (since = %s OR until = %s)",
            (event.account_id, *key, event.position, event.position),
        ).fetchall()
    before = next((row for row in rows if row["until"] == event.position), None)
    after = next((row for row in rows if row["since"] == event.position), None)
    return Change(projection.name, key, _columns(table, before), _columns(table, after))


def _columns(table: Table, row: dict[str, Any] | None) -> dict[str, Any] | None:
    return None if row is None else {name: row[name] for name in table.projection.columns}
