"""The rows of projections, compared with what the naive interpreter makes of the events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice

from iamledger.engine.compile import Table
from iamledger.engine.declaration import Projection
from iamledger.engine.errors import BrokenRule
from iamledger.engine.naive import Recorded
from iamledger.engine.verify import Comparison
from iamledger.replay.hashes import streamed
from iamledger.replay.reading import Reading
from iamledger.replay.records import FINDINGS
from iamledger.store import Connection


@dataclass
class Compared:
    """What came of comparing a projection."""

    rows: int | None = None
    """How many were compared; None if an event broke a rule that the projection's rows say it did not break."""
    stopped: bool = False
    """The projection has stopped before an event; its rows up to there are as they should be, if nothing else was found."""
    findings: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Rows:
    """The task of comparing all rows of some projections up to a position, or to where each has stopped.

    The events are read once for all of them.
    """

    account_id: str
    tables: Sequence[Table]
    upto: int

    def run(self, connection: Connection, tell: Callable[[int], None]) -> list[Compared]:
        """Compare them. `tell` is told how many positions are done since it was last told."""
        every = [_Comparing(connection, self.account_id, table, self.upto) for table in self.tables]
        listening: dict[str, list[_Comparing]] = {}
        for one in every:
            for type_ in one.projection.events():
                listening.setdefault(type_, []).append(one)
        reading = Reading([table.projection for table in self.tables])
        told = 0
        try:
            for rows in streamed(connection, reading.statement, reading.parameters(self.account_id, self.upto)):
                for event in map(reading.recorded, rows):
                    for one in listening[event.type]:
                        one.apply(event)
                tell(rows[-1][0] - told)
                told = rows[-1][0]
                if all(one.over for one in every):
                    break
            return [one.finish() for one in every]
        finally:
            for one in every:
                one.close()
            tell(self.upto - told)


KEPT = 120_000
"""Open rows that are kept in mind at once, of several projections; about 50 MB. One that needs more is compared alone."""


def grouped(connection: Connection, account_id: str, upto: int, tables: Iterable[Table]) -> list[list[Table]]:
    """The projections in a few groups, of which each reads the events once; those that listen to most events come first.

    How many rows each keeps open is told by a thousand events, about.
    """
    counts = _sample(connection, account_id, upto)
    each = upto / max(1, counts.total())
    groups: list[list[Table]] = []
    room: list[float] = []
    for table in sorted(tables, key=lambda table: _open_rows(table.projection, counts), reverse=True):
        needed = _open_rows(table.projection, counts) * each
        n = next((n for n, left in enumerate(room) if needed <= left), len(groups))
        if n == len(groups):
            groups.append([])
            room.append(KEPT)
        groups[n].append(table)
        room[n] -= needed
    return sorted(groups, key=lambda group: -sum(counts[type_] for one in group for type_ in one.projection.events()))


def _sample(connection: Connection, account_id: str, upto: int) -> Counter[str]:
    """The types of about a thousand events, by how often they are there."""
    rows = connection.execute(
        "SELECT e.type FROM generate_series(1, %(upto)s, greatest(1, %(upto)s / 1000)) AS sample(position)"
        " CROSS JOIN LATERAL (SELECT type FROM iamledger.events e"
        " WHERE e.account_id = %(account)s AND e.position = sample.position OFFSET 0) AS e",
        {"account": account_id, "upto": upto},
    )
    return Counter(type_ for (type_,) in rows)


def _open_rows(projection: Projection, counts: Counter[str]) -> int:
    """How many rows are open after so many events of each type, if each `put` begins one."""
    begun = {"open": 1, "put": 1, "revise": 0, "close": -1}
    return max(0, sum(begun[rule.kind] * counts[rule.event] for rule in projection.rules))


class _Comparing:
    """One projection while its events go by."""

    def __init__(self, connection: Connection, account_id: str, table: Table, upto: int) -> None:
        self.projection = table.projection
        self.upto = upto
        """The last position that it is compared at."""
        self.over = False
        """Enough is known of it."""
        self.compared = Compared()
        self._begin(*_standing(connection, account_id, table))
        self._comparison = Comparison(connection, account_id, table, self.upto)

    def _begin(self, head: int, reached: int, failed: int | None, reason: str | None) -> None:
        name, findings = self.projection.name, self.compared.findings
        if max(reached, (failed or 0) - 1) > head:
            findings.append(
                f"{name} is recorded to have come to position {reached}"
                + (f" and to have stopped before {failed}" if failed is not None else "")
                + f", beyond the head {head}"
            )
        if failed is not None and failed <= self.upto:
            self.upto = failed - 1
            self.compared.stopped = True
            findings.append(
                f"position {failed}: {name} has stopped before this event, which does not fit its rules: {reason}"
            )

    def apply(self, event: Recorded) -> None:
        """One more event."""
        if self.over or event.position > self.upto:
            return
        try:
            drifts = self._comparison.apply(event)
        except BrokenRule as broken:
            self.compared.findings.append(f"position {event.position}: {self.projection.name}: {broken}")
            self.over = True
            return
        if drifts:
            self.compared.findings += map(str, islice(drifts, FINDINGS))
            if len(self.compared.findings) >= FINDINGS:
                self.over = True
                self.compared.rows = self._comparison.rows

    def finish(self) -> Compared:
        """What is left after the last event; what came of it all."""
        if not self.over:
            self.compared.findings += map(str, islice(self._comparison.finish(), FINDINGS))
            self.compared.rows = self._comparison.rows
        return self.compared

    def close(self) -> None:
        """Read no further."""
        self._comparison.close()


def _standing(connection: Connection, account_id: str, table: Table) -> tuple[int, int, int | None, str | None]:
    """The head; how far it has come; the event before which it has stopped, and why."""
    row = connection.execute(
        "SELECT l.head, coalesce(p.position, 0), p.failed, p.reason FROM iamledger.ledgers l"
        " LEFT JOIN iamledger.projection_positions p"
        " ON p.account_id = l.account_id AND p.projection = %s AND p.generation = %s"
        " WHERE l.account_id = %s",
        (table.projection.name, table.generation, account_id),
    ).fetchone()
    return (0, 0, None, None) if row is None else row
