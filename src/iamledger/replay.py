"""Replaying a ledger from its first event: what it adds up to, and whether it is whole.

Verifying checks that positions have no gaps, that times rise strictly, every hash (of events, of personal values that have
not been erased), the tags by which decisions find events, and each row of each projection against what the naive
interpreter makes of the events. The Merkle root (RFC 6962) is computed on the way: note it beside the size, and a later
replay up to the same position must give the same root.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import orjson

from iamledger.engine.compile import Table
from iamledger.engine.errors import BrokenRule
from iamledger.engine.naive import Recorded
from iamledger.engine.verify import Comparison
from iamledger.store import Connection, translated
from iamledger.store.events import body_hash, iso_of_text, leaf_hash, stored_digest
from iamledger.store.merkle import MerkleTree

CHUNK = 2000
FINDINGS = 100
"""Findings after which a replay stops looking."""


@dataclass
class Replay:
    """What a replay saw. `findings` say what is not as it should be; there are none in a whole ledger."""

    account_id: str
    size: int = 0
    types: Counter[str] = field(default_factory=Counter)
    first_at: str | None = None
    last_at: str | None = None
    root: bytes = b""
    rows: dict[str, int] = field(default_factory=dict)
    verified: bool = False
    findings: list[str] = field(default_factory=list)


class _Stored(NamedTuple):
    position: int
    recorded_at: str
    type: str
    version: int
    tags: list[Any]
    context: Any
    data: Any
    leaf: bytes
    has_personal: bool
    salt: bytes | None
    personal_context: Any
    personal_data: Any


def replay(
    connection: Connection,
    account_id: str,
    upto: int,
    tables: Sequence[Table] = (),
    *,
    verify: bool = False,
    progress: Callable[[int], None] = lambda _done: None,
) -> Replay:
    """Go through a ledger from its first position to `upto`.

    With `verify`, everything is checked, and the rows of `tables` (which must have come that far) are compared.
    """
    seen = Replay(account_id, verified=verify)
    tree = MerkleTree()
    with translated(), connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        comparisons = {t.projection.name: Comparison(connection, account_id, t, upto) for t in tables} if verify else {}
        for event in _events(connection, account_id, upto):
            tree.append(event.leaf)
            if verify and len(seen.findings) < FINDINGS:
                _check(seen, event)
                _compare(seen, event, comparisons)
            seen.size, seen.last_at = event.position, event.recorded_at
            seen.first_at = seen.first_at or event.recorded_at
            seen.types[event.type] += 1
            if event.position % CHUNK == 0:
                progress(event.position)
        if verify:
            _finish(seen, connection, upto, comparisons)
    seen.root = tree.root()
    progress(seen.size)
    return seen


def _check(seen: Replay, event: _Stored) -> None:
    """Order and hashes of one event."""
    where = f"position {event.position}"
    if event.position != seen.size + 1:
        seen.findings.append(f"{where}: the positions {seen.size + 1} to {event.position - 1} are missing")
    if seen.last_at is not None and event.recorded_at <= seen.last_at:
        seen.findings.append(f"{where}: it was recorded at {event.recorded_at}, not after the event before it")
    try:
        body = body_hash(event.context, event.data, event.tags, event.type, event.version)
    except orjson.JSONEncodeError:  # nested more deeply than anything that was ever written
        body = ""
    if leaf_hash(seen.account_id, body, event.position, event.recorded_at) != event.leaf:
        seen.findings.append(f"{where}: the event is not the one that was hashed when it was written")
    if event.salt is not None:
        seen.findings += [f"{where}: {finding}" for finding in _personal_findings(event, event.salt)]


def _personal_findings(event: _Stored, salt: bytes) -> Iterator[str]:
    """Either all personal values are there, as they were hashed, or none is."""
    if not (event.has_personal and salt):
        yield "it has personal values, and says that it has none"
        return
    for stored, personal in ((event.context, event.personal_context), (event.data, event.personal_data)):
        content, values = _entries(stored), _entries(personal)
        for name, value in values.items():
            if content.get(name) != {"digest": stored_digest(name, value, salt)}:
                yield f"the personal value {name} is not the one that was hashed"
        for name, value in content.items():
            if type(value) is dict and name not in values and _is_digest(value):
                yield f"the personal value {name} is missing, though others are there"


def _entries(value: Any) -> dict[str, Any]:
    """The entries of an object; anything else has none."""
    return value if isinstance(value, dict) else {}


def _is_digest(value: Any) -> bool:
    """Does it stand in the place of a personal value?"""
    return (
        isinstance(value, dict)
        and value.keys() == {"digest"}
        and re.fullmatch("[0-9a-f]{64}", str(value["digest"])) is not None
    )


def _compare(seen: Replay, event: _Stored, comparisons: dict[str, Comparison]) -> None:
    """What the event means for the rows."""
    stored = readable = None
    interested = [(name, comparison) for name, comparison in comparisons.items() if event.type in comparison.events]
    for name, comparison in interested:
        stored = stored or _recorded(event)
        if comparison.personal and event.has_personal:
            readable = readable or _readable(event, stored)
        try:
            drifts = comparison.apply(readable or stored)
        except BrokenRule as broken:
            seen.findings.append(f"position {event.position}: {name}: {broken}")
            del comparisons[name]
        else:
            seen.findings += map(str, drifts)


def _recorded(event: _Stored) -> Recorded:
    """The event as projections see it, digests in the place of personal values."""
    return Recorded(event.position, event.recorded_at, event.type, _entries(event.context), _entries(event.data))


def _readable(event: _Stored, stored: Recorded) -> Recorded:
    """The event as projections see it that ask for personal values: those, or None where they were erased."""
    if event.salt is not None:
        context = {**stored.context, **_entries(event.personal_context)}
        data = {**stored.data, **_entries(event.personal_data)}
    else:
        context, data = (
            {name: None if _is_digest(value) else value for name, value in values.items()}
            for values in (stored.context, stored.data)
        )
    return Recorded(event.position, event.recorded_at, event.type, context, data, concealed=stored)


def _finish(seen: Replay, connection: Connection, upto: int, comparisons: dict[str, Comparison]) -> None:
    if seen.size != upto:
        seen.findings.append(f"the ledger ends at position {seen.size}, not at its head {upto}")
    for name, comparison in comparisons.items():
        if len(seen.findings) < FINDINGS:
            seen.findings += map(str, comparison.finish())
        seen.rows[name] = comparison.rows
    seen.findings += _tag_findings(connection, seen.account_id, upto)
    seen.findings += _head_findings(connection, seen, upto)
    del seen.findings[FINDINGS:]


def _tag_findings(connection: Connection, account_id: str, upto: int) -> Iterator[str]:
    """Every tag of an event has its row, and every row its event. Counting tells whether it is worth looking closer."""
    parameters = {"account": account_id, "upto": upto, "limit": FINDINGS}
    counts = connection.execute(
        """
        SELECT count(*), count(k.tag), (SELECT count(*) FROM iamledger.event_tags
                                         WHERE account_id = %(account)s AND position <= %(upto)s)
          FROM (SELECT e.position, e.type, t.tag FROM iamledger.events e
                 CROSS JOIN LATERAL (SELECT DISTINCT unnest(e.tags)) AS t(tag)
                 WHERE account_id = %(account)s AND position <= %(upto)s) AS told
          LEFT JOIN iamledger.event_tags k
            ON (k.account_id, k.position, k.type, k.tag) = (%(account)s, told.position, told.type, told.tag)
        """,
        parameters,
    ).fetchone()
    assert counts is not None
    told, matched, kept = counts
    if told == matched == kept:
        return
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


def _head_findings(connection: Connection, seen: Replay, upto: int) -> Iterator[str]:
    """The head is where events and commands end, and every position was appended by a command."""
    row = connection.execute(
        "SELECT head, iamledger.iso(recorded_at),"
        " (SELECT max(position) FROM iamledger.events e WHERE e.account_id = l.account_id),"
        " (SELECT max(last) FROM iamledger.requests r WHERE r.account_id = l.account_id)"
        " FROM iamledger.ledgers l WHERE account_id = %s",
        (seen.account_id,),
    ).fetchone()
    if row is not None:
        head, recorded_at, last_event, last_command = row
        for what, last in (("events", last_event), ("commands", last_command)):
            if (last or 0) > head:
                yield f"there are {what} up to position {last}, beyond the head {head}"
        if upto == head == seen.size and recorded_at != seen.last_at:
            yield f"the head is of {recorded_at}, its event of {seen.last_at}"
    gaps = connection.execute(
        "SELECT before + 1, first - 1 FROM ("
        " SELECT first, lag(last, 1, 0::bigint) OVER (ORDER BY first) AS before"
        " FROM (SELECT first, last FROM iamledger.requests WHERE account_id = %(account)s"
        " UNION ALL SELECT %(upto)s + 1, %(upto)s + 1) AS commands) AS steps"
        " WHERE first <> before + 1 AND before < %(upto)s ORDER BY 1 LIMIT %(limit)s",
        {"account": seen.account_id, "upto": upto, "limit": FINDINGS},
    )
    for first, last in gaps:
        yield f"positions {first} to {last}: no command is recorded that appended them"


def _events(connection: Connection, account_id: str, upto: int) -> Iterator[_Stored]:
    """The events as they are stored, streamed."""
    with connection.cursor(name="events_to_replay", binary=True) as cursor:
        cursor.execute(
            """
            SELECT e.position, e.recorded_at::text, e.type, e.version, e.tags, e.context::text, e.data::text, e.leaf_hash,
                   e.has_personal, p.salt, p.context::text, p.data::text
              FROM iamledger.events e LEFT JOIN iamledger.personal p USING (account_id, position)
             WHERE e.account_id = %s AND e.position <= %s ORDER BY e.position
            """,
            (account_id, upto),
        )
        for rows in _ahead(lambda: cursor.fetchmany(CHUNK)):
            for (
                position,
                at,
                type_,
                version,
                tags,
                context,
                data,
                leaf,
                has_personal,
                salt,
                its_context,
                its_data,
            ) in rows:
                yield _Stored(
                    position,
                    iso_of_text(at),
                    type_,
                    version,
                    tags,
                    _parsed(context),
                    _parsed(data),
                    leaf,
                    has_personal,
                    salt,
                    _parsed(its_context),
                    _parsed(its_data),
                )


def _parsed(text: str | None) -> Any:
    """JSON that was stored. What no command can have written, such as a number of a thousand digits, is nothing."""
    if text is None:
        return None
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def _ahead(fetch: Callable[[], list[Any]]) -> Iterator[list[Any]]:
    """Chunks until one is empty; the server prepares the next one while this one is worked on."""
    with ThreadPoolExecutor(max_workers=1) as background:
        coming = background.submit(fetch)
        while rows := coming.result():
            coming = background.submit(fetch)
            yield rows
