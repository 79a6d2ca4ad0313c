"""Reading: a time names one position for good, and a reader that follows a ledger misses nothing."""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import count, pairwise
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from conftest import Urls
from iamledger import store
from iamledger.store import Connection, Context, Match, NewEvent, Request, position_at
from iamledger.store.connection import connect

TICK = timedelta(microseconds=1)

Waiting = Callable[[Connection, Callable[[], Any]], Future[Any]]

_accounts = count(1)


@pytest.fixture
def waiting(urls: Urls) -> Iterator[Waiting]:
    """Runs something in a thread, and goes on when its connection waits for somebody's lock."""
    with ThreadPoolExecutor(1) as pool, psycopg.connect(urls.superuser, autocommit=True) as observer:

        def start(connection: Connection, act: Callable[[], Any]) -> Future[Any]:
            future = pool.submit(act)
            until = time.monotonic() + 5
            pid = connection.info.backend_pid
            while observer.execute("SELECT pg_blocking_pids(%s) <> '{}'", (pid,)).fetchone() != (True,):
                assert time.monotonic() < until, "it does not wait for a lock"
                assert not future.done(), f"it did not wait: {future.exception() or future.result()}"
                time.sleep(0.005)
            return future

        yield start


@pytest.fixture
def account() -> str:
    return f"{next(_accounts):012}"


def append(connection: Connection, account: str, *events: NewEvent, opens: bool = False) -> store.Appended:
    return store.append(connection, account, events, context=Context(), request=Request(str(uuid4()), ""), opens=opens)


def event(number: int = 0, type_: str = "T", *tags: str) -> NewEvent:
    return NewEvent(type_, {"number": number}, tags)


def now(connection: Connection) -> datetime:
    row = connection.execute("SELECT clock_timestamp()").fetchone()
    assert row is not None
    return row[0]  # type: ignore[no-any-return]


class TestPositionAt:
    def test_a_time_names_the_last_position_recorded_at_or_before_it(
        self, connection: Connection, account: str
    ) -> None:
        append(connection, account, event(), event(), opens=True)
        for size in (1, 3, 1, 2):
            append(connection, account, *[event()] * size)
        times = [e.recorded_at for e in store.read(connection, account)]
        assert len(times) == 9
        for position, at in enumerate(times, 1):
            assert position_at(connection, account, at) == position
            assert position_at(connection, account, at - TICK) == position - 1
            following = times[position] if position < len(times) else None
            assert position_at(connection, account, at + TICK) == (position + 1 if following == at + TICK else position)
        for position in (2, 3, 6, 7, 9):  # after each append
            assert position_at(connection, account, times[position - 1] + 10 * TICK) == position

    def test_before_the_first_event_there_is_position_zero(self, connection: Connection, account: str) -> None:
        first = append(connection, account, event(), opens=True).recorded_at
        for before in (first - TICK, first - timedelta(days=36500), datetime(1, 1, 1, tzinfo=UTC)):
            assert position_at(connection, account, before) == 0

    def test_after_the_last_event_there_is_the_head_up_to_now(self, connection: Connection, account: str) -> None:
        last = append(connection, account, event(), event(), opens=True).recorded_at
        time.sleep(0.02)
        assert position_at(connection, account, last + timedelta(milliseconds=10)) == 2
        assert position_at(connection, account, now(connection)) == 2

    def test_the_future_is_refused(self, connection: Connection, account: str) -> None:
        append(connection, account, event(), opens=True)
        for ahead in (timedelta(minutes=1), timedelta(days=1)):
            with pytest.raises(store.TimeInFuture):
                position_at(connection, account, now(connection) + ahead)
        with pytest.raises(store.TimeInFuture):
            position_at(connection, account, datetime(9999, 12, 31, tzinfo=UTC))

    def test_any_zone_will_do(self, connection: Connection, account: str) -> None:
        at = append(connection, account, event(), opens=True).recorded_at
        assert position_at(connection, account, at.astimezone(datetime.now().astimezone().tzinfo)) == 1

    def test_without_a_ledger_there_is_no_answer(self, connection: Connection, account: str) -> None:
        with pytest.raises(store.NoLedger):
            position_at(connection, account, now(connection) - timedelta(seconds=1))

    @pytest.mark.parametrize("committed", [True, False])
    def test_it_waits_for_an_append_under_way(
        self, connection: Connection, other: Connection, waiting: Waiting, account: str, committed: bool
    ) -> None:
        append(connection, account, event(), opens=True)
        with other.transaction(force_rollback=not committed):
            append(other, account, event())
            asked = now(other)
            answer = waiting(connection, lambda: position_at(connection, account, asked))
        assert answer.result() == (2 if committed else 1)

    def test_the_past_is_answered_without_waiting(
        self, connection: Connection, other: Connection, account: str
    ) -> None:
        times = [append(connection, account, event(), opens=n == 0).recorded_at for n in range(3)]
        with other.transaction():
            append(other, account, event())
            assert [position_at(connection, account, at) for at in times] == [1, 2, 3]

    def test_an_append_that_waits_for_a_reader_is_recorded_after_what_was_asked(
        self, connection: Connection, other: Connection, urls: Urls, waiting: Waiting, account: str
    ) -> None:
        """A reader in a transaction holds up the append; others ask meanwhile, and their answers must stay true."""
        append(connection, account, event(), opens=True)
        with other.transaction(), connect(urls.application) as third:
            position_at(other, account, now(other))
            appended = waiting(connection, lambda: append(connection, account, event()))
            asked = now(third)
            assert position_at(third, account, asked) == 1
        assert appended.result().recorded_at > asked
        assert position_at(connection, account, asked) == 1

    def test_an_answer_never_changes(self, urls: Urls, connection: Connection, account: str) -> None:
        append(connection, account, event(), opens=True)
        done = threading.Event()

        def write() -> None:
            with connect(urls.application) as own:
                while not done.is_set():
                    append(own, account, event())

        def ask() -> list[tuple[datetime, int]]:
            answers = []
            with connect(urls.application) as own:
                while not done.is_set():
                    asked = now(own)
                    answers.append((asked, position_at(own, account, asked)))
            return answers

        with ThreadPoolExecutor(4) as pool:
            askers = [pool.submit(ask) for _ in range(2)]
            writers = [pool.submit(write) for _ in range(2)]
            time.sleep(1)
            done.set()
        answers = [answer for asker in askers for answer in asker.result()]
        assert all(writer.result() is None for writer in writers)
        assert len(answers) > 10
        times = [e.recorded_at for e in store.read(connection, account)]
        for asked, answer in answers:
            assert answer == sum(at <= asked for at in times)


