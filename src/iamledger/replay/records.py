"""What is recorded beside the events: tags, by which decisions find them; the head; the commands that appended them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from iamledger.store import Connection

FINDINGS = 100
"""Findings after which a replay stops looking."""


@dataclass(frozen=True, slots=True)
class Tags:
    """The task of counting the rows of tags of all events up to a position."""

    account_id: str
    upto: int

    def run(self, connection: Connection, _tell: Callable[[int], None]) -> tuple[int, int]:
        """How many rows there are, and how many of an event that carries the tag."""
        row = connection.execute(
            """
            SELECT count(*), count(*) FILTER (WHERE k.type = e.type AND k.tag = ANY(e.tags))
              FROM iamledger.event_tags k LEFT JOIN iamledger.events e USING (account_id, position)
             WHERE k.account_id = %s AND k.position <= %s
            """,
            (self.account_id, self.upto),
        ).fetchone()
        assert row is not None
        return row[0], row[1]


def tag_findings(connection: Connection, account_id: str, upto: int) -> Iterator[str]:
    """Every tag of an event has its row, and every row its event. Dear: counting tells whether it is worth looking."""
    parameters = {"account": account_id, "upto": upto, "limit": FINDINGS}
    rows = connection.execute(
        """
        WITH told AS (
            SELECT DISTINCT position, type, unnest(tags) AS tag FROM iamledger.events
             WHERE account_id = %(account)s AND position <= %(upto)s
        ), kept AS (
            SELECT position, type, tag FROM iamledger.event_tags WHERE account_id = %(account)s AND position <= %(upto)s
        )
        (SELECT position, tag, 'has no row for its tag' FROM (SELECT * FROM told EXCEPT ALL SELECT * FROM kept) AS missing)
        UNION ALL
        (SELECT position, tag, 'does not carry the tag' FROM (SELECT * FROM kept EXCEPT ALL SELECT * FROM told) AS added)
        ORDER BY 1 LIMIT %(limit)s
        """,
        parameters,
    )
    for position, tag, what in rows:
        yield f"position {position}: the event {what} {tag}"


def head_findings(connection: Connection, account_id: str, upto: int, size: int, last_at: str | None) -> Iterator[str]:
    """The head is where events and commands end, and every position was appended by a command."""
    row = connection.execute(
        "SELECT head, iamledger.iso(recorded_at),"
        " (SELECT max(position) FROM iamledger.events e WHERE e.account_id = l.account_id),"
        " (SELECT max(last) FROM iamledger.requests r WHERE r.account_id = l.account_id)"
        " FROM iamledger.ledgers l WHERE account_id = %s",
        (account_id,),
    ).fetchone()
    if row is not None:
        head, recorded_at, last_event, last_command = row
        for what, last in (("events", last_event), ("commands", last_command)):
            if (last or 0) > head:
                yield f"there are {what} up to position {last}, beyond the head {head}"
        if upto == head == size and recorded_at != last_at:
            yield f"the head is of {recorded_at}, its event of {last_at}"
    gaps = connection.execute(
        "SELECT before + 1, first - 1 FROM ("
        " SELECT first, lag(last, 1, 0::bigint) OVER (ORDER BY first) AS before"
        " FROM (SELECT first, last FROM iamledger.requests WHERE account_id = %(account)s"
        " UNION ALL SELECT %(upto)s + 1, %(upto)s + 1) AS commands) AS steps"
        " WHERE first <> before + 1 AND before < %(upto)s ORDER BY 1 LIMIT %(limit)s",
        {"account": account_id, "upto": upto, "limit": FINDINGS},
    )
    for first, last in gaps:
        yield f"positions {first} to {last}: no command is recorded that appended them"
