"""The server that everything is measured on, and fresh databases on it.

Without a URL it is an embedded server of our own in a temporary home, with the settings that the product ships. Its
durability is checked: without it, nothing here would mean anything.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from iamledger.store.connection import Connection, connect
from iamledger.store.embedded import SUPERUSER, EmbeddedServer
from iamledger.store.migrations import migrate

DURABLE = ("fsync", "synchronous_commit", "full_page_writes")
SHOWN = (
    "server_version",
    *DURABLE,
    "shared_buffers",
    "max_wal_size",
    "wal_compression",
    "checkpoint_timeout",
    "jit",
    "io_method",
)


@dataclass
class Server:
    """A PostgreSQL, spoken to as a superuser."""

    url: str
    binaries: Path
    home: Path | None
    """Of the embedded server; None for a server that was named."""
    _template: str = ""
    _names: list[str] = field(default_factory=list)

    def database(self) -> str:
        """A fresh, migrated, empty database: its conninfo, as a superuser, who may take on the application's role."""
        name = f"{self._template}_{len(self._names)}"
        with self.admin() as admin:
            admin.execute(f"CREATE DATABASE {name} TEMPLATE {self._template} OWNER iamledger_owner")
        self._names.append(name)
        return make_conninfo(self.url, dbname=name)

    def drop(self, url: str) -> None:
        """Remove a database that is needed no more."""
        with self.admin() as admin:
            admin.execute(f"DROP DATABASE {conninfo_to_dict(url)['dbname']} WITH (FORCE)")

    def settle(self, url: str | None = None) -> None:
        """Leave nothing to the next measurement that belongs to what was before: VACUUM ANALYZE, then a checkpoint."""
        if url is not None:
            with psycopg.connect(url, autocommit=True) as admin:
                admin.execute("VACUUM (ANALYZE)")
        with self.admin() as admin:
            admin.execute("CHECKPOINT")

    def interleave(self, url: str) -> None:
        """Order rows on the disk as if accounts had taken turns event by event, as they do in life, and not by batches."""
        with psycopg.connect(url, autocommit=True) as admin:
            for table in ("events", "personal"):
                admin.execute(f"CREATE INDEX as_in_life ON iamledger.{table} (position, account_id)")
                admin.execute(f"CLUSTER iamledger.{table} USING as_in_life")
                admin.execute("DROP INDEX iamledger.as_in_life")

    def temporary_bytes(self, url: str) -> int:
        """What queries have written to temporary files in a database so far; exact once their sessions have ended."""
        with self.admin() as admin:
            row = admin.execute(
                "SELECT temp_bytes FROM pg_stat_database WHERE datname = %s", (conninfo_to_dict(url)["dbname"],)
            ).fetchone()
        assert row is not None
        return int(row[0])

    def settings(self) -> dict[str, str]:
        """The version, and the settings that matter to the numbers."""
        with self.admin() as admin:
            rows = admin.execute(
                "SELECT name, current_setting(name) FROM pg_settings WHERE name = ANY(%s)", ([*SHOWN],)
            )
            return dict(rows.fetchall())

    def admin(self) -> Connection:
        """A superuser's connection, for use with `with`."""
        return psycopg.connect(self.url, autocommit=True)

    def prepare(self) -> None:
        """Roles, and a migrated database that fresh ones are copied from. Refuses a server that is not durable."""
        with self.admin() as admin:
            for role, rights in (("iamledger_owner", "LOGIN CREATEROLE"), ("iamledger_app", "LOGIN")):
                if not admin.execute("SELECT FROM pg_roles WHERE rolname = %s", (role,)).fetchall():
                    admin.execute(f"CREATE ROLE {role} {rights}")
            self._template = f"iamledger_bench_{uuid4().hex[:12]}"
            admin.execute(f"CREATE DATABASE {self._template} OWNER iamledger_owner")
        template = make_conninfo(self.url, dbname=self._template)
        with connect(make_conninfo(template, options="-c role=iamledger_owner"), role=None) as owner:
            migrate(owner)
        with connect(template) as application:
            for setting in DURABLE:
                if application.execute(f"SHOW {setting}").fetchone() != ("on",):
                    raise SystemExit(f"The server has {setting} off. Commits that are not durable are not measured.")

    def clean_up(self) -> None:
        """Remove every database that was made."""
        with self.admin() as admin:
            for name in [*self._names, self._template]:
                admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@contextmanager
def serve(url: str | None) -> Iterator[Server]:
    """The server of that URL (a superuser's), or an embedded one of our own that is gone afterwards."""
    for name in list(os.environ):
        if name.startswith(("IAMLEDGER_", "PG")):
            del os.environ[name]  # no setting of the machine changes what is measured
    home = Path(tempfile.mkdtemp(prefix="iamledger-bench-"))
    home.chmod(0o755)
    embedded = EmbeddedServer(home)
    try:
        if url is None:
            embedded.ensure_running()
        server = Server(url or embedded.conninfo(SUPERUSER, "postgres"), embedded.binaries, None if url else home)
        try:
            server.prepare()
            yield server
        finally:
            if url is not None:
                server.clean_up()
    finally:
        if url is None:
            embedded.stop(mode="immediate")
        shutil.rmtree(home, ignore_errors=True)
