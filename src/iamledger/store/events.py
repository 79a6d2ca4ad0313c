"""Events as the store knows them: a type, data, tags, the context; and how they are written and hashed.

The store knows no nouns. What an event means is told by `iamledger.iam`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256

from iamledger.store.canonical import Json, canonical, canonical_of_strict


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event to append. `personal` names the fields of `data` that can be erased later."""

    type: str
    data: Json
    tags: Sequence[str] = ()
    version: int = 1
    personal: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """An event of a ledger, personal values put back (None where they have been erased)."""

    account_id: str
    position: int
    recorded_at: datetime
    type: str
    version: int
    tags: list[str]
    context: dict[str, Json]
    data: Json


@dataclass(frozen=True, slots=True)
class Match:
    """One item of a query: events of any of these types (of all, if empty) that carry all these tags."""

    tags: Sequence[str] = ()
    types: Sequence[str] = ()


Query = Sequence[Match]
"""Events that match any item; every event, if there is no item."""


@dataclass(frozen=True, slots=True)
class Context:
    """Who did it, from where, with which request, and why; recorded with every event.

    `personal` names the entries that can be erased later.
    """

    entries: Mapping[str, Json] = field(default_factory=dict)
    personal: Sequence[str] = ()


def iso(time: datetime) -> str:
    """A time as every stored form writes it: UTC, always six digits of a second."""
    return time.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"  # strftime: no year 0999


def iso_of_text(text: str) -> str:
    """The same of a time as PostgreSQL writes it in our sessions (UTC, ISO); nothing if its year has not four digits."""
    if len(text) < 22 or text[4] != "-" or text[-3:] != "+00":
        return ""
    if len(text) == 29:  # all six digits of the second, as most have
        return f"{text[:10]}T{text[11:26]}Z"
    return f"{text[:10]}T{text[11:19]}.{text[20:-3]:0<6}Z"


def query_json(query: Query) -> str:
    """The form in which the store's SQL functions take a query."""
    return canonical([{"tags": list(m.tags), "types": list(m.types)} for m in query]).decode()


def encode(events: Sequence[NewEvent], context: Context) -> str:
    """The JSON array that the SQL function `append` takes."""
    return "[" + ",".join(_encode(event, context) for event in events) + "]"


def _encode(event: NewEvent, context: Context) -> str:
    salt = os.urandom(16)
    told, told_personal = _conceal(context.entries, context.personal, salt)
    data, data_personal = _conceal(event.data, event.personal, salt) if event.personal else (event.data, {})
    content = canonical(
        {"context": told, "data": data, "tags": list(event.tags), "type": event.type, "version": event.version}
    )
    personal = b"null"
    if told_personal or data_personal:
        personal = canonical({"context": told_personal, "data": data_personal, "salt": salt.hex()})
    return f'{content[:-1].decode()},"body":"{sha256(content).hexdigest()}","personal":{personal.decode()}}}'


def _conceal(
    values: Mapping[str, Json], personal: Sequence[str], salt: bytes
) -> tuple[dict[str, Json], dict[str, Json]]:
    """Put digests in the place of personal values, and the values aside. Empty values tell nothing and stay."""
    aside = {name: values[name] for name in personal if values.get(name)}
    return {**values, **{name: {"digest": digest(name, value, salt)} for name, value in aside.items()}}, aside


def digest(name: str, value: Json, salt: bytes) -> str:
    """What stands in an event for a personal value: SHA-256 (hex) over the salt and the canonical [name, value]."""
    return stored_digest(name, value, salt, canonical)


def stored_digest(name: str, value: Json, salt: bytes, encode: Callable[[Json], bytes] = canonical_of_strict) -> str:
    """`digest` for a value that was stored, so that it need not be checked again."""
    return sha256(salt + encode([name, value])).hexdigest()


def body_hash(context: Json, data: Json, tags: Sequence[str], type_: str, version: int) -> str:
    """SHA-256 (hex) of the content of an event that was stored, digests in the place of personal values."""
    content = {"context": context, "data": data, "tags": tags, "type": type_, "version": version}
    return sha256(canonical_of_strict(content)).hexdigest()


def leaf_hash(account_id: str, body: str, position: int, recorded_at: str) -> bytes:
    """The RFC 6962 leaf hash of an event: SHA-256(0x00 || entry).

    The entry is the canonical JSON of {account, body, position, recorded_at, v}. `recorded_at` is in the form of `iso`.
    """
    entry = f'{{"account":"{account_id}","body":"{body}","position":{position},"recorded_at":"{recorded_at}","v":1}}'
    return sha256(b"\0" + entry.encode()).digest()
