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
from hashlib import sha256
from typing import Any, NamedTuple

import orjson

from iamledger.engine.compile import Table
from iamledger.engine.errors import BrokenRule
from iamledger.engine.naive import Recorded
from iamledger.engine.verify import Comparison
from iamledger.store import Connection, translated
from iamledger.store.canonical import canonical_of_strict
from iamledger.store.events import leaf_hash, stored_digest
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
    leaf: bytes
    content: dict[str, Any]  # context, data, tags, type, version
    salt: bytes | None
    personal: dict[str, Any] | None  # context, data


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
            seen.types[event.content["type"]] += 1
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
        body = sha256(canonical_of_strict(event.content)).hexdigest()
    except orjson.JSONEncodeError:  # nested more deeply than anything that was ever written
        body = ""
    if leaf_hash(seen.account_id, body, event.position, event.recorded_at) != event.leaf:
        seen.findings.append(f"{where}: the event is not the one that was hashed when it was written")
    if event.salt != b"" or event.personal is not None:
        seen.findings += (f"{where}: {finding}" for finding in _personal_findings(event))


def _personal_findings(event: _Stored) -> Iterator[str]:
    """Either all personal values are there, as they were hashed, or none is."""
    if event.personal is None:
        return
    if not event.salt:
        yield "it has personal values, and says that it has none"
        return
    for part in ("context", "data"):
        content, personal = _entries(event.content[part]), _entries(event.personal[part])
        for name, value in personal.items():
            if content.get(name) != {"digest": stored_digest(name, value, event.salt)}:
                yield f"the personal value {name} is not the one that was hashed"
        for name in _concealed(content) - personal.keys():
            yield f"the personal value {name} is missing, though others are there"


def _entries(value: Any) -> dict[str, Any]:
    """The entries of an object; anything else has none."""
    return value if isinstance(value, dict) else {}


def _concealed(values: dict[str, Any]) -> set[str]:
    """The entries in whose place a digest stands."""
    return {name for name, value in values.items() if isinstance(value, dict) and _is_digest(value)}


def _is_digest(value: dict[str, Any]) -> bool:
    return value.keys() == {"digest"} and re.fullmatch("[0-9a-f]{64}", str(value["digest"])) is not None


def _compare(seen: Replay, event: _Stored, comparisons: dict[str, Comparison]) -> None:
    """What the event means for the rows."""
    recorded = None
    for name in list(comparisons):
        if not comparisons[name].listens_to(event.content["type"]):
            continue
        recorded = recorded or _readable(event)
        try:
            seen.findings += map(str, comparisons[name].apply(recorded))
        except BrokenRule as broken:
            seen.findings.append(f"position {event.position}: {name}: {broken}")
            del comparisons[name]


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
    """Every tag of an event has its row, and every row its event."""
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
        {"account": account_id, "upto": upto, "limit": FINDINGS},
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


def _readable(event: _Stored) -> Recorded:
    """The event as projections see it: personal values put back, or None where they were erased."""
    stored = Recorded(
        event.position,
        event.recorded_at,
        event.content["type"],
        _entries(event.content["context"]),
        _entries(event.content["data"]),
    )
    if event.salt == b"":
        return stored
    if event.personal is not None:
        context = {**stored.context, **_entries(event.personal["context"])}
        data = {**stored.data, **_entries(event.personal["data"])}
    else:
        context, data = (
            {name: None if name in _concealed(values) else value for name, value in values.items()}
            for values in (stored.context, stored.data)
        )
    return Recorded(event.position, event.recorded_at, stored.type, context, data, concealed=stored)


def _events(connection: Connection, account_id: str, upto: int) -> Iterator[_Stored]:
    """The events as they are stored, streamed."""
    with connection.cursor(name="events_to_replay") as cursor:
        cursor.execute(
            """
            SELECT e.position, iamledger.iso(e.recorded_at), e.leaf_hash, e.has_personal, p.salt,
                   jsonb_build_object('context', e.context, 'data', e.data, 'tags', to_jsonb(e.tags),
                                      'type', e.type, 'version', e.version)::text,
                   CASE WHEN p.salt IS NOT NULL THEN jsonb_build_object('context', p.context, 'data', p.data)::text END
              FROM iamledger.events e LEFT JOIN iamledger.personal p USING (account_id, position)
             WHERE e.account_id = %s AND e.position <= %s ORDER BY e.position
            """,
            (account_id, upto),
        )
        for rows in _ahead(lambda: cursor.fetchmany(CHUNK)):
            for position, recorded_at, leaf, has_personal, salt, content, personal in rows:
                yield _Stored(
                    position,
                    recorded_at or "",  # null if it is infinite
                    leaf,
                    _parsed(content),
                    salt if has_personal else b"",
                    None if personal is None else _parsed(personal),
                )


def _parsed(text: str) -> dict[str, Any]:
    """JSON that was stored. What no command can have written, such as a number of a thousand digits, is nothing."""
    try:
        parsed: dict[str, Any] = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {"context": {}, "data": {}, "tags": [], "type": "", "version": 0}
    return parsed


def _ahead(fetch: Callable[[], list[Any]]) -> Iterator[list[Any]]:
    """Chunks until one is empty; the server prepares the next one while this one is worked on."""
    with ThreadPoolExecutor(max_workers=1) as background:
        coming = background.submit(fetch)
        while rows := coming.result():
            coming = background.submit(fetch)
            yield rows
