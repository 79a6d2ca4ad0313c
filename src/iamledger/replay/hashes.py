"""Order and hashes of a stretch of a ledger, and the Merkle tree over it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import orjson

from iamledger.replay.records import FINDINGS
from iamledger.store import Connection
from iamledger.store.events import body_hash, iso_of_text, leaf_hash, stored_digest
from iamledger.store.merkle import MerkleTree

CHUNK = 2000
Row = tuple[Any, ...]


@dataclass
class Stretch:
    """What was seen of the events of a stretch."""

    size: int = 0
    """The position of the last event, of this stretch or of those before."""
    types: Counter[str] = field(default_factory=Counter)
    first_at: str | None = None
    last_at: str | None = None
    tags: int = 0
    """How many tags the events carry, each counted once for an event; 0 if they were not checked."""
    tree: MerkleTree = field(default_factory=MerkleTree)
    findings: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Hashes:
    """The task of going through the events after a position and up to another; with `verify`, of checking each."""

    account_id: str
    after: int
    upto: int
    verify: bool

    def run(self, connection: Connection, tell: Callable[[int], None]) -> Stretch:
        """Look at them. `tell` is told how many positions are done since it was last told."""
        seen = Stretch()
        last, last_at = _before(connection, self.account_id, self.after)
        stretch = {"account": self.account_id, "after": self.after, "upto": self.upto}
        for rows in streamed(connection, CHECKED if self.verify else _SEEN, stretch):
            if self.verify:
                if len(seen.findings) < FINDINGS and not _whole(self.account_id, rows, last, last_at or ""):
                    seen.findings += _findings(self.account_id, rows, last, last_at)
                seen.tags += sum([_distinct(row[5]) for row in rows])
            seen.tree.extend([row[1] for row in rows])
            seen.types.update([row[3] for row in rows])
            seen.first_at = seen.first_at or iso_of_text(rows[0][2])
            tell(rows[-1][0] - max(last, self.after))
            last, last_at = rows[-1][0], iso_of_text(rows[-1][2])
        tell(self.upto - max(last, self.after))
        seen.size, seen.last_at = last, last_at
        return seen


def whole_tree(connection: Connection, account_id: str, upto: int) -> MerkleTree:
    """The tree over the events that there are, one by one: trees of stretches do not join if positions are missing."""
    tree = MerkleTree()
    for rows in streamed(connection, _SEEN, {"account": account_id, "after": 0, "upto": upto}):
        tree.extend([row[1] for row in rows])
    return tree


_SEEN = (
    "SELECT e.position, e.leaf_hash, e.recorded_at::text, e.type FROM iamledger.events e"
    " WHERE e.account_id = %(account)s AND e.position > %(after)s AND e.position <= %(upto)s ORDER BY e.position"
)
CHECKED = (
    "SELECT e.position, e.leaf_hash, e.recorded_at::text, e.type, e.version, e.tags, e.context::text, e.data::text,"
    " e.has_personal, p.salt, p.context::text, p.data::text"
    " FROM iamledger.events e LEFT JOIN iamledger.personal p ON p.account_id = e.account_id AND p.position = e.position"
    # ... which alone would read the personal values of all events before the stretch, too
    " AND p.position > %(after)s AND p.position <= %(upto)s"
    " WHERE e.account_id = %(account)s AND e.position > %(after)s AND e.position <= %(upto)s ORDER BY e.position"
)
"""All that a stretch's events are checked by."""


def streamed(connection: Connection, statement: str, parameters: Mapping[str, object]) -> Iterator[list[Row]]:
    """The rows of a statement by chunks, none of them empty; the server prepares one while the last is worked on."""
    with (
        connection.cursor(name="events_to_replay", binary=True) as cursor,
        ThreadPoolExecutor(max_workers=1) as background,
    ):
        cursor.execute(statement.encode(), parameters)
        coming = background.submit(cursor.fetchmany, CHUNK)
        while rows := coming.result():
            coming = background.submit(cursor.fetchmany, CHUNK)
            yield rows


def _before(connection: Connection, account_id: str, after: int) -> tuple[int, str | None]:
    """Position and time of the last event before a stretch, from which its order is checked."""
    row = connection.execute(
        "SELECT position, recorded_at::text FROM iamledger.events WHERE account_id = %s AND position <= %s"
        " ORDER BY position DESC LIMIT 1",
        (account_id, after),
    ).fetchone()
    return (0, None) if row is None else (row[0], iso_of_text(row[1]))


