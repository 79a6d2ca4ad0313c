"""Compares projections, row by row, with what the naive interpreter makes of the events.

Memory stays small: events and rows are streamed, rows ordered by where they end, as the interpreter ends them.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import orjson

from iamledger.engine.compile import Table, quoted
from iamledger.engine.declaration import ColumnType
from iamledger.engine.errors import BrokenRule
from iamledger.engine.naive import Interpreter, Key, Recorded, Step, Version, packed, unpacked
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

    A row is compared where it begins; then only where it says that it ends is kept in mind, if it does.
    """

    def __init__(self, connection: Connection, account_id: str, table: Table, upto: int) -> None:
        self._projection, self._account_id = table.projection, account_id
        self._interpreter = Interpreter(table.projection)
        self.events = frozenset(table.projection.events())
        """The types of events that it listens to."""
        self._chunks = found_rows(connection, account_id, table, upto)
        self._found: list[FoundRow] = []
        """The next rows, last one first."""
        self._ends: dict[Key, int] = {}
        """Where open versions end that were found, if they do."""
        self._odd: dict[Key, tuple[str, FoundRow | None]] = {}
        """Open versions that were not found, or are other than expected: the columns that were, and the row."""
        self.rows = 0

    def apply(self, event: Recorded) -> Iterable[Drift]:
        """One more event. Returns what is wrong, which must be read before the next event; `()` if nothing is.

        Raises `BrokenRule`.
        """
        steps = self._interpreter.apply(event)
        if len(steps) > 1:
            steps.sort()
        for n, step in enumerate(steps):
            if not self._as_expected(event.position, step):
                return self._differences(event.position, steps[n:])
        return ()

    def finish(self) -> Iterator[Drift]:
        """The rows that should be open still, and those that no event made."""
        for key in sorted({*self._ends, *self._odd}):
            yield from self._ended(key, self._interpreter.open[key][0], None)
        while self._next() is not None:
            yield self._unexpected(self._take())

    def close(self) -> None:
        """Read no further."""
        self._chunks.close()

    def _as_expected(self, position: int, step: Step) -> bool:
        """Goes on if the rows are as a step wants them, and returns False, and does nothing, if they are not."""
        key, since, columns = step
        if since is not None and (self._ends.get(key) != position or key in self._odd):
            return False
        if columns is not None:
            found = self._next()
            if found is None or found[0] != position or found[1] != key or found[2] != columns:
                return False
            self._begin(key, self._take())
        elif since is not None:
            del self._ends[key]
        return True

    def _differences(self, position: int, steps: Sequence[Step]) -> Iterator[Drift]:
        """A version that has no row, or another one, is told where it ends."""
        for key, since, columns in steps:
            if since is not None:
                yield from self._ended(key, since, position)
            if columns is not None:
                while (found := self._next()) is not None and found[:2] < (position, key):
                    yield self._unexpected(self._take())
                if found is not None and found[:2] == (position, key):
                    self._begin(key, self._take())
                else:
                    found = None
                if found is None or found[2] != columns:
                    self._odd[key] = columns, found

    def _begin(self, key: Key, found: FoundRow) -> None:
        """A row of the key is open from here on; where it says that it ends is kept in mind."""
        if found[3] is None:
            self._ends.pop(key, None)
        else:
            self._ends[key] = found[3]

    def _ended(self, key: Key, since: int, until: int | None) -> Iterator[Drift]:
        """What is wrong with a version that ends here, if anything is. Columns are not told if only the ends differ."""
        end, odd = self._ends.pop(key, None), self._odd.pop(key, None)
        if odd is not None or end != until:
            columns, found = odd or ("[]", (since, key, "[]", end))
            expected = Version(key, since, until, unpacked(self._projection, columns))
            yield Drift(self._projection.name, self._account_id, expected, found and self._version(found))

    def _unexpected(self, found: FoundRow) -> Drift:
        return Drift(self._projection.name, self._account_id, None, self._version(found))

    def _version(self, found: FoundRow) -> Version:
        since, key, columns, until = found
        return Version(key, since, until, unpacked(self._projection, columns))

    def _next(self) -> FoundRow | None:
        if not self._found:
            self._found = next(self._chunks, [])[::-1]
        return self._found[-1] if self._found else None

    def _take(self) -> FoundRow:
        self.rows += 1
        return self._found.pop()


def _json(value: Any) -> bytes:
    """To Python, but not to JSON, true and 1 are the same."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


FoundRow: TypeAlias = tuple[int, Key, str, int | None]
"""A row that was found: since, key, columns packed, until."""


def found_rows(
    connection: Connection, account_id: str, table: Table, upto: int
) -> Generator[list[FoundRow], None, None]:
    """The rows as they were at a position, by chunks, ordered by where they begin, then by key.

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
            f" ORDER BY since, {order}",
            {"account": account_id, "upto": upto, "projection": projection.name, "generation": table.generation},
        )
        width = 2 + len(key)
        converted = [(n, _FOUND[type_]) for n, type_ in enumerate(columns.values()) if type_ in _FOUND]
        while rows := cursor.fetchmany(CHUNK):
            yield [(row[0], row[2:width], _packed(row[width:], converted), row[1]) for row in rows]


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
