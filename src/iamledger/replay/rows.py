"""The rows of a projection, compared with what the naive interpreter makes of the events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import orjson

from iamledger.engine.compile import Table
from iamledger.engine.declaration import FromContext, Projection, RecordedAt
from iamledger.engine.errors import BrokenRule
from iamledger.engine.naive import Recorded
from iamledger.engine.verify import Comparison
from iamledger.replay.hashes import is_digest, streamed
from iamledger.replay.records import FINDINGS
from iamledger.store import Connection
from iamledger.store.events import iso_of_text


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
    """The task of comparing all rows of one projection up to a position, or to where it has stopped."""

    account_id: str
    table: Table
    upto: int

    def run(self, connection: Connection, tell: Callable[[int], None]) -> Compared:
        """Compare them. `tell` is told how many positions are done since it was last told."""
        projection, upto = self.table.projection, self.upto
        compared = Compared()
        head, reached, failed, reason = _standing(connection, self.account_id, self.table)
        if max(reached, (failed or 0) - 1) > head:
            compared.findings.append(
                f"{projection.name} is recorded to have come to position {reached}"
                + (f" and to have stopped before {failed}" if failed is not None else "")
                + f", beyond the head {head}"
            )
        if failed is not None and failed <= upto:
            upto = failed - 1
            compared.stopped = True
            compared.findings.append(
                f"position {failed}: {projection.name} has stopped before this event, which does not fit its rules: {reason}"
            )
        comparison = Comparison(connection, self.account_id, self.table, upto)
        statement, recorded = _read(projection)
        told = 0
        try:
            for events in streamed(connection, statement, self.account_id, upto, projection.events()):
                for event in map(recorded, events):
                    compared.findings += map(str, comparison.apply(event))
                tell(events[-1][0] - told)
                told = events[-1][0]
                if len(compared.findings) >= FINDINGS:
                    break
            else:
                compared.findings += map(str, islice(comparison.finish(), FINDINGS))
            compared.rows = comparison.rows
        except BrokenRule as broken:
            compared.findings += map(str, comparison.settle())
            compared.findings.append(f"position {comparison.position}: {projection.name}: {broken}")
        finally:
            comparison.close()
            tell(self.upto - told)
        return compared


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


def _read(projection: Projection) -> tuple[str, Callable[[tuple[Any, ...]], Recorded]]:
    """How to read the events that a projection listens to, no more of them than it looks at; and what makes them of rows."""
    sources = [source for rule in projection.rules for source in projection.sources(rule).values()]
    context = "e.context::text" if any(isinstance(source, FromContext) for source in sources) else "NULL"
    time = "e.recorded_at::text" if any(isinstance(source, RecordedAt) for source in sources) else "''"
    columns = f"e.position, {time}, e.type, {context}, e.data::text"
    events = "iamledger.events e"
    if projection.personal:
        columns += ", e.has_personal, p.salt IS NOT NULL, p.context::text, p.data::text"
        events += " LEFT JOIN iamledger.personal p USING (account_id, position)"
    statement = (
        f"SELECT {columns} FROM {events}"
        " WHERE e.account_id = %s AND e.position <= %s AND e.type = ANY(%s) ORDER BY e.position"
    )
    return statement, _readable if projection.personal else _recorded


def _recorded(row: tuple[Any, ...]) -> Recorded:
    """The event as projections see it, digests in the place of personal values."""
    position, time, type_, context, data = row[:5]
    return Recorded(position, time and iso_of_text(time), type_, _object(context), _object(data))


def _object(text: str | None) -> dict[str, Any]:
    """The entries of an object that was stored; of anything else, none."""
    if text is None:
        return {}
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    return value if type(value) is dict else {}


def _readable(row: tuple[Any, ...]) -> Recorded:
    """The event as projections see it that ask for personal values: those, or None where they were erased."""
    stored = _recorded(row)
    has_personal, kept, its_context, its_data = row[5:]
    if not has_personal:
        return stored
    if kept:
        context = {**stored.context, **_object(its_context)}
        data = {**stored.data, **_object(its_data)}
    else:
        context, data = (
            {name: None if is_digest(value) else value for name, value in values.items()}
            for values in (stored.context, stored.data)
        )
    return Recorded(stored.position, stored.recorded_at, stored.type, context, data, concealed=stored)
