"""Fixtures for tests that share a database with all of their module: each test has accounts of its own there."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest

from conftest import Urls
from iamledger.store import Connection
from iamledger.store.connection import connect


@pytest.fixture(scope="module")
def urls(new_database: Callable[[], Urls]) -> Urls:
    """One database for all tests of a module."""
    return new_database()


@pytest.fixture(scope="module")
def connection(urls: Urls) -> Iterator[Connection]:
    """The application's connection, kept for the module."""
    with connect(urls.application) as connection:
        yield connection


@pytest.fixture
def other(urls: Urls) -> Iterator[Connection]:
    """A second connection of the application."""
    with connect(urls.application) as connection:
        yield connection


@pytest.fixture
def superuser(urls: Urls) -> Iterator[Connection]:
    """The superuser's connection."""
    with psycopg.connect(urls.superuser, autocommit=True) as connection:
        yield connection
