"""Rebuilding several projections at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from threading import Event
from unittest.mock import patch

import pytest

from conftest import Urls
from engine.histories import event, forget, lamps, live, new_account, oracle, rows, sockets, write
from iamledger.engine.compile import Table
from iamledger.engine.declaration import Projection
from iamledger.engine.errors import RebuildUnderWay
from iamledger.engine.rebuild import rebuild
from iamledger.engine.rebuild_all import rebuild_all
from iamledger.store import Connection
from iamledger.store.connection import connect

COPIES = [replace(lamps, name=f"lamps_copy_{n}", _digest=[]) for n in range(4)]


@pytest.fixture
def connection(urls: Urls) -> Iterator[Connection]:
    with connect(urls.application) as connection:
        yield connection
        for projection in [lamps, sockets, *COPIES]:
            forget(connection, projection)


@pytest.mark.parametrize("jobs", [1, 2, 9])
def test_all_are_rebuilt_and_told_in_the_order_asked_for(connection: Connection, urls: Urls, jobs: int) -> None:
    account = new_account()
    plugged = event("LampPlugged", lamp="l", room="a", wall="n")
    write(connection, account, [event("LampHung", lamp="l"), plugged, event("LampLit", lamp="l")])
    asked = [sockets, *COPIES, lamps]
    told: list[tuple[int, int]] = []
    tables = rebuild_all(urls.application, asked, jobs, lambda done, of: told.append((done, of)))
    assert [table.projection for table in tables] == asked
    assert max(told) == told[-1] == (told[-1][1], told[-1][1])
    for table in tables:
        assert live(connection, table.projection) == table
        assert rows(connection, table, account) == oracle(connection, table.projection, account).rows


def test_one_that_cannot_be_rebuilt_ends_it_and_those_under_way_are_finished(
    connection: Connection, urls: Urls
) -> None:
    write(connection, new_account(), [event("LampHung", lamp="l")])
    first, second, *others = [live(connection, projection) for projection in COPIES]
    held, failed = Event(), Event()

    def slow(one: Connection, projection: Projection, progress: Callable[[int, int], None]) -> Table:
        if projection.name == second.projection.name:
            assert held.wait(10)
            try:
                raise RebuildUnderWay("somebody else")
            finally:
                failed.set()
        held.set()
        assert failed.wait(10)
        return rebuild(one, projection, progress)

    with patch("iamledger.engine.rebuild_all.rebuild", slow), pytest.raises(RebuildUnderWay, match="somebody else"):
        rebuild_all(urls.application, COPIES, 2)
    assert live(connection, first.projection).generation == first.generation + 1
    assert live(connection, second.projection) == second
    assert [live(connection, table.projection) for table in others] == others, "no other is begun"


def test_nothing_to_rebuild(urls: Urls) -> None:
    assert rebuild_all(urls.application, [], 2) == []


def test_an_interruption_cancels_what_the_server_is_doing(connection: Connection, urls: Urls) -> None:
    """The wait for the server ends at once, and nothing is left behind."""
    write(connection, new_account(), [event("LampHung", lamp="l")])
    before = live(connection, lamps)

    def forever(one: Connection, _projection: Projection, _progress: Callable[[int, int], None]) -> Table:
        one.execute("SELECT pg_sleep(60)")
        raise AssertionError("it was not cancelled")

    with (
        patch("iamledger.engine.rebuild_all.rebuild", forever),
        patch("iamledger.engine.rebuild_all.as_completed", side_effect=_interrupted),
        pytest.raises(KeyboardInterrupt),
    ):
        rebuild_all(urls.application, [lamps, sockets], 2)
    assert live(connection, lamps) == before


def test_an_interruption_ends_a_rebuild_that_keeps_waiting(connection: Connection, urls: Urls) -> None:
    """Also in its last step, which tries a lock again and again, and also if it is between two statements just then."""
    write(connection, new_account(), [event("LampHung", lamp="l")])
    before = live(connection, lamps)
    with (
        connect(urls.application) as holder,
        holder.transaction(),
        patch("iamledger.engine.rebuild_all.as_completed", side_effect=_interrupted),
    ):
        holder.execute("SELECT FROM iamledger.projections WHERE name = 'lamps' FOR UPDATE")
        with pytest.raises(KeyboardInterrupt):
            rebuild_all(urls.application, [lamps, *COPIES], 1)
    assert live(connection, lamps) == before
    for projection in COPIES:
        assert (
            connection.execute("SELECT FROM iamledger.projections WHERE name = %s", (projection.name,)).fetchone()
            is None
        )


def test_one_that_is_between_two_statements_is_interrupted_by_the_next(connection: Connection, urls: Urls) -> None:
    def pausing(one: Connection, _projection: Projection, _progress: Callable[[int, int], None]) -> Table:
        Event().wait(0.5)
        one.execute("SELECT pg_sleep(60)")
        raise AssertionError("it was not cancelled")

    with (
        patch("iamledger.engine.rebuild_all.rebuild", pausing),
        patch("iamledger.engine.rebuild_all.as_completed", side_effect=_interrupted),
        pytest.raises(KeyboardInterrupt),
    ):
        rebuild_all(urls.application, [lamps], 1)


def _interrupted(_futures: object) -> Iterator[object]:
    """What a person does after a moment."""
    Event().wait(0.3)
    raise KeyboardInterrupt
