"""The other side: the `eventsourcing` library's own recorders on PostgreSQL, with the settings that it ships.

Its conditional append locks the whole table of events, which keeps it correct, so it stays as it is. (Its faster functions,
POSTGRES_ENABLE_DB_FUNCTIONS, take no lock and lose events for readers; they are never switched on here.)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from eventsourcing.dcb.api import DCBRecorder
from eventsourcing.dcb.postgres_tt import PostgresTTDCBFactory
from eventsourcing.persistence import Tracking
from eventsourcing.postgres import PostgresDatastore, PostgresTrackingRecorder
from psycopg.conninfo import conninfo_to_dict
from psycopg.sql import SQL
from psycopg.types.json import Jsonb

from iamledger.engine.compile import Table
from iamledger.engine.declaration import Field, FromContext, RecordedAt, RecordedPosition, Rule, Source
from iamledger.store import RecordedEvent


@contextmanager
def recorder(url: str, *, create: bool) -> Iterator[DCBRecorder]:
    """The stock recorder of events with a dynamic consistency boundary, from its own factory."""
    parts = _parts(url)
    environment = {f"POSTGRES_{name.upper()}": value for name, value in parts.items()}
    with PostgresTTDCBFactory({**environment, "CREATE_TABLE": "yes" if create else "no"}) as factory:
        yield factory.dcb_recorder()


class RowsRecorder(PostgresTrackingRecorder):
    """The library's way to a read model: in one transaction for each event, its position and the rows that it changes.

    The tables, their indexes and the meaning of the events are those of our projections.
    """

    def __init__(self, datastore: PostgresDatastore, tables: Sequence[Table]) -> None:
        super().__init__(datastore)
        self.statements: dict[str, list[_Statement]] = {}
        for table in tables:
            self.sql_create_statements.append(SQL(f"{table.create()};{table.index_keys()}").format())
            for rule in table.projection.rules:
                self.statements.setdefault(rule.event, []).append(_Statement(table, rule))

    def process(self, event: RecordedEvent, tracking: Tracking) -> None:
        """One event."""
        with self.datastore.transaction(commit=True) as cursor:
            self._insert_tracking(cursor, tracking)
            for statement in self.statements.get(event.type, ()):
                cursor.execute(statement.sql, statement.parameters(event), prepare=True)


@contextmanager
def rows_recorder(url: str, tables: Sequence[Table]) -> Iterator[RowsRecorder]:
    """A recorder with its tables made."""
    datastore = PostgresDatastore(*_parts(url).values())
    with datastore:
        made = RowsRecorder(datastore, tables)
        made.create_table()
        yield made


def _parts(url: str) -> dict[str, str]:
    """A conninfo in the form in which the library takes it."""
    given = {"dbname": "postgres", "host": "localhost", "port": 5432, "user": "postgres", "password": ""}
    known = {**given, **conninfo_to_dict(url)}
    return {name: str(known[name]) for name in given}


class _Statement:
    """What one rule does to one row, in SQL: one statement, one round trip."""

    def __init__(self, table: Table, rule: Rule) -> None:
        self.projection, self.rule = table.projection, rule
        key, columns = list(table.projection.key), list(table.projection.columns)
        self.sources: Mapping[str, Source] = table.projection.sources(rule) if rule.kind != "close" else {}
        same_row = " AND ".join(f'"{name}" = %({name})s' for name in ["account_id", *key]) + " AND until IS NULL"
        end = f"UPDATE {table.name} SET until = %(_at)s WHERE {same_row}"
        names = ", ".join(f'"{name}"' for name in ["account_id", "since", *key, *columns])
        if rule.kind == "close":
            self.sql = end
        elif rule.kind == "revise":
            kept = [f"%({name})s::{type_}" if name in self.sources else f'"{name}"' for name, type_ in self._typed()]
            values = ", ".join(["account_id", "%(_at)s::bigint", *(f'"{name}"' for name in key), *kept])
            self.sql = (
                f"WITH ended AS ({end} RETURNING *) INSERT INTO {table.name} ({names}) SELECT {values} FROM ended"
            )
        else:
            values = ", ".join(f"%({name})s" for name in ["account_id", "_at", *key, *columns])
            self.sql = f"INSERT INTO {table.name} ({names}) VALUES ({values})"
            if rule.kind == "put":
                self.sql = f"WITH ended AS ({end}) {self.sql}"

    def _typed(self) -> list[tuple[str, str]]:
        return list(self.projection.columns.items())

    def parameters(self, event: RecordedEvent) -> dict[str, Any]:
        """The values that an event has for it."""
        fields = zip(self.projection.key, self.projection.key_fields(self.rule), strict=True)
        values = {name: event.data[f] if isinstance(f, str) else str(event.position) for name, f in fields}
        values |= {name: self._value(name, source, event) for name, source in self.sources.items()}
        return {"account_id": event.account_id, "_at": event.position, **values}  # a key may be called position

    def _value(self, name: str, source: Source, event: RecordedEvent) -> Any:
        match source:
            case Field(field):
                value = event.data.get(field)
            case FromContext(entry):
                value = event.context.get(entry)
            case RecordedAt():
                value = event.recorded_at
            case RecordedPosition():
                value = event.position
            case _:
                value = source
        is_json = self.projection.columns[name] == "jsonb" and value is not None
        return Jsonb(value) if is_json else value
