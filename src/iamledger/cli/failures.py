"""Errors that a person is told, and their exit statuses."""

from __future__ import annotations

from psycopg.errors import InsufficientPrivilege

from iamledger.access.grants import UnreadablePolicy
from iamledger.cli.statuses import CONFLICT, REFUSED, UNREACHABLE
from iamledger.engine.declaration import InvalidProjection
from iamledger.engine.errors import ProjectionError
from iamledger.iam.refusals import Refusal
from iamledger.ledger import Conflict
from iamledger.sealing import MasterKeyError
from iamledger.settings import SettingsError
from iamledger.store import (
    ConditionFailed,
    Locked,
    NoLedger,
    NotStrictJson,
    SchemaOutdated,
    ServerFailed,
    StoreError,
    Unreachable,
)
from iamledger.store.connection import APPLICATION_ROLE
from iamledger.store.embedded import EmbeddedServerError


def failure(error: Exception) -> tuple[str, int] | None:
    """The message and exit status for an error; None for one that nobody expected."""
    match error:
        case Refusal():
            return f"{error.code}: {error}{f'. {error.advice}' if error.advice else ''}", REFUSED
        case NotStrictJson():
            return f"ValidationError: {error}", REFUSED
        case NoLedger():
            return f"NoSuchEntity: There is {error}. See: iamledger account list", REFUSED
        case Conflict():
            return f"Conflict: {error}", CONFLICT
        case Locked() | ConditionFailed():
            return f"Conflict: Somebody holds a lock on what this command needs ({error}). Repeat it.", CONFLICT
        case UnreadablePolicy():
            return f"UnreadablePolicy: {error}", REFUSED
        case SchemaOutdated():
            return (
                f"SchemaOutdated: {error}. The database's schema is not the one of this version of iamledger."
                " Run: iamledger db migrate",
                UNREACHABLE,
            )
        case Unreachable() if f'role "{APPLICATION_ROLE}" does not exist' in str(error):
            return f"SchemaOutdated: {error}. The first migration makes it. Run: iamledger db migrate", UNREACHABLE
        case Unreachable():
            return f"Unreachable: the database cannot be reached: {error}", UNREACHABLE
        case ServerFailed():
            return f"ServerFailed: the database server could not do this: {error}", UNREACHABLE
        case EmbeddedServerError():
            return f"Unreachable: {error}", UNREACHABLE
        case StoreError() | ProjectionError() | InvalidProjection() | MasterKeyError() | SettingsError():
            return f"{type(error).__name__}: {error}", REFUSED
        case InsufficientPrivilege():
            return (
                f"AccessDenied: {error.diag.message_primary}. `iamledger db migrate` is for the tables' owner.",
                REFUSED,
            )
        case OSError(filename=None):
            return f"The answer could not be written: {error.strerror}. What the command did is done.", REFUSED
        case OSError():
            return f"{error.filename}: {error.strerror}", REFUSED
    return None
