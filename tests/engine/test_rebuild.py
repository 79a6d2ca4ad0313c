"""Rebuilding: the same rows from the events alone, while everybody reads and writes, and whatever is killed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import count, pairwise
from random import Random
from threading import Event

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from conftest import Urls
from engine.histories import (
    event,
    forget,
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
from iamledger.engine import rebuild as rebuilding
from iamledger.engine.catchup import catch_up
from iamledger.engine.compile import Table
from iamledger.engine.declaration import Projection, open_row
from iamledger.engine.errors import ProjectionFailed, ProjectionOutdated, RebuildUnderWay
from iamledger.engine.rebuild import rebuild
from iamledger.engine.registry import stopped
from iamledger.engine.view import count_rows, open_view
from iamledger.store import Cancelled, Connection, ConnectionLost
from iamledger.store.connection import connect

_numbers = count(1)


@pytest.fixture(scope="module")
def connection(urls: Urls) -> Iterator[Connection]:
    with connect(urls.application) as connection:
        connection.execute("SET synchronous_commit = off")
        yield connection


@pytest.fixture
def own_lamps(connection: Connection) -> Iterator[Projection]:
    """Lamps of the test's own, which listen to events of the test's own."""
    number = next(_numbers)
    rules = [replace(rule, event=f"{rule.event} {number}") for rule in lamps.rules]
    projection = replace(lamps, name=f"lamps_{number}", rules=rules, _digest=[])
    yield projection
    forget(connection, projection)


def of(projection: Projection, type_: str) -> str:
    """What the projection calls this type of event."""
    return f"{type_} {projection.name.removeprefix('lamps_')}"


def write_lamps(connection: Connection, projection: Projection, account: str, *names: str) -> int:
    """Hang lamps."""
    return write(connection, account, [event(of(projection, "LampHung"), lamp=name) for name in names])


def write_history(connection: Connection, projection: Projection, account: str, seed: int, length: int) -> int:
    """A history that obeys the rules, except if the account has one already."""
    events = [replace(e, type=of(projection, e.type)) for e in lamp_history(Random(seed), length)]
    return write(connection, account, events)


def assert_right(connection: Connection, table: Table, *accounts: str) -> None:
    for account in accounts:
        head = catch_up(connection, account, [table])
        assert standing(connection, table, account) == (head, None, None)
        assert rows(connection, table, account) == oracle(connection, table.projection, account).rows


def assert_stopped(connection: Connection, table: Table, account: str, position: int, reason: str) -> None:
    """It stopped before this event; what comes before it is there."""
    (stop,) = [stop for stop in stopped(connection, table) if stop.account_id == account]
    assert stop.position == position
    assert reason in stop.reason
    told = oracle(connection, table.projection, account).rows  # which does not know how long a key may be
    assert rows(connection, table, account) == [row for row in told if row[1] < position]
    stops = pytest.raises(ProjectionFailed, match=f"at position {position}")
    with stops, open_view(connection, account, [table.projection]):
        pass


def generations(connection: Connection, projection: Projection) -> tuple[set[int], set[int]]:
    """Those that have a table, and those that have positions."""
    positions = connection.execute(
        "SELECT DISTINCT generation FROM iamledger.projection_positions WHERE projection = %s", (projection.name,)
    ).fetchall()
    return set(rebuilding._generations(connection, projection)), {generation for (generation,) in positions}


# What comes of it


def test_the_rebuilt_rows_are_the_live_ones(connection: Connection, own_lamps: Projection) -> None:
    accounts = [new_account() for _ in range(4)]
    for seed, account in enumerate(accounts):
        write_history(connection, own_lamps, account, seed, 40)
    before = live(connection, own_lamps)
    for account in accounts:
        catch_up(connection, account, [before])
    expected = {account: rows(connection, before, account) for account in accounts}

    rebuilt = rebuild(connection, own_lamps)

    assert rebuilt == live(connection, own_lamps) == Table(own_lamps, 2)
    for account in accounts:
        assert standing(connection, rebuilt, account) == (40, None, None)
        assert rows(connection, rebuilt, account) == expected[account] == oracle(connection, own_lamps, account).rows
    assert generations(connection, own_lamps) == ({2}, {2})


def test_it_has_the_indexes_of_a_table_that_was_caught_up(connection: Connection, own_lamps: Projection) -> None:
    def indexes(table: Table) -> set[str]:
        found = connection.execute(
            "SELECT replace(indexdef, %s, '') FROM pg_indexes WHERE schemaname || '.' || tablename = %s",
            (f"{table.projection.name}_{table.generation}", table.name),
        ).fetchall()
        return {definition.replace("lamps", "") for (definition,) in found}

    write_lamps(connection, own_lamps, new_account(), "l")
    before = indexes(live(connection, own_lamps))
    assert len(before) == 3
    assert indexes(rebuild(connection, own_lamps)) == before


def test_a_projection_that_nobody_has_read_yet(
    connection: Connection, other: Connection, own_lamps: Projection
) -> None:
    """It can be read while it is being built."""
    account = new_account()
    write_lamps(connection, own_lamps, account, "l")
    counted: list[int] = []
    rebuild(connection, own_lamps, lambda *_: counted.append(count_rows(other, account, own_lamps)))
    assert set(counted) == {1}
    assert_right(connection, live(connection, own_lamps), account)


def test_a_table_that_nobody_has_registered_is_in_nobodys_way(connection: Connection, own_lamps: Projection) -> None:
    account = new_account()
    write_lamps(connection, own_lamps, account, "l")
    connection.execute(Table(own_lamps, 1).create())
    assert_right(connection, live(connection, own_lamps), account)


def test_settings_of_the_session_are_as_before(connection: Connection, own_lamps: Projection) -> None:
    before = connection.execute(
        "SELECT current_setting('work_mem'), current_setting('maintenance_work_mem')"
    ).fetchone()
    rebuild(connection, own_lamps)
    after = connection.execute("SELECT current_setting('work_mem'), current_setting('maintenance_work_mem')").fetchone()
    assert after == before


def test_progress_rises_to_the_number_of_events(
    connection: Connection, own_lamps: Projection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuilding, "SLICE", 7)
    for size in (1, 30, 2, 3):
        write_lamps(connection, own_lamps, new_account(), *map(str, range(size)))
    (total,) = connection.execute("SELECT sum(head)::bigint FROM iamledger.ledgers").fetchone() or (0,)
    told: list[tuple[int, int]] = []
    rebuild(connection, own_lamps, lambda done, of: told.append((done, of)))
    assert {of for _, of in told} == {total}
    assert (told[0][0], told[-1][0]) == (0, total)
    assert all(earlier < later for (earlier, _), (later, _) in pairwise(told))


# Slices


@pytest.fixture(scope="module")
def few(new_database: Callable[[], Urls]) -> Iterator[Connection]:
    """A database with few events, for rebuilds that take them one by one."""
    with connect(new_database().application) as connection:
        connection.execute("SET synchronous_commit = off")
        yield connection


LENGTHS = {new_account(): length for length in [1, 20, 1, 2, 25, 21, 3, 3, 3, 40, 1]}


@pytest.fixture(scope="module")
def ledgers(few: Connection) -> dict[str, int]:
    """Accounts with ledgers of different lengths."""
    for seed, (account, length) in enumerate(LENGTHS.items()):
        write(few, account, lamp_history(Random(seed), length))
    return LENGTHS


@pytest.mark.parametrize("size", [1, 2, 3, 7, 20, 1000])
@pytest.mark.parametrize("projection", [lamps, sockets], ids=lambda projection: projection.name)
def test_it_does_not_matter_how_the_ledgers_are_sliced(
    few: Connection, ledgers: dict[str, int], projection: Projection, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Large accounts are cut, small ones go together, in any order of sizes."""
    monkeypatch.setattr(rebuilding, "SLICE", size)
    table = rebuild(few, projection)
    for account, length in ledgers.items():
        assert standing(few, table, account) == (length, None, None)
        assert rows(few, table, account) == oracle(few, projection, account).rows


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(heads=some.lists(some.integers(0, 12), max_size=12), size=some.integers(1, 15))
def test_slices_cover_each_ledger_once_and_in_order(
    heads: list[int], size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuilding, "SLICE", size)
    ledgers = [(f"{n:012}", head) for n, head in enumerate(heads)]

    class Ledgers:
        def execute(self, _statement: str) -> Ledgers:
            return self

        def fetchall(self) -> list[tuple[str, int]]:
            return ledgers

    whole, parts = rebuilding._slices(Ledgers())  # type: ignore[arg-type]
    covered: dict[str, int] = {}
    for one in [*whole, *parts]:
        within = [account for account, _ in ledgers if min(one.accounts) <= account <= max(one.accounts)]
        assert within == list(one.accounts)
        assert one.events <= size
        assert one.fresh == (one in whole)
        for account in within:
            assert covered.get(account, 0) == one.after
            covered[account] = min(one.upto, dict(ledgers)[account])
    assert covered == dict(ledgers)
    assert sum(one.events for one in [*whole, *parts]) == sum(heads)


