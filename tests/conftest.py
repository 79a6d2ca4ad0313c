"""Tests run against a real PostgreSQL: the embedded one, or the server that `--server URL` names."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from iamledger.actors import LocalOperator
from iamledger.ledger import Circumstances, Ledger
from iamledger.sealing import MasterKey
from iamledger.store.connection import Connection, Database, connect
from iamledger.store.embedded import SUPERUSER, EmbeddedServer
from iamledger.store.migrations import migrate

ACCOUNT = "123456789012"
MASTER_KEY = MasterKey(bytes(range(32)))
OPERATOR = LocalOperator("tester", "iamledger_app")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--server", help="URL of a PostgreSQL server to test against, as a superuser")


@pytest.fixture(scope="session")
def server(request: pytest.FixtureRequest) -> Iterator[str]:
    """Conninfo of a superuser on the server under test, without a database name."""
    given = request.config.getoption("--server")
    if given:
        yield given
        return
    home = Path(tempfile.mkdtemp(prefix="iamledger-test-"))
    home.chmod(0o755)
    embedded = EmbeddedServer(home)
    embedded.ensure_running()
    try:
        yield embedded.conninfo(SUPERUSER, "postgres")
    finally:
        embedded.stop(mode="immediate")
        shutil.rmtree(home, ignore_errors=True)


@dataclass(frozen=True)
class Urls:
    """Ways to connect to one database: as the application, as the owner of the tables, as a superuser."""

    application: str
    owner: str
    superuser: str


@pytest.fixture(scope="session")
def template(server: str) -> Iterator[str]:
    """The name of a migrated database that is copied for each test that wants its own."""
    name = f"iamledger_template_{uuid4().hex[:12]}"
    with psycopg.connect(server, autocommit=True) as admin:
        for role, rights in (("iamledger_owner", "LOGIN CREATEROLE"), ("iamledger_app", "LOGIN")):
            if not admin.execute("SELECT FROM pg_roles WHERE rolname = %s", (role,)).fetchall():
                with suppress(psycopg.errors.DuplicateObject, psycopg.errors.UniqueViolation):  # another worker made it
                    admin.execute(f"CREATE ROLE {role} {rights}")
        admin.execute("ALTER ROLE iamledger_app LOGIN")
        admin.execute(f"CREATE DATABASE {name} OWNER iamledger_owner")
        with connect(make_conninfo(server, dbname=name, options="-c role=iamledger_owner"), role=None) as owner:
            migrate(owner)
        yield name
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def new_database(server: str, template: str) -> Iterator[Callable[[], Urls]]:
    """Makes a fresh, migrated, empty database each time it is called."""
    names: list[str] = []
    numbers = count()

    def make() -> Urls:
        name = f"iamledger_test_{uuid4().hex[:8]}_{next(numbers)}"
        with psycopg.connect(server, autocommit=True) as admin:
            admin.execute(f"CREATE DATABASE {name} TEMPLATE {template} OWNER iamledger_owner")
        names.append(name)
        return Urls(
            application=make_conninfo(server, dbname=name),
            owner=make_conninfo(server, dbname=name, options="-c role=iamledger_owner"),
            superuser=make_conninfo(server, dbname=name),
        )

    yield make
    with psycopg.connect(server, autocommit=True) as admin:
        for name in names:
            admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.fixture
def urls(new_database: Callable[[], Urls]) -> Urls:
    """A database of the test's own."""
    return new_database()


@pytest.fixture
def database(urls: Urls) -> Iterator[Database]:
    """The application's connection to a database of the test's own."""
    database = Database(urls.application)
    yield database
    database.close()


@pytest.fixture
def connection(database: Database) -> Connection:
    """The application's connection to a database of the test's own."""
    return database.connection


@pytest.fixture
def ledger(database: Database) -> Ledger:
    """A ledger that has begun: position 1 is the account's creation."""
    from iamledger.iam.account import create_account

    ledger = new_ledger(database)
    ledger.execute(create_account, account=ACCOUNT, account_name="acme", email="root@acme.example")
    return ledger


def new_ledger(database: Database, account_id: str = ACCOUNT, **circumstances: str) -> Ledger:
    """A ledger spoken to by a tester."""
    return Ledger(database, account_id, Circumstances(OPERATOR, **circumstances), master_key=lambda: MASTER_KEY)


@pytest.fixture(autouse=True, scope="session")
def _clean_environment() -> None:
    """No setting of the machine reaches a test."""
    for name in list(os.environ):
        if name.startswith(("IAMLEDGER_", "PG")):
            del os.environ[name]
