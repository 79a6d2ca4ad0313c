"""Tests run against a real PostgreSQL: the embedded one, or the server that `--server URL` names."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from iamledger import store
from iamledger.actors import LocalOperator
from iamledger.ledger import Circumstances, Ledger
from iamledger.opening import open_database
from iamledger.sealing import MasterKey
from iamledger.settings import Settings
from iamledger.store.connection import Connection, Database, connect
from iamledger.store.embedded import SUPERUSER, EmbeddedServer
from iamledger.store.migrations import migrate

ACCOUNT = "123456789012"
MASTER_KEY = MasterKey(bytes(range(32)))
OPERATOR = LocalOperator("tester", "iamledger_app")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--server", help="URL of a PostgreSQL server to test against, as a superuser")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first, so that no process is left with one of them when the others have nothing to do."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


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
def template(request: pytest.FixtureRequest, server: str) -> Iterator[str]:
    """The name of a migrated database that is copied for each test that wants its own."""
    name = f"iamledger_template_{uuid4().hex[:12]}"
    with psycopg.connect(server, autocommit=True) as admin:
        admin.execute("SELECT pg_advisory_lock(1)")  # one worker at a time makes the roles, which are the server's
        for role, rights in (("iamledger_owner", "LOGIN CREATEROLE"), ("iamledger_app", "LOGIN")):
            if not admin.execute("SELECT FROM pg_roles WHERE rolname = %s", (role,)).fetchall():
                admin.execute(f"CREATE ROLE {role} {rights}")
        if admin.execute("SELECT rolcanlogin FROM pg_roles WHERE rolname = 'iamledger_app'").fetchone() != (True,):
            admin.execute("ALTER ROLE iamledger_app LOGIN")
        admin.execute("SELECT pg_advisory_unlock(1)")
        admin.execute(f"CREATE DATABASE {name} OWNER iamledger_owner")
        with connect(make_conninfo(server, dbname=name, options="-c role=iamledger_owner"), role=None) as owner:
            migrate(owner)
        yield name
        if request.config.getoption(
            "--server"
        ):  # else it goes with the server; and dropping waits for a checkpoint of all
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def new_database(request: pytest.FixtureRequest, server: str, template: str) -> Iterator[Callable[[], Urls]]:
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
    if not request.config.getoption("--server"):
        return  # they go with their server, at once
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


@pytest.fixture(scope="module")
def own_server() -> Iterator[Settings]:
    """Settings of an embedded server of the module's own, for tests that kill or stop it. It runs, and is migrated."""
    home = Path(tempfile.mkdtemp(prefix="iamledger-own-"))
    home.chmod(0o755)
    settings = Settings(home, None, None, None)
    try:
        open_database(settings).close()
        yield settings
    finally:
        EmbeddedServer(home).stop(mode="immediate")
        shutil.rmtree(home, ignore_errors=True)


def deadlocks(urls: Urls) -> int:
    """How many there have been in a database. Its sessions must have ended, since they tell the server when they do."""
    patience = time.monotonic() + 120
    others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    with psycopg.connect(urls.superuser, autocommit=True) as admin:
        while admin.execute(others + " AND backend_type = 'client backend'").fetchone() != (0,):
            assert time.monotonic() < patience, "somebody is still connected"
            time.sleep(0.01)
        row = admin.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()").fetchone()
    assert row is not None
    return int(row[0])


@dataclass
class Disturbance:
    """What happens to one command: `interfere` is called before it reads again or appends; a fault drops a connection."""

    interfere: Callable[[str], None] = lambda _point: None
    conflict: Callable[[], None] = lambda: None
    """Called when the append has failed for what others did."""
    fault: str | None = None
    """`before` or `after` the append."""
    reads: int = 0


class Points:
    """Stands in for the store's functions, and disturbs the command that is under way."""

    def __init__(self) -> None:
        self._append, self._read_boundary = store.append, store.read_boundary
        self._current = Disturbance()

    @contextmanager
    def disturbed(self, disturbance: Disturbance) -> Iterator[None]:
        """While a command runs. A command within it (that of somebody else) has its own."""
        outer, self._current = self._current, disturbance
        try:
            yield
        finally:
            self._current = outer

    @contextmanager
    def undisturbed(self) -> Iterator[None]:
        """While somebody else's commands run."""
        with self.disturbed(Disturbance()):
            yield

    def read_boundary(self, *args: Any) -> store.Boundary:
        """Reads. What comes in between comes before every read but the first."""
        current = self._current
        current.reads += 1
        if current.reads > 1:
            current.interfere("read")
        return self._read_boundary(*args)

    def append(self, connection: Connection, *args: Any, **kwargs: Any) -> store.Appended:
        """Appends, and the connection may drop before the append or before its answer."""
        current = self._current
        current.interfere("append")
        if current.fault == "before":
            current.fault = None
            connection.close()
        try:
            appended = self._append(connection, *args, **kwargs)
        except (store.ConditionFailed, store.RequestRecorded):
            current.conflict()
            raise
        if current.fault == "after":
            current.fault = "told nothing"
            connection.close()
            raise store.ConnectionLost("the answer was lost")
        return appended


@pytest.fixture
def points(monkeypatch: pytest.MonkeyPatch) -> Points:
    """The moments of a command at which others can come in between."""
    points = Points()
    monkeypatch.setattr(store, "append", points.append)
    monkeypatch.setattr(store, "read_boundary", points.read_boundary)
    return points


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The ledger tries again at once."""
    monkeypatch.setattr("iamledger.ledger.time", SimpleNamespace(sleep=lambda _seconds: None))


@pytest.fixture(autouse=True, scope="session")
def _clean_environment() -> None:
    """No setting of the machine reaches a test."""
    for name in list(os.environ):
        if name.startswith(("IAMLEDGER_", "PG")):
            del os.environ[name]
