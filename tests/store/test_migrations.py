"""Migrations: in any steps, at any time and by any number of migrators, the same schema comes out."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from conftest import ACCOUNT, Urls
from iamledger import store
from iamledger.store import migrations as module
from iamledger.store.connection import connect
from iamledger.store.migrations import Migration, applied, migrate, migrations

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "schema"
SCHEMA = ROOT / "src/iamledger/store/sql/schema.sql"
NUMBERS = [migration.number for migration in migrations()]


@pytest.fixture
def new_empty_database(server: str, template: str) -> Iterator[Callable[[], Urls]]:
    """Makes a database of the owner's in which nothing has been migrated."""
    assert template, "it brings the roles with it"
    names: list[str] = []

    def make() -> Urls:
        names.append(f"iamledger_test_{uuid4().hex[:12]}")
        superuser = make_conninfo(server, dbname=names[-1])
        with psycopg.connect(server, autocommit=True) as admin:
            admin.execute(f"CREATE DATABASE {names[-1]} OWNER iamledger_owner")
        return Urls(superuser, make_conninfo(superuser, options="-c role=iamledger_owner"), superuser)

    yield make
    with psycopg.connect(server, autocommit=True) as admin:
        for name in names:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def empty(new_empty_database: Callable[[], Urls]) -> Urls:
    return new_empty_database()


@pytest.fixture(scope="module")
def schema_of() -> Callable[[Urls], str]:
    """What `scripts/schema` says of a database."""
    loader = SourceFileLoader("schema_script", str(SCRIPT))
    spec = spec_from_loader(loader.name, loader)
    assert spec is not None
    script = module_from_spec(spec)
    loader.exec_module(script)
    dump: Callable[[str], str] = script.dump
    return lambda urls: dump(urls.superuser)


@pytest.fixture
def urls(new_database: Callable[[], Urls]) -> Urls:
    """A database of the test's own, since some change its schema."""
    return new_database()


def owner(urls: Urls) -> store.Connection:
    return connect(urls.owner, role=None)


def test_they_are_numbered_without_gaps() -> None:
    assert list(range(1, len(NUMBERS) + 1)) == NUMBERS
    assert all(migration.name and migration.sql for migration in migrations())


def test_one_by_one_they_give_the_same_schema_as_all_at_once(
    new_empty_database: Callable[[], Urls], schema_of: Callable[[Urls], str]
) -> None:
    at_once, one_by_one = new_empty_database(), new_empty_database()
    with owner(at_once) as connection:
        assert [m.number for m in migrate(connection)] == NUMBERS
    schemas = []
    for number in NUMBERS:
        with owner(one_by_one) as connection:
            assert [m.number for m in migrate(connection, upto=number)] == [number]
            assert applied(connection) == NUMBERS[:number]
        schemas.append(schema_of(one_by_one))
    assert schemas[-1] == schema_of(at_once)
    assert all(earlier != later for earlier, later in pairwise(schemas)), "a migration changes nothing"


def test_running_them_again_changes_nothing(urls: Urls, schema_of: Callable[[Urls], str]) -> None:
    before = schema_of(urls), rows(urls)
    with owner(urls) as connection:
        assert migrate(connection) == []
        assert migrate(connection, upto=1) == []
    assert (schema_of(urls), rows(urls)) == before


def test_what_was_recorded_outlives_a_migration(empty: Urls, monkeypatch: pytest.MonkeyPatch) -> None:
    with owner(empty) as connection:
        migrate(connection)
    with connect(empty.application) as application:
        event = store.NewEvent("T", {"a": 1}, ["t"])
        store.append(application, ACCOUNT, [event], context=store.Context(), request=store.Request("r", ""), opens=True)
        recorded = store.read(application, ACCOUNT)
        new = Migration(NUMBERS[-1] + 1, "more", "ALTER TABLE iamledger.events ADD COLUMN more integer")
        monkeypatch.setattr(module, "migrations", lambda: [*migrations(), new])
        with owner(empty) as connection:
            assert migrate(connection) == [new]
        assert store.read(application, ACCOUNT) == recorded


def test_two_migrators_at_once_do_not_collide(empty: Urls, schema_of: Callable[[Urls], str], urls: Urls) -> None:
    barrier = threading.Barrier(4)

    def run(_: int) -> list[int]:
        with owner(empty) as connection:
            barrier.wait()
            return [migration.number for migration in migrate(connection)]

    with ThreadPoolExecutor(4) as pool:
        outcomes = sorted(pool.map(run, range(4)))
    assert outcomes == [[], [], [], NUMBERS]
    assert schema_of(empty) == schema_of(urls)


def test_a_migrator_that_takes_too_long_is_not_waited_for(urls: Urls) -> None:
    with owner(urls) as slow, owner(urls) as other:
        slow.execute("SELECT pg_advisory_lock(%s)", (module._LOCK,))
        other.execute("SET lock_timeout = '50ms'")
        with pytest.raises(store.Locked):
            migrate(other)
        slow.execute("SELECT pg_advisory_unlock_all()")
        assert migrate(other) == []


def test_a_migration_that_fails_leaves_nothing_and_can_be_mended(
    urls: Urls, schema_of: Callable[[Urls], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = schema_of(urls), rows(urls)
    number = NUMBERS[-1] + 1
    good = "CREATE TABLE iamledger.half (a integer);"
    with owner(urls) as connection:
        broken = Migration(number, "broken", f"{good} SELECT 1 / 0;")
        monkeypatch.setattr(module, "migrations", lambda: [*migrations(), broken])
        with pytest.raises(psycopg.errors.DivisionByZero):
            migrate(connection)
        assert (schema_of(urls), rows(urls)) == before
        mended = Migration(number, "mended", good)
        monkeypatch.setattr(module, "migrations", lambda: [*migrations(), mended])
        assert migrate(connection) == [mended]
        assert applied(connection) == [*NUMBERS, number]


def test_a_database_newer_than_the_code_is_refused(urls: Urls, schema_of: Callable[[Urls], str]) -> None:
    with owner(urls) as connection:
        connection.execute("INSERT INTO public.iamledger_migrations (number, name) VALUES (9999, 'of the future')")
        before = schema_of(urls), rows(urls)
        with pytest.raises(store.SchemaOutdated, match=r"migration 9999.*upgrade iamledger"):
            migrate(connection)
    assert (schema_of(urls), rows(urls)) == before


def test_a_database_without_schema_is_told_from_one_without_the_account(empty: Urls) -> None:
    with connect(empty.application) as connection:
        assert applied(connection) == []
        for ask in (store.head, store.read, store.data_key):
            with pytest.raises(store.SchemaOutdated):
                ask(connection, ACCOUNT)


def test_the_application_cannot_migrate(empty: Urls) -> None:
    with connect(empty.application) as connection, pytest.raises(psycopg.errors.InsufficientPrivilege):
        migrate(connection)
    with owner(empty) as connection:
        assert applied(connection) == []
        assert migrate(connection) != []


def test_schema_sql_is_what_the_migrations_give(
    request: pytest.FixtureRequest, urls: Urls, schema_of: Callable[[Urls], str]
) -> None:
    if request.config.getoption("--server"):
        pytest.skip("another version of PostgreSQL may write the same schema in another way")
    assert schema_of(urls) == SCHEMA.read_text("utf-8"), "run scripts/schema > src/iamledger/store/sql/schema.sql"


def rows(urls: Urls) -> list[Any]:
    """Which migrations were applied, and when."""
    with psycopg.connect(urls.superuser) as connection:
        return connection.execute("TABLE public.iamledger_migrations ORDER BY number").fetchall()
