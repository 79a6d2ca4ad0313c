"""Appending to a ledger: one command's whole effect in one transaction, or nothing."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import psycopg

from iamledger.store.canonical import canonical
from iamledger.store.connection import Connection, rows_of
from iamledger.store.errors import NoLedger, translated
from iamledger.store.events import Context, NewEvent, Query, encode, query_json


@dataclass(frozen=True, slots=True)
class Request:
    """What makes a command safe to repeat: its id, and the fingerprint of what it wished."""

    id: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Condition:
    """No event that matches `boundary` may have come after the position `after`."""

    boundary: Query
    after: int


@dataclass(frozen=True, slots=True)
class SealedSecret:
    """A secret of a credential, encrypted."""

    credential: str
    kind: str
    sealed: bytes


@dataclass(frozen=True, slots=True)
class SecretChanges:
    """What an append changes among the account's secrets."""

    put: Sequence[SealedSecret] = ()
    delete: Sequence[str] = ()  # credentials
    data_key: tuple[str, bytes] | None = None  # (id of the master key, wrapped data key), once an account


@dataclass(frozen=True, slots=True)
class Appended:
    """Positions of the first and last event, and the time of the last."""

    first: int
    last: int
    recorded_at: datetime


def append(
    connection: Connection,
    account_id: str,
    events: Sequence[NewEvent],
    *,
    context: Context,
    request: Request,
    condition: Condition | None = None,
    opens: bool = False,
    secrets: SecretChanges | None = None,
) -> Appended:
    """Append events to the ledger of an account.

    With `opens`, the events are the first of a new ledger. Raises `ConditionFailed`, `RequestRecorded`,
    `NoLedger`, `LedgerExists`, `ClockBehind`, `Locked`, `ConnectionLost`, and `NotStrictJson` for what cannot be stored.
    """
    if not events:
        raise ValueError("an append needs at least one event")
    parameters = (
        account_id,
        encode(events, context),
        request.id,
        request.fingerprint,
        query_json(condition.boundary) if condition else None,
        str(condition.after) if condition else None,
        "t" if opens else "f",
        _secrets_json(secrets),
    )
    try:
        with translated():
            ((appended,),) = rows_of(connection, "SELECT iamledger.append(%s, %s, %s, %s, %s, %s, %s, %s)", parameters)
    except psycopg.errors.CheckViolation as error:
        if opens or error.diag.constraint_name != "account_number_check":
            raise
        raise NoLedger(f"no ledger for account {account_id}") from None
    first, last, recorded_at = appended.split(" ")
    return Appended(int(first), int(last), datetime.fromisoformat(recorded_at))


def erase(connection: Connection, account_id: str, position: int) -> bool:
    """Delete the personal values of one event for good; False if there were none."""
    with translated():
        row = connection.execute("SELECT iamledger.erase(%s, %s)", (account_id, position)).fetchone()
    assert row is not None
    return bool(row[0])


def _secrets_json(secrets: SecretChanges | None) -> str | None:
    if secrets is None:
        return None
    data_key = None
    if secrets.data_key is not None:
        data_key = {"master_key_id": secrets.data_key[0], "wrapped": b64encode(secrets.data_key[1]).decode()}
    put = [{"credential": s.credential, "kind": s.kind, "sealed": b64encode(s.sealed).decode()} for s in secrets.put]
    return canonical({"data_key": data_key, "put": put, "delete": list(secrets.delete)}).decode()
