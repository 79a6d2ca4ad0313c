"""The numbered migrations of the store's schema.

A migration is a file `NNNN_name.sql`; it runs once, in one transaction, as the owner of the tables. The application's
role cannot run them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from psycopg import sql

from iamledger.store.connection import Connection
from iamledger.store.errors import SchemaOutdated, translated

_LOCK = 7_317_409_200_001  # any number that nobody else takes: one migration at a time in a database


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema."""

    number: int
    name: str
    sql: str


@cache
def migrations() -> Sequence[Migration]:
    """All migrations that this version of iamledger knows, in order."""
    found = []
    for file in files("iamledger.store").joinpath("sql", "migrations").iterdir():
        if file.name.endswith(".sql"):
            number, _, name = file.name.removesuffix(".sql").partition("_")
            found.append(Migration(int(number), name, file.read_text("utf-8")))
    return sorted(found, key=lambda migration: migration.number)


def applied(connection: Connection) -> list[int]:
    """The numbers of the migrations that the database has seen."""
    with translated():
        if connection.execute("SELECT to_regclass('public.iamledger_migrations')").fetchone() != (None,):
            rows = connection.execute("SELECT number FROM public.iamledger_migrations ORDER BY number").fetchall()
            return [number for (number,) in rows]
    return []


def migrate(connection: Connection, *, upto: int | None = None) -> list[Migration]:
    """Apply what is missing, each in its own transaction; returns what was applied.

    The connection must be the owner's. Raises `SchemaOutdated` if the database is newer than this version, `Locked` if
    somebody else has been migrating for longer than the connection's lock timeout.
    """
    done: list[Migration] = []
    with translated():
        connection.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
    try:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS public.iamledger_migrations ("
            " number integer PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
        )
        connection.execute("GRANT SELECT ON public.iamledger_migrations TO PUBLIC")
        seen = set(applied(connection))
        refuse_newer(seen)
        for migration in migrations():
            if migration.number in seen or (upto is not None and migration.number > upto):
                continue
            with connection.transaction():
                connection.execute(sql.SQL(migration.sql))
                connection.execute(
                    "INSERT INTO public.iamledger_migrations (number, name) VALUES (%s, %s)",
                    (migration.number, migration.name),
                )
            done.append(migration)
    finally:
        connection.execute("SELECT pg_advisory_unlock(%s)", (_LOCK,))
    return done


def refuse_newer(seen: set[int]) -> None:
    """Raise `SchemaOutdated` if the database has migrations that this version does not know."""
    unknown = seen - {migration.number for migration in migrations()}
    if unknown:
        raise SchemaOutdated(
            f"the database has migration {max(unknown)}, which this version of iamledger does not know; upgrade iamledger"
        )