# While others write


def test_events_that_come_during_the_rebuild_are_in(
    connection: Connection, other: Connection, own_lamps: Projection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rebuilding, "SLICE", 10)
    first, second = new_account(), new_account()
    for account in (first, second):
        write_lamps(connection, own_lamps, account, *map(str, range(25)))
    created: list[str] = []

    def meanwhile(done: int, _of: int) -> None:
        write_lamps(other, own_lamps, first, f"in slice {done}")
        write(other, second, [event(of(own_lamps, "LampLit"), lamp="0"), event("RoomSwept")])
        created.append(new_account())
        write_lamps(other, own_lamps, created[-1], "new")

    table = rebuild(connection, own_lamps, meanwhile)
    assert len(created) > 5
    for account in (first, second, *created):
        assert rows(connection, table, account) == oracle(connection, own_lamps, account).rows
    assert_right(connection, table, first, second, *created)


@pytest.mark.parametrize("statement", ["WITH ops", "INSERT INTO iamledger.projection_positions", "COMMIT"])
def test_a_slice_sees_one_moment(
    connection: Connection, other: Connection, own_lamps: Projection, statement: str
) -> None:
    """Small accounts go together; one that grows, or begins, between applying and noting the positions loses nothing."""
    small, missing, large = new_account(), new_account(), new_account()
    write_lamps(connection, own_lamps, small, "s")
    write_lamps(connection, own_lamps, large, *map(str, range(20)))
    done: list[str] = []

    def meanwhile(text: str) -> None:
        if text.lstrip().startswith(statement) and not done:
            done.append(text)
            write_lamps(other, own_lamps, small, "t", "u")
            write_lamps(other, own_lamps, missing, "m")

    table = rebuild(watched(connection, meanwhile), own_lamps)
    assert done
    assert_right(connection, table, small, missing, large)


