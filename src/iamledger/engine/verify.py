"""Compares projections, row by row, with what the naive interpreter makes of the events.

Memory stays small: events and rows are streamed, rows ordered by where they end, as the interpreter ends them.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import orjson

from iamledger.engine.compile import Table, quoted
from iamledger.engine.declaration import ColumnType
from iamledger.engine.naive import Interpreter, Recorded, Version
from iamledger.store.connection import Connection
from iamledger.store.events import iso_of_text

CHUNK = 1000


@dataclass(frozen=True, slots=True)
class Drift:
    """A row that is not what the events say. `expected` or `found` is None if there is no such row."""

    projection: str
    account_id: str
    expected: Version | None
    found: Version | None

    def __str__(self) -> str:
        version = self.expected or self.found
        assert version is not None
        until = "now" if version.until is None else version.until
        what = (
            "has a row that no event made"
            if self.expected is None
            else "lacks a row"
            if self.found is None
            else "has a row that differs: " + "; ".join(self._differences())
        )
        return f"{self.projection} {'/'.join(version.key)} from {version.since} until {until}: {what}"

    def _differences(self) -> list[str]:
        assert self.expected is not None
        assert self.found is not None
        expected, found = self.expected.columns, self.found.columns
        ends = (
            []
            if self.expected.until == self.found.until
            else [f"ends at {self.found.until} instead of {self.expected.until}"]
        )
        return ends + [
            f"{n} is {found.get(n)!r} instead of {v!r}" for n, v in expected.items() if _json(found.get(n)) != _json(v)
        ]


class Comparison:
    """Compares one projection of one account while its events go by. Open a transaction with one snapshot around it.

    Rows are compared a chunk at a time; only where a chunk differs, one by one.
    """

    def __init__(self, connection: Connection, account_id: str, table: Table, upto: int) -> None:
        self._interpreter = Interpreter(table.projection)
        self.events = frozenset(table.projection.events())
        """The types of events that it listens to."""
        self._name, self._account_id = table.projection.name, account_id
        self._json_columns = [name for name, type_ in table.projection.columns.items() if type_ == "jsonb"]
        self._chunks = _rows(connection, account_id, table, upto)
        self._found: list[Version] = []
        """The next rows, last one first."""
        self._ended: list[Version] = []
        """Versions that are still to be compared."""
        self.rows = 0
        self.position = 0
        """Of the last event."""

    def apply(self, event: Recorded) -> list[Drift]:
        """One more event. Returns what is found by now; raises `BrokenRule`, after which `settle` has the rest."""
        self.position = event.position
        ended = self._interpreter.apply(event)
        if len(ended) > 1:
            ended.sort()
        self._ended += ended
        return self.settle() if len(self._ended) >= CHUNK else []

    def settle(self) -> list[Drift]:
        """Compare the versions that have ended so far."""
        ended, self._ended = self._ended, []
        return list(self._compare(ended))

    def finish(self) -> Iterator[Drift]:
        """The rows that are still open, and those that no event made."""
        yield from self.settle()
        rest = self._interpreter.rest()
        while chunk := [*islice(rest, CHUNK)]:
            yield from self._compare(chunk)
        while self._next() is not None:
            yield Drift(self._name, self._account_id, None, self._take())

    def close(self) -> None:
        """Read no further."""
        self._chunks.close()

    def _compare(self, versions: list[Version]) -> Iterator[Drift]:
        while len(self._found) < len(versions) and (chunk := next(self._chunks, None)) is not None:
            self._found = [*reversed(chunk), *self._found]
        if versions and self._same(versions, self._found[: -len(versions) - 1 : -1]):
            del self._found[-len(versions) :]
            self.rows += len(versions)
            return
        for expected in versions:
            while (found := self._next()) is not None and _order(found) < _order(expected):
                yield Drift(self._name, self._account_id, None, self._take())
            if found is None or _order(found) > _order(expected):
                yield Drift(self._name, self._account_id, expected, None)
            elif not self._same([expected], [self._take()]):
                yield Drift(self._name, self._account_id, expected, found)

    def _same(self, expected: list[Version], found: list[Version]) -> bool:
        return found == expected and all(
            _json([one.columns[name] for one in found]) == _json([one.columns[name] for one in expected])
            for name in self._json_columns
        )

    def _next(self) -> Version | None:
        if not self._found:
            self._found = next(self._chunks, [])[::-1]
        return self._found[-1] if self._found else None

    def _take(self) -> Version:
        self.rows += 1
        return self._found.pop()


def _json(value: Any) -> bytes:
    """To Python, but not to JSON, true and 1 are the same."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def _order(version: Version) -> tuple[float, tuple[str, ...], int]:
    return version.until or float("inf"), version.key, version.since


def _rows(connection: Connection, account_id: str, table: Table, upto: int) -> Generator[list[Version], None, None]:
    """The rows as they were at a position, by chunks, ordered by where they end (open ones last), then by key.

    Positions that the projection has not reached yet are no future that is to be left out: no event can have made them.
    """
    projection = table.projection
    key, columns = list(projection.key), projection.columns
    order = ", ".join(f'{quoted(name)} COLLATE "C"' for name in key)
    read = ", ".join(
        f"{quoted(name)}::text" if columns.get(name) in ("jsonb", "timestamptz") else quoted(name)
        for name in [*key, *columns]
    )
    with connection.cursor(name=f"rows_of_{projection.name}", binary=True) as cursor:
        cursor.execute(
            "WITH reached AS (SELECT least(max(position),"
            " (SELECT head FROM iamledger.ledgers WHERE account_id = %(account)s)) AS position"
            " FROM iamledger.projection_positions"
            " WHERE account_id = %(account)s AND projection = %(projection)s AND generation = %(generation)s)"
            f"SELECT since, _ended, {read} FROM ("
            " SELECT r.*, CASE WHEN until <= %(upto)s OR until > reached.position THEN until END AS _ended"
            f" FROM {table.name} r, reached"
            " WHERE account_id = %(account)s AND (since <= %(upto)s OR since > reached.position)) AS known"
            f" ORDER BY _ended NULLS LAST, {order}, since",
            {"account": account_id, "upto": upto, "projection": projection.name, "generation": table.generation},
        )
        names, width = list(columns), 2 + len(key)
        converted = [(name, _FOUND[type_]) for name, type_ in columns.items() if type_ in _FOUND]
        while rows := cursor.fetchmany(CHUNK):
            chunk = [Version(row[2:width], row[0], row[1], dict(zip(names, row[width:], strict=True))) for row in rows]
            for name, convert in converted:
                for version in chunk:
                    value = version.columns[name]
                    if value is not None:
                        version.columns[name] = convert(value)
            yield chunk


_FOUND: dict[ColumnType, Callable[[str], Any]] = {"jsonb": orjson.loads, "timestamptz": iso_of_text}
"""From the text of a row's column to the form that the interpreter gives it."""
