"""Opens the database that the settings name: the embedded server by default, started and migrated when needed."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import psycopg

from iamledger.sealing import (
    MasterKey,
    MasterKeyError,
    make_master_key_file,
    master_key_from_file,
    master_key_from_text,
)
from iamledger.settings import Settings
from iamledger.store.connection import APPLICATION_ROLE, Database, connect
from iamledger.store.embedded import EmbeddedServer
from iamledger.store.migrations import migrate, migrations

DATABASE = "iamledger"
OWNER = "iamledger_owner"


def embedded(settings: Settings) -> EmbeddedServer:
    """The embedded server of the settings' home, running or not."""
    return EmbeddedServer(settings.home)


def open_database(settings: Settings) -> Database:
    """The database, ready for commands. Raises `Unreachable` (on use), `EmbeddedServerError`."""
    if settings.database_url is not None:
        return Database(settings.database_url)
    server = embedded(settings)
    server.ensure_running(partial(_prepare_cluster, _schema_version(settings)))
    _migrate_embedded(server, _schema_version(settings))
    return Database(server.conninfo(APPLICATION_ROLE, DATABASE))


def owner_url(settings: Settings) -> str:
    """How to connect as the owner of the tables, to migrate."""
    if settings.database_url is not None:
        return settings.owner_url or settings.database_url
    server = embedded(settings)
    server.ensure_running(partial(_prepare_cluster, _schema_version(settings)))
    return server.conninfo(OWNER, DATABASE)


def master_key(settings: Settings) -> MasterKey:
    """The master key. The embedded default makes one when there is none. Raises `MasterKeyError`."""
    text = os.environ.get("IAMLEDGER_MASTER_KEY")
    if text:
        return master_key_from_text(text, "IAMLEDGER_MASTER_KEY")
    named = os.environ.get("IAMLEDGER_MASTER_KEY_FILE")
    if named:
        return master_key_from_file(Path(named))
    if settings.database_url is not None:
        raise MasterKeyError(
            "A server of your own needs a master key: set IAMLEDGER_MASTER_KEY_FILE to a file of mode 0600 that holds the"
            " output of `openssl rand -base64 32`. Keep a copy where the database's backups are not."
        )
    if not settings.master_key_file.exists():
        make_master_key_file(settings.master_key_file)
    return master_key_from_file(settings.master_key_file)


def _schema_version(settings: Settings) -> Path:
    """A file that tells the last migration applied, so that nothing is asked each time."""
    return settings.home / "schema-version"


def _prepare_cluster(schema_version: Path, superuser: str) -> None:
    """Roles and database of a fresh cluster. Safe to repeat after a crash in the middle.

    The owner is a member of the application's role, so that its backups hold the projections too.
    """
    schema_version.unlink(missing_ok=True)  # of a data directory that is gone
    with psycopg.connect(superuser, autocommit=True) as connection:
        for role, rights in ((OWNER, "LOGIN CREATEROLE"), (APPLICATION_ROLE, "LOGIN")):
            if connection.execute("SELECT FROM pg_roles WHERE rolname = %s", (role,)).fetchone() is None:
                connection.execute(f"CREATE ROLE {role} {rights}")
        connection.execute(f"GRANT {APPLICATION_ROLE} TO {OWNER}")
        if connection.execute("SELECT FROM pg_database WHERE datname = %s", (DATABASE,)).fetchone() is None:
            connection.execute(f"CREATE DATABASE {DATABASE} OWNER {OWNER}")


def _migrate_embedded(server: EmbeddedServer, marker: Path) -> None:
    """Apply new migrations."""
    newest = str(migrations()[-1].number)
    if marker.exists() and marker.read_text() == newest:
        return
    with connect(server.conninfo(OWNER, DATABASE), role=None) as connection:
        migrate(connection)
    temporary = marker.with_name(f"{marker.name}.{os.getpid()}")
    temporary.write_text(newest)
    temporary.replace(marker)
