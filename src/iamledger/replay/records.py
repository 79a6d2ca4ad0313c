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


@dataclass(frozen=True, slots=True)
class Commands:
    """The task of comparing the commands that began up to a position with the events that they appended."""

    account_id: str
    upto: int

    def run(self, connection: Connection, _tell: Callable[[int], None]) -> list[str]:
        """What is wrong with them. The first and the last event of each tell its request id, and that is hashed there."""
        rows = connection.execute(
            """
            SELECT r.request_id, r.first, r.last, (1 <= r.first AND r.first <= r.last AND r.last <= l.head)
              FROM iamledger.requests r
              JOIN iamledger.ledgers l USING (account_id)
              LEFT JOIN iamledger.events f ON f.account_id = r.account_id AND f.position = r.first
             WHERE r.account_id = %(account)s
               AND ((1 <= r.first AND r.first <= r.last AND r.last <= l.head) IS NOT TRUE
                    OR r.first <= %(upto)s
                       AND (f.context->>'request_id' IS DISTINCT FROM r.request_id
                            OR r.last <> r.first
                               AND (SELECT e.context->>'request_id' FROM iamledger.events e
                                     WHERE e.account_id = r.account_id AND e.position = r.last)
                                   IS DISTINCT FROM r.request_id))
             ORDER BY r.first, r.request_id LIMIT %(limit)s
            """,
            {"account": self.account_id, "upto": self.upto, "limit": FINDINGS},
        ).fetchall()
        return [
            f"positions {first} to {last}: their events are not of the command {request_id} that is recorded for them"
            if in_order
            else f"the command {request_id} is recorded for positions {first} to {last}, which are not there"
            for request_id, first, last, in_order in rows
        ]


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
        if upto == head:
            yield from _beyond_findings(connection, account_id, head)
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


def _beyond_findings(connection: Connection, account_id: str, head: int) -> Iterator[str]:
    """Nothing is recorded beyond the head, where a later event would meet it."""
    row = connection.execute(
        "SELECT (SELECT count(*) FROM iamledger.event_tags WHERE account_id = %(account)s AND position > %(head)s),"
        " (SELECT count(*) FROM iamledger.personal"
        " WHERE account_id = %(account)s AND (position > %(head)s OR position < 1))",
        {"account": account_id, "head": head},
    ).fetchone()
    assert row is not None
    for what, number in zip(("tags", "personal values"), row, strict=True):
        if number:
            yield f"there are {number} rows of {what} for positions where the ledger has no event: its head is {head}"