class TestRead:
    @pytest.fixture
    def recorded(self, connection: Connection, account: str) -> str:
        append(
            connection,
            account,
            *(event(n, "Odd" if n % 2 else "Even", f"third:{n % 3}", f"parity:{n % 2}") for n in range(1, 13)),
            opens=True,
        )
        return account

    @pytest.mark.parametrize(
        ("query", "options", "expected"),
        [
            ([], {}, range(1, 13)),
            ([], {"after": 10}, [11, 12]),
            ([], {"after": 12}, []),
            ([], {"upto": 2}, [1, 2]),
            ([], {"after": 4, "upto": 6}, [5, 6]),
            ([], {"after": 6, "upto": 4}, []),
            ([], {"limit": 3}, [1, 2, 3]),
            ([], {"limit": 0}, []),
            ([], {"newest_first": True, "limit": 3}, [12, 11, 10]),
            ([], {"newest_first": True, "upto": 5, "after": 3}, [5, 4]),
            ([Match(types=["Odd"])], {}, [1, 3, 5, 7, 9, 11]),
            ([Match(types=["Odd", "Even"])], {"limit": 2}, [1, 2]),
            ([Match(["third:0"])], {}, [3, 6, 9, 12]),
            ([Match(["third:0", "parity:1"])], {}, [3, 9]),
            ([Match(["third:0"], ["Even"])], {}, [6, 12]),
            ([Match(["third:0"]), Match(["third:1"], ["Odd"])], {}, [1, 3, 6, 7, 9, 12]),
            ([Match(["third:0"]), Match(["parity:1"])], {"after": 5, "upto": 9}, [6, 7, 9]),
            ([Match(["third:0"])], {"newest_first": True, "limit": 2}, [12, 9]),
            ([Match(["third:9"])], {}, []),
            ([Match()], {"limit": 1}, [1]),
        ],
    )
    def test_what_is_asked_for(
        self, connection: Connection, recorded: str, query: list[Match], options: dict[str, Any], expected: list[int]
    ) -> None:
        events = store.read(connection, recorded, query, **options)
        assert [e.position for e in events] == list(expected)
        assert [e.data for e in events] == [{"number": n} for n in expected]

    def test_all_that_was_recorded_comes_back(self, connection: Connection, account: str) -> None:
        new = NewEvent("UserCreated", {"name": "alice", "groups": [1, None]}, ["user:1", "a"], version=3)
        context = Context({"actor": {"kind": "root"}, "reason": "test"})
        appended = store.append(connection, account, [new], context=context, request=Request("r", "f"), opens=True)
        assert store.read(connection, account) == [
            store.RecordedEvent(
                account, 1, appended.recorded_at, new.type, 3, ["user:1", "a"], dict(context.entries), new.data
            )
        ]
        assert appended.recorded_at.utcoffset() == timedelta(0)

    @pytest.mark.parametrize("chunk", [1, 5, 12, 100])
    def test_a_stream_is_the_range_read_in_chunks(self, connection: Connection, recorded: str, chunk: int) -> None:
        events = store.stream(connection, recorded, after=1, upto=11, chunk=chunk)
        assert [e.position for e in events] == list(range(2, 12))
        assert list(store.stream(connection, recorded, after=3, upto=3, chunk=chunk)) == []

    def test_an_account_without_a_ledger_has_no_events(self, connection: Connection, account: str) -> None:
        assert store.read(connection, account) == []
        for asked in (store.head, store.data_key):
            with pytest.raises(store.NoLedger, match=account):
                asked(connection, account)

    def test_a_boundary_is_one_snapshot(self, connection: Connection, recorded: str) -> None:
        query = [Match(["third:0"], ["Even"]), Match(["third:0"])]
        before = now(connection)
        boundary = store.read_boundary(connection, recorded, "none", query)
        assert (boundary.head, boundary.earlier) == (12, None)
        assert [tuple(e) for e in boundary.events] == [
            (n, "Odd" if n % 2 else "Even", {"number": n}) for n in (3, 6, 9, 12)
        ]
        assert before < boundary.now < now(connection)