@pytest.mark.slow
def test_readers_never_fail_and_never_see_a_gap(urls: Urls, connection: Connection, own_lamps: Projection) -> None:
    """At every position there are as many lamps as events, since every event hangs one."""
    accounts, done = [new_account() for _ in range(3)], Event()
    for account in accounts:
        write_lamps(connection, own_lamps, account, *map(str, range(50)))

    def writing() -> None:
        with connect(urls.application) as own:
            for number in count():
                if done.is_set():
                    return
                write_lamps(own, own_lamps, accounts[number % 3], f"more {number}")

    def reading(account: str) -> int:
        seen = reads = 0
        with connect(urls.application) as own:
            while not done.is_set():
                with open_view(own, account, [own_lamps]) as view:
                    (row,) = view.rows(f"SELECT count(*) AS lamps FROM {{{own_lamps.name}}}")
                assert row["lamps"] == view.position >= seen
                assert count_rows(own, account, own_lamps) >= view.position
                seen = view.position
                with open_view(own, account, [own_lamps], position=20) as view:
                    (row,) = view.rows(f"SELECT count(*) AS lamps FROM {{{own_lamps.name}}}")
                assert row["lamps"] == 20
                reads += 1
        return reads

    with ThreadPoolExecutor(4) as threads:
        readers = [threads.submit(reading, account) for account in accounts]
        writer = threads.submit(writing)
        try:
            generation = 1
            for _ in range(25):
                table = rebuild(connection, own_lamps)
                assert table.generation > generation
                generation = table.generation
        finally:
            done.set()
        writer.result()
        assert all(reader.result() > 10 for reader in readers)

    table = rebuild(connection, own_lamps)
    assert_right(connection, table, *accounts)
    assert generations(connection, own_lamps) == ({table.generation}, {table.generation})


