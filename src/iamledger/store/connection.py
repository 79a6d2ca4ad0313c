"""Connections to PostgreSQL, as the application's role and with the store's settings."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from typing import Any, LiteralString, TypeAlias

import psycopg
from psycopg import conninfo

from iamledger.store.errors import SchemaOutdated, Unreachable, translated

Connection: TypeAlias = "psycopg.Connection[tuple[Any, ...]]"

APPLICATION_ROLE = "iamledger_app"
LOCK_TIMEOUT = "5s"
FEW_ROWS = 100
"""A cursor that has had more is not kept: it would keep them as well."""
CONNECT_TIMEOUT_SECONDS = "10"


def connect(url: str, *, role: str | None = APPLICATION_ROLE) -> Connection:
    """Connect, in autocommit mode: a statement is a transaction unless one is opened.

    `url` is a libpq URL or keyword string; several hosts, TLS and the like are libpq's own parameters. The
    session takes on `role`, of which the user must be a member; None keeps the user's own (to migrate).
    Raises `Unreachable`, `SchemaOutdated`.
    """
    settings = f"-c lock_timeout={LOCK_TIMEOUT} -c timezone=UTC -c datestyle=ISO -c client_encoding=UTF8"
    if role is not None:
        settings += f" -c role={role}"
    given = _parameters(url)
    try:
        given["options"] = f"{given.get('options') or ''} {settings}".strip()
        given.setdefault("connect_timeout", CONNECT_TIMEOUT_SECONDS)
        given.setdefault("application_name", "iamledger")
        if "," in str(given.get("host") or ""):
            given.setdefault("target_session_attrs", "read-write")
        return _Connection.connect(**given, autocommit=True)
    except psycopg.Error as error:
        message = str(error).strip()
        if role is not None and ('parameter "role"' in message or "set role" in message):
            raise SchemaOutdated(
                f"{message}. The first migration makes the role {role}; the user must be a member of it (GRANT {role} TO …)"
            ) from None
        raise Unreachable(message) from None


class _Connection(psycopg.Connection[tuple[Any, ...]]):
    """A connection that keeps cursors which nobody uses at the moment."""

    @cached_property
    def spare_cursors(self) -> list[psycopg.Cursor[tuple[Any, ...]]]:
        """Those of `rows_of`; one, unless threads share the connection."""
        return []


def rows_of(connection: Connection, statement: LiteralString, parameters: Sequence[object]) -> list[tuple[Any, ...]]:
    """The rows of a statement that runs again and again: a new cursor each time takes an eighth of a client's append."""
    spare = connection.spare_cursors if isinstance(connection, _Connection) else []
    try:
        cursor = spare.pop()
    except IndexError:
        cursor = connection.cursor()
    rows = cursor.execute(statement, parameters).fetchall()
    if len(rows) < FEW_ROWS:
        spare.append(cursor)
    return rows


@contextmanager
def waiting_for_locks(connection: Connection, timeout: str) -> Iterator[None]:
    """Wait for a lock so long, and no longer: `200ms`. Raises `Unreachable`."""
    with translated():
        connection.execute("SELECT set_config('lock_timeout', %s, false)", (timeout,))
    try:
        yield
    finally:
        with suppress(psycopg.Error):  # one that was lost is opened again with the time that all have
            connection.execute("RESET lock_timeout")


def _parameters(url: str) -> dict[str, Any]:
    """The parameters in a URL or keyword string. Raises `Unreachable` with nothing of a malformed one: libpq quotes parts.

    A host with an at sign, or a port that is no number, is what is left of a password that was not encoded.
    """
    given: dict[str, Any] | None = None
    with suppress(psycopg.Error, UnicodeError):
        given = {**conninfo.conninfo_to_dict(url)}
    if (
        given is None
        or "@" in str(given.get("host") or "")
        or not re.fullmatch("[0-9, ]*", str(given.get("port") or ""))
    ):
        raise Unreachable(
            "the database URL is malformed: write postgresql://user@host/database,"
            " and percent-encode its password or use a passfile"
        )
    return given


class Database:
    """One connection at a time to one database, opened when needed and opened again after it was lost."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._connection: Connection | None = None

    @property
    def connection(self) -> Connection:
        """The open connection. Raises `Unreachable`."""
        if self._connection is None or self._connection.closed or self._connection.broken:
            self.close()
            self._connection = connect(self.url)
        return self._connection

    def close(self) -> None:
        """Close the connection, if one is open."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
