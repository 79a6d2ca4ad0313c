"""Catching up: each event exactly once, whoever else is at it, whatever is killed; and no event is ever skipped."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import count
from random import Random
from threading import Barrier

import pytest

from conftest import Urls
from engine.histories import (
    event,
    kill,
    lamp_history,
    lamps,
    live,
    new_account,
    oracle,
    rows,
    sockets,
    standing,
    watched,
    write,
)
from iamledger import store
from iamledger.engine.catchup import catch_up
from iamledger.engine.changes import changes
from iamledger.engine.compile import Table
from iamledger.engine.declaration import POSITION, Projection, close_row, open_row
from iamledger.engine.errors import ProjectionFailed
from iamledger.engine.rebuild import rebuild
from iamledger.engine.registry import live_tables
from iamledger.engine.view import count_rows, open_view
from iamledger.store import Connection, ConnectionLost, Locked, NewEvent, NoLedger
from iamledger.store.connection import connect

THREADS = 8


@pytest.fixture
def tables(connection: Connection) -> list[Table]:
    return [live(connection, lamps), live(connection, sockets)]


def assert_right(connection: Connection, tables: Sequence[Table], account: str) -> None:
    """Rows and positions are what a replay of the whole ledger makes."""
    head = connection.execute("SELECT head FROM iamledger.ledgers WHERE account_id = %s", (account,)).fetchone()
    assert head is not None
    for table in tables:
        told = oracle(connection, table.projection, account)
        assert rows(connection, table, account) == told.rows
        reached, failed, reason = standing(connection, table, account)
        assert (reached, failed) == (head[0] if told.failed is None else told.failed - 1, told.failed)
        assert (reason is None) == (failed is None)


# Exactly once


@pytest.mark.parametrize("seed", range(4))
def test_it_does_not_matter_how_many_events_come_at_once(
    connection: Connection, tables: list[Table], seed: int
) -> None:
    random, account = Random(seed), new_account()
    events = lamp_history(random, 80)
    while events:
        size = random.choice([1, 1, 2, 30])
        head = write(connection, account, events[:size])
        del events[:size]
        assert catch_up(connection, account, tables) == head
        assert_right(connection, tables, account)


def test_rows_of_positions(connection: Connection) -> None:
    """Each event makes a row of its own, which nothing touches again; also the row of another key, for the same event."""
    doors = Projection(
        name="doors",
        key=["nth", "door"],
        columns={"opened": "boolean", "at": "bigint"},
        rules=[
            open_row("DoorOpened", key={"nth": POSITION}, set={"opened": True, "at": POSITION}),
            open_row("DoorClosed", key={"nth": POSITION}, set={"opened": False, "at": POSITION}),
            open_row("DoorClosed", key={"nth": "closed_by"}, set={"opened": False, "at": None}),
            close_row("DoorTaken", key={"nth": "closed_by"}),
        ],
    )
    account = new_account()
    write(connection, account, [event("DoorOpened", door="d"), event("RoomSwept"), event("DoorOpened", door="d")])
    table = live(connection, doors)
    catch_up(connection, account, [table])
    write(
        connection,
        account,
        [event("DoorClosed", door="d", closed_by="ada"), event("DoorTaken", door="d", closed_by="ada")],
    )
    catch_up(connection, account, [table])
    found = rows(connection, table, account)
    assert found == oracle(connection, doors, account).rows
    assert [(key, since, until) for key, since, until, _ in found] == [
        (("1", "d"), 1, None),
        (("3", "d"), 3, None),
        (("4", "d"), 4, None),
        (("ada", "d"), 4, 5),
    ]
    (closed,) = store.read(connection, account, after=3, upto=4)
    assert [(change.key, change.before, change.after) for change in changes(connection, closed, [table])] == [
        (("4", "d"), None, {"opened": False, "at": 4}),
        (("ada", "d"), None, {"opened": False, "at": None}),
    ]
    assert rows(connection, rebuild(connection, doors), account) == found


def test_catching_up_again_changes_nothing(connection: Connection, tables: list[Table]) -> None:
    account = new_account()
    head = write(connection, account, lamp_history(Random(1), 50))
    catch_up(connection, account, tables)
    before = [rows(connection, table, account) for table in tables]
    assert catch_up(connection, account, tables) == head
    assert [rows(connection, table, account) for table in tables] == before


def test_nothing_new_costs_one_look_up(connection: Connection, tables: list[Table]) -> None:
    account = new_account()
    write(connection, account, lamp_history(Random(1), 20))
    catch_up(connection, account, tables)
    statements: list[str] = []
    catch_up(watched(connection, statements.append), account, tables)
    assert len(statements) == 1


def test_projections_that_joined_later_catch_up_from_the_beginning(connection: Connection, tables: list[Table]) -> None:
    account = new_account()
    write(connection, account, lamp_history(Random(2), 30))
    catch_up(connection, account, tables[:1])
    write(connection, account, [event("LampHung", lamp="another")])
    catch_up(connection, account, tables)
    assert_right(connection, tables, account)


def test_events_of_no_concern_move_only_the_position(connection: Connection, tables: list[Table]) -> None:
    account = new_account()
    write(connection, account, [event("RoomSwept") for _ in range(10)])
    statements: list[str] = []
    catch_up(watched(connection, statements.append), account, tables)
    assert_right(connection, tables, account)
    assert not any("WITH ops" in statement for statement in statements)


def test_an_account_without_a_ledger(connection: Connection, tables: list[Table]) -> None:
    with pytest.raises(NoLedger):
        catch_up(connection, new_account(), tables)


# Others at the same time


def test_many_at_once_apply_each_event_once(urls: Urls, connection: Connection) -> None:
    """Also the first generations are made by all of them at once, who name the projections in different orders."""
    projections = [replace(lamps, name="busy_lamps"), replace(sockets, name="busy_sockets")]
    accounts = [new_account() for _ in range(3)]
    for account in accounts:
        write(connection, account, [event("RoomSwept")])
    start, random = Barrier(THREADS + 1, timeout=20), Random(1)

    def catching_up(number: int) -> None:
        random = Random(number)
        with connect(urls.application) as own:
            start.wait()
            for _ in range(60):
                tables = live_tables(own, random.sample(projections, 2))
                catch_up(own, random.choice(accounts), list(tables.values()))

    with ThreadPoolExecutor(THREADS) as threads:
        work = [threads.submit(catching_up, number) for number in range(THREADS)]
        start.wait()
        for number in range(20):
            for account in accounts:
                events = [event("LampHung", lamp=f"{number} {n}") for n in range(3)]
                events += [event("LampLit", lamp=f"{number} {random.randrange(3)}") for _ in range(5)]
                events += [event("LampPlugged", room="a", wall=random.choice("nesw"), lamp=f"{number} 0"), SWEPT]
                write(connection, account, events)
        for each in work:
            each.result()

    tables = [live(connection, projection) for projection in projections]
    assert [table.generation for table in tables] == [1, 1]
    for account in accounts:
        catch_up(connection, account, tables)
        assert_right(connection, tables, account)


def test_two_who_begin_with_an_account_do_not_wait_for_each_other_in_a_circle(
    urls: Urls, connection: Connection, tables: list[Table]
) -> None:
    accounts = [new_account() for _ in range(150)]
    for account in accounts:
        write(connection, account, [event("LampHung", lamp="l")])
    together = Barrier(2, timeout=20)

    def catching_up(order: list[Table]) -> None:
        with connect(urls.application) as own:
            for account in accounts:
                together.wait()
                catch_up(own, account, order)

    with ThreadPoolExecutor(2) as threads:
        for each in [threads.submit(catching_up, tables), threads.submit(catching_up, tables[::-1])]:
            each.result()
    assert_right(connection, tables, accounts[-1])


def test_who_waits_too_long_for_another_is_told_so(urls: Urls, connection: Connection, tables: list[Table]) -> None:
    account = new_account()
    write(connection, account, [event("LampHung", lamp="l")])
    catch_up(connection, account, tables)
    write(connection, account, [event("LampLit", lamp="l")])
    with connect(urls.application) as other, other.transaction():
        other.execute("SELECT FROM iamledger.projection_positions WHERE account_id = %s FOR UPDATE", (account,))
        connection.execute("SET lock_timeout = '50ms'")
        try:
            with pytest.raises(Locked):
                catch_up(connection, account, tables)
        finally:
            connection.execute("SET lock_timeout = '5s'")
    assert [standing(connection, table, account) for table in tables] == [(1, None, None)] * 2
    catch_up(connection, account, tables)
    assert_right(connection, tables, account)


# Failing events

HUNG = event("LampHung", lamp="l", color="white", watts=1)
SWEPT = event("RoomSwept")
PLUGGED = event("LampPlugged", room="a", wall="n", lamp="l")
FAILING = {
    "open of a row that is open": HUNG,
    "revise of a row that is not open": event("LampPainted", lamp="never hung", color="red"),
    "close of a row that is not open": event("LampBroken", lamp="never hung"),
    "open of a row that has no key": event("LampHung", lamp=None),
    "close of a row that has no key": event("LampBroken"),
    "cannot cast jsonb string to type bigint": event("LampHung", lamp="m", watts="twelve"),
    "index row": event("LampHung", lamp="".join(Random(1).choices("0123456789abcdef", k=20_000))),
}


@pytest.mark.parametrize("reason", FAILING)
@pytest.mark.parametrize("shape", ["alone", "in the middle", "at the end", "one by one", "with another"])
def test_a_projection_stops_before_an_event_that_it_cannot_apply(
    connection: Connection, tables: list[Table], reason: str, shape: str
) -> None:
    failing = FAILING[reason]
    account, other_account = new_account(), new_account()
    before = [HUNG, SWEPT, SWEPT, PLUGGED, event("LampLit", lamp="l"), SWEPT]
    after = [event("LampSwitchedOff", lamp="l"), SWEPT, event("LampUnplugged", room="a", wall="n")]
    if shape == "alone":
        before, after = ([HUNG] if reason == "open of a row that is open" else []), []
    elif shape == "at the end":
        after = []
    elif shape == "with another":
        after = [*after, event("LampHung", lamp="n", watts=[]), event("LampBroken"), SWEPT]
    write(connection, other_account, [HUNG])
    for events in [[e] for e in [*before, failing, *after]] if shape == "one by one" else [[*before, failing, *after]]:
        head = write(connection, account, events)
        if shape == "one by one":
            catch_up(connection, account, tables)

    assert catch_up(connection, account, tables) == head
    position = len(before) + 1
    reached, failed, why = standing(connection, tables[0], account)
    assert (reached, failed) == (position - 1, position)
    assert why is not None
    assert reason in why
    assert oracle(connection, lamps, account).failed == position or reason == "index row"
    assert rows(connection, tables[0], account) == oracle(connection, lamps, account, upto=position - 1).rows

    assert_right(connection, tables[1:], account)  # the other projection went on
    catch_up(connection, other_account, tables)  # and so does the other account
    assert_right(connection, tables, other_account)


def test_a_projection_that_has_stopped_costs_no_more_than_one_that_has_not(
    connection: Connection, tables: list[Table]
) -> None:
    account = new_account()
    write(connection, account, [HUNG, HUNG, SWEPT])
    catch_up(connection, account, tables)
    statements: list[str] = []
    catch_up(watched(connection, statements.append), account, tables)
    assert len(statements) == 1
    write(connection, account, [PLUGGED])
    catch_up(connection, account, tables)
    assert_right(connection, tables, account)


def test_an_event_that_touches_a_row_twice(connection: Connection) -> None:
    moves = Projection(
        name="moves",
        key=["place"],
        columns={},
        rules=[open_row("Moved", key={"place": "left"}), open_row("Moved", key={"place": "entered"})],
    )
    account, table = new_account(), live(connection, moves)
    write(connection, account, [event("Moved", left="a", entered="b"), event("Moved", left="c", entered="c")])
    catch_up(connection, account, [table])
    assert standing(connection, table, account) == (1, 2, "open of a row that the event touched already")
    assert_right(connection, [table], account)


def test_many_who_find_the_failing_event_at_once_agree(urls: Urls, connection: Connection, tables: list[Table]) -> None:
    accounts = [new_account() for _ in range(10)]
    for account in accounts:
        write(connection, account, [HUNG, SWEPT, event("LampHung", lamp="m", watts="x"), PLUGGED, HUNG, SWEPT])
    start = Barrier(THREADS, timeout=20)

    def catching_up() -> None:
        with connect(urls.application) as own:
            for account in accounts:
                start.wait()
                assert catch_up(own, account, tables) == 6

    with ThreadPoolExecutor(THREADS) as threads:
        for each in [threads.submit(catching_up) for _ in range(THREADS)]:
            each.result()
    for account in accounts:
        assert_right(connection, tables, account)
        assert standing(connection, tables[0], account)[1] == 3


def test_reading_a_projection_that_has_stopped(connection: Connection) -> None:
    account = new_account()
    write(connection, account, [HUNG, PLUGGED, event("LampHung", lamp="l"), event("LampHung", lamp="m"), SWEPT])
    both = [lamps, sockets]

    def names(
        projections: Sequence[Projection], *, position: int | None = None, stale: bool = False
    ) -> tuple[int, list[str]]:
        with open_view(connection, account, projections, position=position, stale=stale) as view:
            found = view.rows(f"SELECT lamp FROM {{{projections[0].name}}} ORDER BY lamp")
            return view.position, [row["lamp"] for row in found]

    for _ in range(2):  # the first read finds out, the second knows
        with pytest.raises(
            ProjectionFailed, match="lamps stopped before the event at position 3: open of a row that is"
        ):
            names([lamps])
    with pytest.raises(ProjectionFailed, match="lamps"):
        names(both)
    assert names([sockets]) == (5, ["l"])
    assert names([lamps], stale=True) == (2, ["l"])
    assert names(both, stale=True) == (2, ["l"])
    assert names([sockets, lamps], stale=True) == (2, ["l"])
    assert names([lamps], position=2) == (2, ["l"])
    assert names([sockets, lamps], position=1) == (1, [])
    for position in (3, 4, 5):
        with pytest.raises(ProjectionFailed):
            names([lamps], position=position)
    assert names([lamps], position=4, stale=True) == (2, ["l"])


def test_a_projection_that_has_stopped_at_its_first_event_can_still_be_read_as_nothing(connection: Connection) -> None:
    account = new_account()
    write(connection, account, [event("LampBroken", lamp="l"), HUNG])
    with pytest.raises(ProjectionFailed, match="at position 1"), open_view(connection, account, [lamps]):
        pass
    with open_view(connection, account, [lamps], stale=True) as view:
        assert (view.position, view.rows("SELECT * FROM {lamps}")) == (0, [])


# Killed sessions


class Killed:
    """Ends a connection's session before the n-th statement."""

    def __init__(self, urls: Urls, connection: Connection, number: int) -> None:
        self.urls, self.connection, self.left = urls, connection, number
        self.done = False

    def __call__(self, _statement: str) -> None:
        if self.left == 0:
            kill(self.urls.superuser, self.connection)
            self.done = True
        self.left -= 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "more",
    [
        lamp_history(Random(5), 40),
        [HUNG, PLUGGED, SWEPT, HUNG, SWEPT, event("LampLit", lamp="l")],
        [HUNG, PLUGGED, event("LampHung", lamp="m", watts="x"), event("LampLit", lamp="l")],
    ],
    ids=["whole", "broken rule", "unfit value"],
)
def test_a_killed_session_leaves_rows_and_positions_consistent(
    urls: Urls, connection: Connection, tables: list[Table], more: list[NewEvent]
) -> None:
    """Wherever it is killed, a lost connection is never taken for a failing event."""
    for number in count():
        account = new_account()
        write(connection, account, more)
        with connect(urls.application) as own:
            killed = Killed(urls, own, number)
            try:
                catch_up(watched(own, killed), account, tables)
            except ConnectionLost:
                assert killed.done
        for table in tables:
            position, failed, _ = standing(connection, table, account)
            assert rows(connection, table, account) == oracle(connection, table.projection, account, position).rows
            assert failed in (None, oracle(connection, table.projection, account).failed)
        catch_up(connection, account, tables)
        assert_right(connection, tables, account)
        if not killed.done:
            break
    assert number > 8


def test_rows_of_a_projection_that_has_stopped_are_not_counted(connection: Connection) -> None:
    """A quota must not be passed because rows are missing."""
    account = new_account()
    write(connection, account, [HUNG, event("LampHung", lamp="l")])
    with pytest.raises(ProjectionFailed, match="cannot be counted"):
        count_rows(connection, account, lamps)