def test_a_rebuild_at_any_moment_of_a_read(urls: Urls, connection: Connection, own_lamps: Projection) -> None:
    """A whole rebuild takes place before each single statement of a read, which may be the only one to go on reading."""
    account = new_account()
    write_lamps(connection, own_lamps, account, "first")
    with connect(urls.application) as own, connect(urls.application) as rebuilder:
        rebuilder.execute("SET lock_timeout = '50ms'")
        for number in count():
            position = write_lamps(connection, own_lamps, account, f"lamp {number}")
            statements: list[str] = []

            def meanwhile(text: str, statements: list[str] = statements, number: int = number) -> None:
                statements.append(text)
                if len(statements) == number + 1:
                    rebuild(rebuilder, own_lamps)

            with open_view(watched(own, meanwhile), account, [own_lamps]) as view:
                found = view.rows(f"SELECT * FROM {{{own_lamps.name}}}")
            assert len(found) == view.position == position
            if len(statements) <= number:
                break
        assert number > 10
        table = rebuild(rebuilder, own_lamps)
    assert generations(connection, own_lamps) == ({table.generation}, {table.generation})
    assert_right(connection, table, account)


@pytest.mark.slow
def test_two_projections_are_rebuilt_at_once_while_many_accounts_grow(urls: Urls, connection: Connection) -> None:
    accounts, done = [new_account() for _ in range(20)], Event()
    for account in accounts:
        write(connection, account, [event("LampHung", lamp="first")])

    def writing(seed: int) -> None:
        random = Random(seed)
        with connect(urls.application) as own:
            for number in count():
                if done.is_set():
                    return
                account = random.choice(accounts)
                write(
                    own,
                    account,
                    [event("LampHung", lamp=f"{seed} {number}"), event("LampPlugged", room="a", wall="n", lamp="")],
                )
                with open_view(own, account, random.sample([lamps, sockets], 2)):
                    pass

    def rebuilding_often(projection: Projection) -> None:
        with connect(urls.application) as own:
            for _ in range(10):
                rebuild(own, projection)

    with ThreadPoolExecutor(4) as threads:
        writers = [threads.submit(writing, seed) for seed in range(2)]
        rebuilders = [threads.submit(rebuilding_often, projection) for projection in (lamps, sockets)]
        try:
            for each in rebuilders:
                each.result()
        finally:
            done.set()
        for each in writers:
            each.result()
    for projection in (lamps, sockets):
        assert_right(connection, live(connection, projection), *accounts)


# Others who rebuild


def test_two_cannot_rebuild_a_projection_at_once(
    connection: Connection, other: Connection, own_lamps: Projection
) -> None:
    write_lamps(connection, own_lamps, new_account(), "l")
    refused: list[bool] = []

    def meanwhile(_done: int, _of: int) -> None:
        with pytest.raises(RebuildUnderWay, match=own_lamps.name):
            rebuild(other, own_lamps)
        refused.append(True)
        rebuild(other, sockets)  # another one can be rebuilt

    table = rebuild(connection, own_lamps, meanwhile)
    assert refused
    assert live(connection, own_lamps) == table
    assert rebuild(other, own_lamps).generation == table.generation + 1


# Killed


def test_a_rebuild_that_fails_in_the_middle_leaves_nothing_behind(
    connection: Connection, own_lamps: Projection
) -> None:
    account = new_account()
    write_lamps(connection, own_lamps, account, "l")
    before = live(connection, own_lamps)
    catch_up(connection, account, [before])

    def interrupted(done: int, _of: int) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rebuild(connection, own_lamps, interrupted)
    assert live(connection, own_lamps) == before
    assert generations(connection, own_lamps) == ({1}, {1})
    assert_right(connection, rebuild(connection, own_lamps), account)