def _whole(account_id: str, rows: Sequence[Row], last: int, last_at: str) -> bool:
    """Are these events, which follow the position `last`, as they were written? If not, `_findings` tells what is wrong.

    A tight loop, which sees every event: what `body_hash`, `leaf_hash` and `stored_digest` do is done in place.
    """
    loads, dumps, hashed, sort = orjson.loads, orjson.dumps, sha256, orjson.OPT_SORT_KEYS
    entry = f'\0{{"account":"{account_id}","body":"'
    try:
        for row in rows:
            position, leaf, time, type_, version, tags, context_text, data_text, has_personal, salt, told, data_told = (
                row
            )
            at = iso_of_text(time)
            if position != last + 1 or at <= last_at:
                return False
            last, last_at = position, at
            context, data = loads(context_text), loads(data_text)
            content = {"context": context, "data": data, "tags": tags, "type": type_, "version": version}
            body = dumps(content, None, sort)
            leaf_entry = f'{entry}{hashed(body).hexdigest()}","position":{position},"recorded_at":"{at}","v":1}}'
            if hashed(leaf_entry.encode()).digest() != leaf:
                return False
            digests = body.count(_DIGEST)
            if salt is None:
                if (digests or has_personal) and any(_personal_findings(context, data, has_personal, None, None, None)):
                    return False
                continue
            if not (salt and has_personal and digests):
                return False
            for stored, text in ((context, told), (data, data_told)):
                if text == "{}":
                    continue
                values = loads(text)
                if type(values) is not dict or type(stored) is not dict:
                    return False
                for name, value in values.items():
                    if stored.get(name) != {"digest": hashed(salt + dumps([name, value], None, sort)).hexdigest()}:
                        return False
                digests -= len(values)
            if digests:
                return False
    except (orjson.JSONDecodeError, orjson.JSONEncodeError):  # of what no command can have written
        return False
    return True


_DIGEST = b'{"digest":"'
"""How every digest begins in canonical JSON, at any depth; within a string, the quotes would be escaped."""


def _findings(account_id: str, rows: Sequence[Row], last: int, last_at: str | None) -> Iterator[str]:
    """What is wrong with the order and the hashes of events that follow the position `last`."""
    for position, leaf, time, type_, version, tags, context_text, data_text, has_personal, salt, *personal in rows:
        at = iso_of_text(time)
        if position != last + 1:
            yield f"position {position}: the positions {last + 1} to {position - 1} are missing"
        if not at:
            yield f"position {position}: it was recorded at {time}, when no clock can have stood"
        elif last_at is not None and at <= last_at:
            yield f"position {position}: it was recorded at {at}, not after the event before it"
        last, last_at = position, at
        context, data, told, data_told = [parsed(text) for text in (context_text, data_text, *personal)]
        try:
            body = body_hash(context, data, tags, type_, version)
        except orjson.JSONEncodeError:  # nested more deeply than anything that was ever written
            body = ""
        if leaf_hash(account_id, body, position, at) != leaf:
            yield f"position {position}: the event is not the one that was hashed when it was written"
        for finding in _personal_findings(context, data, has_personal, salt, told, data_told):
            yield f"position {position}: {finding}"


def _personal_findings(
    context: Any, data: Any, has_personal: bool, salt: bytes | None, told: Any, data_told: Any
) -> Iterator[str]:
    """What is wrong with an event's personal values (no `salt` if erased), and with its flag, which is not hashed."""
    concealed = _conceals(context) or _conceals(data)
    if concealed and not has_personal:
        yield "it has personal values, and says that it has none"
    elif has_personal and not concealed:
        yield "it says that it has personal values, and has none"
    elif salt is not None:
        if not (has_personal and salt):
            yield "it has personal values, and says that it has none"
            return
        unfit = [*_unfit(context, told, salt), *_unfit(data, data_told, salt)]
        if not unfit and not (type(told) is type(data_told) is dict):
            unfit = ["its personal values are no objects"]
        yield from unfit


def _conceals(stored: Any) -> bool:
    """Does a digest stand for one of its entries?"""
    return type(stored) is dict and any(is_digest(value) for value in stored.values())


def _unfit(stored: Any, personal: Any, salt: bytes) -> Iterator[str]:
    content, values = entries(stored), entries(personal)
    for name, value in values.items():
        if not _fits(content.get(name), name, value, salt):
            yield f"the personal value {name} is not the one that was hashed"
    for name, value in content.items():
        if name not in values and is_digest(value):
            yield f"the personal value {name} is missing, though others are there"


def _fits(stored: Any, name: str, value: Any, salt: bytes) -> bool:
    """Is this the personal value that was hashed?"""
    try:
        return bool(stored == {"digest": stored_digest(name, value, salt)})
    except orjson.JSONEncodeError:  # nested more deeply than anything that was ever written
        return False


def _distinct(tags: list[Any]) -> int:
    """How many different ones; of an array within an array, which no command can have written, none."""
    return len(tags) if len(tags) < 2 else len(set(tags)) if type(tags[0]) is not list else 0


def parsed(text: str | None) -> Any:
    """JSON that was stored. What no command can have written, such as a number of a thousand digits, is nothing."""
    if text is None:
        return None
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return None


def entries(value: Any) -> dict[str, Any]:
    """The entries of an object; anything else has none."""
    return value if isinstance(value, dict) else {}


def is_digest(value: Any) -> bool:
    """Does it stand in the place of a personal value?"""
    return (
        isinstance(value, dict)
        and value.keys() == {"digest"}
        and type(value["digest"]) is str
        and re.fullmatch("[0-9a-f]{64}", value["digest"]) is not None
    )
