"""What can go wrong in the store, and how PostgreSQL's errors become it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg


class StoreError(Exception):
    """Something went wrong in the event store."""


class Unreachable(StoreError):
    """The database cannot be reached."""


class ConnectionLost(Unreachable):
    """The connection dropped; what was under way may or may not have been committed."""


class ServerFailed(StoreError):
    """The server could not do it: its disk is full, say, or its memory. What was under way was rolled back."""


class Cancelled(ServerFailed):
    """A statement was cancelled, by its time limit or on somebody's request. What was under way was rolled back."""


class Locked(StoreError):
    """A lock was held for too long by somebody else."""


class ConditionFailed(StoreError):
    """An event of the consistency boundary came in between."""


class RequestRecorded(StoreError):
    """A request with this id has been recorded before."""


class NoLedger(StoreError):
    """There is no ledger for this account."""


class LedgerExists(StoreError):
    """The account has a ledger already."""


class ClockBehind(StoreError):
    """The database server's clock is more than five minutes behind the ledger's head."""


class TimeInFuture(StoreError):
    """The time has not come yet."""


class SchemaOutdated(StoreError):
    """The database's schema is not the one that this version of iamledger needs; run `iamledger db migrate`."""


_OURS: dict[str, type[StoreError]] = {
    "IL001": RequestRecorded,
    "IL002": ConditionFailed,
    "IL003": NoLedger,
    "IL004": LedgerExists,
    "IL005": ClockBehind,
    "IL006": TimeInFuture,
    "55P03": Locked,  # lock_not_available
    "57014": Cancelled,  # query_canceled
    "40001": ConditionFailed,  # serialization_failure
    "40P01": ConditionFailed,  # deadlock_detected
    "3F000": SchemaOutdated,  # invalid_schema_name
    "42P01": SchemaOutdated,  # undefined_table
    "42883": SchemaOutdated,  # undefined_function
    "28000": Unreachable,  # invalid_authorization_specification
    "28P01": Unreachable,  # invalid_password
    "3D000": Unreachable,  # invalid_catalog_name
    "53300": Unreachable,  # too_many_connections
    "57P03": Unreachable,  # cannot_connect_now
    "25006": ConnectionLost,  # read_only_sql_transaction: this server is no longer the primary
}


_CONNECTION = ("08", "57P")
"""Classes of errors that end a session: connection_exception, admin_shutdown and the like."""


@contextmanager
def translated() -> Iterator[None]:
    """Turn PostgreSQL's errors into ours. What is not expected stays as it is."""
    try:
        yield
    except psycopg.errors.UniqueViolation as error:
        if error.diag.constraint_name != "requests_pkey":
            raise
        raise RequestRecorded(error.diag.message_detail or str(error)) from error
    except psycopg.Error as error:
        known = _OURS.get(error.sqlstate or "")
        if known is not None:
            raise known(error.diag.message_primary or str(error)) from error
        if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
            told = error.sqlstate is not None and not error.sqlstate.startswith(_CONNECTION)
            raise (ServerFailed if told else ConnectionLost)(str(error).strip()) from error
        raise