@pytest.mark.slow
@pytest.mark.parametrize(("appends", "size"), [(5_000, 1), (250, 100)], ids=["20,000 by one", "100,000 by hundred"])
def test_a_reader_that_follows_misses_nothing(urls: Urls, account: str, appends: int, size: int) -> None:
    """Four processes append, and now and then roll back. What the reader has passed never gets a new event."""
    with connect(urls.application) as connection:
        append(connection, account, event(), opens=True)
        total = 1 + 4 * appends * size
        context = multiprocessing.get_context("spawn")
        processes = [
            context.Process(target=write, args=(urls.application, account, writer, appends, size))
            for writer in range(4)
        ]
        for process in processes:
            process.start()
        try:
            seen: list[store.RecordedEvent] = []
            while len(seen) < total:
                more_to_come = any(process.is_alive() for process in processes)
                events = store.read(connection, account, after=len(seen), limit=1000)
                assert [e.position for e in events] == list(range(len(seen) + 1, len(seen) + len(events) + 1))
                seen += events
                if not events:
                    assert more_to_come, f"only {len(seen)} of {total} came"
                    time.sleep(0.002)
        finally:
            for process in processes:
                process.join(timeout=60)
        assert [process.exitcode for process in processes] == [0, 0, 0, 0]
        assert store.head(connection, account).position == total
        assert all(a.recorded_at < b.recorded_at for a, b in pairwise(seen))
        for writer in range(4):
            assert [e.data["number"] for e in seen if e.tags == [f"writer:{writer}"]] == list(range(appends * size))


def write(url: str, account: str, writer: int, appends: int, size: int) -> None:
    """What a process appends: numbers in order. One in twenty appends is rolled back first, after a while."""
    with connect(make_conninfo(url, application_name=f"writer {writer}")) as connection:
        for turn in range(appends):
            events = [event(turn * size + n, "Written", f"writer:{writer}") for n in range(size)]
            if turn % 20 == writer:
                with connection.transaction(force_rollback=True):
                    append(connection, account, *events)
                    time.sleep(0.001)
            append(connection, account, *events)


class TestBoundary:
    def test_its_events_may_be_larger_together_than_any_value_can_be(
        self, connection: Connection, urls: Urls, account: str
    ) -> None:
        """jsonb ends at 256 MB; many large policies of one user make more."""
        append(connection, account, event(0, "T", "user:1"), opens=True)
        number, size = 2_100, 131_072
        with psycopg.connect(urls.superuser) as superuser:
            superuser.execute(
                "INSERT INTO iamledger.events SELECT account_id, 1 + n, recorded_at, type, version, has_personal, tags,"
                " context, jsonb_build_object('number', n, 'document', repeat(' ', %s)), leaf_hash"
                " FROM iamledger.events, generate_series(1, %s) AS n WHERE account_id = %s",
                (size, number, account),
            )
            superuser.execute(
                "INSERT INTO iamledger.event_tags SELECT account_id, tag, type, 1 + n"
                " FROM iamledger.event_tags, generate_series(1, %s) AS n WHERE account_id = %s",
                (number, account),
            )
            superuser.execute("UPDATE iamledger.ledgers SET head = %s WHERE account_id = %s", (1 + number, account))
        boundary = store.read_boundary(connection, account, "-", [Match(["user:1"], ["T"])])
        assert boundary.head == 1 + number
        told = [(position, type_, data["number"]) for position, type_, data in boundary.events]  # type: ignore[index, call-overload]
        assert told == [(1 + n, "T", n) for n in range(1 + number)]

    def test_each_event_comes_once_and_in_order(self, connection: Connection, account: str) -> None:
        append(connection, account, event(1, "T", "b"), event(2, "U", "a", "b"), event(3, "T", "a"), opens=True)
        boundary = store.read_boundary(connection, account, "-", [Match(["a"]), Match(["b"])])
        assert (boundary.head, boundary.earlier) == (3, None)
        assert list(boundary.events) == [(1, "T", {"number": 1}), (2, "U", {"number": 2}), (3, "T", {"number": 3})]

    def test_without_events_there_is_a_head(self, connection: Connection, account: str) -> None:
        append(connection, account, event(), opens=True)
        boundary = store.read_boundary(connection, account, "-", [Match(["nobody"])])
        assert (boundary.head, list(boundary.events)) == (1, [])
