"""Compares projections, row by row, with what the naive interpreter makes of the events.

Memory stays small: events and rows are streamed, rows ordered by where they end, as the interpreter ends them.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import orjson

from iamledger.engine.compile import Table, quoted
from iamledger.engine.declaration import ColumnType
from iamledger.engine.errors import BrokenRule
from iamledger.engine.naive import Interpreter, Key, Packed, Recorded, Version, packed, unpacked
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
        self._projection = table.projection
        self._interpreter = Interpreter(table.projection)
        self.events = frozenset(table.projection.events())
        """The types of events that it listens to."""
        self._account_id = account_id
        self._chunks = _rows(connection, account_id, table, upto)
        self._found: list[Packed] = []
        """The next rows, last one first."""
        self._ended: list[Packed] = []
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
            yield self._drift(None, self._take())

    def close(self) -> None:
        """Read no further."""
        self._chunks.close()

    def _compare(self, versions: list[Packed]) -> Iterator[Drift]:
        while len(self._found) < len(versions) and (chunk := next(self._chunks, None)) is not None:
            self._found = [*reversed(chunk), *self._found]
        if versions and versions == self._found[: -len(versions) - 1 : -1]:
            del self._found[-len(versions) :]
            self.rows += len(versions)
            return
        for expected in versions:
            while (found := self._next()) is not None and _order(found) < _order(expected):
                yield self._drift(None, self._take())
            if found is None or _order(found) > _order(expected):
                yield self._drift(expected, None)
            elif self._take() != expected:
                yield self._drift(expected, found)

    def _drift(self, expected: Packed | None, found: Packed | None) -> Drift:
        versions = [one and unpacked(self._projection, one) for one in (expected, found)]
        return Drift(self._projection.name, self._account_id, *versions)

    def _next(self) -> Packed | None:
        if not self._found:
            self._found = next(self._chunks, [])[::-1]
        return self._found[-1] if self._found else None

    def _take(self) -> Packed:
        self.rows += 1
        return self._found.pop()


def _json(value: Any) -> bytes:
    """To Python, but not to JSON, true and 1 are the same."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def _order(version: Packed) -> tuple[float, Key, int]:
    key, since, until, _ = version
    return until or float("inf"), key, since


def _rows(connection: Connection, account_id: str, table: Table, upto: int) -> Generator[list[Packed], None, None]:
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
        width = 2 + len(key)
        converted = [(n, _FOUND[type_]) for n, type_ in enumerate(columns.values()) if type_ in _FOUND]
        while rows := cursor.fetchmany(CHUNK):
            yield [(row[2:width], row[0], row[1], _packed(row[width:], converted)) for row in rows]


def _packed(found: Sequence[Any], converted: Sequence[tuple[int, Callable[[str], Any]]]) -> str:
    """The columns of a row, those converted that need it, as the interpreter packs them.

    What no event can have made, such as a number of a thousand digits, is packed as no expected columns are: with a space.
    """
    columns = [*found]
    try:
        for n, convert in converted:
            if columns[n] is not None:
                columns[n] = convert(columns[n])
        return packed(columns)
    except (orjson.JSONDecodeError, BrokenRule):
        return packed(found) + " "


_FOUND: dict[ColumnType, Callable[[str], Any]] = {"jsonb": orjson.loads, "timestamptz": iso_of_text}
"""From the text of a row's column to the form that the interpreter gives it."""