def test_a_rebuild_that_is_interrupted_right_after_the_flip_keeps_what_is_live(
    connection: Connection, own_lamps: Projection, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = new_account()
    write_lamps(connection, own_lamps, account, "l")
    flip = rebuilding._flip

    def interrupted(own: Connection, table: Table) -> None:
        flip(own, table)
        raise KeyboardInterrupt

    monkeypatch.setattr(rebuilding, "_flip", interrupted)
    with pytest.raises(KeyboardInterrupt):
        rebuild(connection, own_lamps)
    monkeypatch.undo()
    assert count_rows(connection, account, own_lamps) == 1
    table = rebuild(connection, own_lamps)
    assert_right(connection, table, account)
    assert generations(connection, own_lamps) == ({table.generation}, {table.generation})


@pytest.mark.slow
def test_a_rebuild_can_be_killed_at_any_moment(urls: Urls, connection: Connection, own_lamps: Projection) -> None:
    """What is live stays readable, and the next rebuild removes what the killed one left."""
    account = new_account()
    write_history(connection, own_lamps, account, 1, 30)
    for number in count():
        position = write_lamps(connection, own_lamps, account, f"more {number}")
        with connect(urls.application) as own:
            statements: list[str] = []

            def killing(text: str, own: Connection = own, statements: list[str] = statements, n: int = number) -> None:
                statements.append(text)
                if len(statements) == n + 1:
                    kill(urls.superuser, own)

            try:
                rebuild(watched(own, killing), own_lamps)
            except ConnectionLost:
                assert len(statements) == number + 1
            else:
                assert len(statements) <= number
        with open_view(connection, account, [own_lamps]) as view:
            assert view.position == position
        assert_right(connection, live(connection, own_lamps), account)
        if len(statements) <= number:
            break
        if number % 5 == 4:
            table = rebuild(connection, own_lamps)
            assert generations(connection, own_lamps) == ({table.generation}, {table.generation})
    assert number > 15
    table = rebuild(connection, own_lamps)
    assert generations(connection, own_lamps) == ({table.generation}, {table.generation})
    assert_right(connection, table, account)


# Changed rules


def test_rows_built_by_other_rules_are_refused_until_they_are_rebuilt(
    connection: Connection, own_lamps: Projection
) -> None:
    account = new_account()
    write_lamps(connection, own_lamps, account, "l")
    count_rows(connection, account, own_lamps)
    changed = replace(own_lamps, columns={**own_lamps.columns, "shape": "text"}, _digest=[])
    for _ in range(2):
        with pytest.raises(ProjectionOutdated, match=f"projection rebuild {own_lamps.name}"):
            count_rows(connection, account, changed)
        with pytest.raises(ProjectionOutdated), open_view(connection, account, [changed], stale=True):
            pass
    table = rebuild(connection, changed)
    with open_view(connection, account, [changed]) as view:
        assert [row["shape"] for row in view.rows(f"SELECT * FROM {{{changed.name}}}")] == [None]
    assert_right(connection, table, account)
    with pytest.raises(ProjectionOutdated):
        count_rows(connection, account, own_lamps)


def test_a_projection_that_has_stopped_is_repaired_by_better_rules(
    connection: Connection, own_lamps: Projection
) -> None:
    account = new_account()
    write_lamps(connection, own_lamps, account, "l")
    write(connection, account, [event(of(own_lamps, "LampHung"), lamp="m", watts="sixty"), event("RoomSwept")])
    with pytest.raises(ProjectionFailed), open_view(connection, account, [own_lamps]):
        pass
    assert_stopped(connection, rebuild(connection, own_lamps), account, 2, "cannot cast")
    better = replace(own_lamps, columns={**own_lamps.columns, "watts": "text"}, _digest=[])
    table = rebuild(connection, better)
    assert_right(connection, table, account)
    with open_view(connection, account, [better]) as view:
        assert view.position == 3


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({"lamp": "l"}, "open of a row that is open"),
        ({"lamp": None}, "open of a row that has no key"),
        ({"lamp": "n", "watts": "sixty"}, "cannot cast jsonb string"),
        ({"lamp": "".join(Random(1).choices("0123456789abcdef", k=20_000))}, "index row"),
    ],
    ids=["open already", "no key", "unfit", "too long"],
)
@pytest.mark.parametrize("size", [1, 2, 1000])
def test_an_event_that_does_not_fit_stops_only_its_account(
    few: Connection,
    own_lamps: Projection,
    data: dict[str, object],
    reason: str,
    size: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each stops before its first such event; all others are rebuilt, also those of the same slice."""
    monkeypatch.setattr(rebuilding, "SLICE", size)
    hung = of(own_lamps, "LampHung")
    whole, broken, another, last = (new_account() for _ in range(4))
    write_lamps(few, own_lamps, whole, "l", "m")
    write_lamps(few, own_lamps, broken, "l", "m")
    write(few, broken, [event(hung, **data), event(hung, lamp="o", watts=[])])
    write(few, another, [event(hung, lamp="l", watts="x")])
    write_lamps(few, own_lamps, last, "l", "m", "n")
    table = rebuild(few, own_lamps)
    assert table.generation == 2
    assert_right(few, table, whole, last)
    assert_stopped(few, table, broken, 3, reason)
    assert_stopped(few, table, another, 1, "cannot cast")
    assert [stop.account_id for stop in stopped(few, table)] == [broken, another]


def test_an_event_that_comes_during_the_rebuild_may_be_the_one_that_does_not_fit(
    connection: Connection, other: Connection, own_lamps: Projection
) -> None:
    account = new_account()
    write_lamps(connection, own_lamps, account, "l")
    live(connection, own_lamps)

    def meanwhile(done: int, _of: int) -> None:
        if done:
            write_lamps(other, own_lamps, account, "m", "m")

    table = rebuild(connection, own_lamps, meanwhile)
    assert_stopped(connection, table, account, 3, "open of a row that is open")
    assert generations(connection, own_lamps) == ({2}, {2})


def test_a_new_rule_can_be_what_does_not_fit(connection: Connection, own_lamps: Projection) -> None:
    account = new_account()
    write_lamps(connection, own_lamps, account, "l")
    live(connection, own_lamps)
    worse = replace(own_lamps, rules=[open_row(of(own_lamps, "LampHung"), key={"lamp": "name"})], _digest=[])
    assert_stopped(connection, rebuild(connection, worse), account, 1, "has no key")
    assert_right(connection, rebuild(connection, own_lamps), account)


def test_only_the_account_that_does_not_fit_is_caught_up_by_itself(
    few: Connection, own_lamps: Projection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its slice is halved until it is alone; all others stay together."""
    accounts = [new_account() for _ in range(16)]
    for account in accounts:
        write_lamps(few, own_lamps, account, "l", *(["l"] if account == accounts[5] else []))
    alone: list[str] = []

    def noted(connection: Connection, account_id: str, tables: list[Table]) -> int:
        alone.append(account_id)
        return catch_up(connection, account_id, tables)

    monkeypatch.setattr(rebuilding, "catch_up", noted)
    table = rebuild(few, own_lamps)
    assert alone == [accounts[5]]
    assert_stopped(few, table, accounts[5], 2, "open of a row that is open")
    assert_right(few, table, *(account for account in accounts if account != accounts[5]))


def test_a_statement_that_is_cancelled_ends_a_rebuild(
    connection: Connection, other: Connection, own_lamps: Projection
) -> None:
    """A lock that is held is tried again, but not what somebody has cancelled."""
    account = new_account()
    write_lamps(connection, own_lamps, account, "l")
    before = live(connection, own_lamps)
    tried: list[str] = []

    def cancelled(text: str) -> None:
        if text.startswith("SELECT FROM iamledger.projections WHERE name") and "FOR UPDATE" in text:
            tried.append(text)
            raise psycopg.errors.QueryCanceled("canceling statement due to user request")

    with pytest.raises(Cancelled):
        rebuild(watched(connection, cancelled), own_lamps)
    assert len(tried) == 1
    assert live(connection, own_lamps) == before
    assert generations(connection, own_lamps)[0] == {before.generation}
