"""Appending: the condition, the lock behind it, what is committed together, and what is refused without a trace."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from itertools import count, pairwise
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from conftest import Urls
from iamledger import store
from iamledger.store import (
    Condition,
    Connection,
    Context,
    Match,
    NewEvent,
    Request,
    SealedSecret,
    SecretChanges,
)
from iamledger.store.connection import connect

WRITERS = 16

Waiting = Callable[[Connection, Callable[[], Any]], Future[Any]]

_accounts = count(1)


def new_account() -> str:
    return f"{next(_accounts):012}"


def event(type_: str = "T", tags: Sequence[str] = (), data: Any = None) -> NewEvent:
    return NewEvent(type_, {} if data is None else data, tags)


def append(
    connection: Connection, account: str, *events: NewEvent, request: Request | None = None, **options: Any
) -> store.Appended:
    options.setdefault("context", Context())
    return store.append(connection, account, events, request=request or Request(str(uuid4()), "-"), **options)


def begun(connection: Connection, *events: NewEvent) -> str:
    """A new account whose ledger holds these events, or one."""
    account = new_account()
    append(connection, account, *(events or (event("Begun"),)), opens=True)
    return account


def told(connection: Connection, account: str) -> list[tuple[str, str]]:
    """Every row of the account in every table."""
    tables = connection.execute(
        "SELECT table_name::text FROM information_schema.columns"
        " WHERE table_schema = 'iamledger' AND column_name = 'account_id'"
        " AND table_name IN (SELECT tablename FROM pg_tables WHERE schemaname = 'iamledger')"
    ).fetchall()
    assert len(tables) >= 7
    rows = []
    for (name,) in tables:
        found = connection.execute(f"SELECT t::text FROM iamledger.{name} t WHERE account_id = %s", (account,))
        rows += [(name, row) for (row,) in found]
    return sorted(rows)


@contextmanager
def nothing_written(connection: Connection, account: str) -> Iterator[None]:
    before = told(connection, account)
    yield
    assert told(connection, account) == before


@pytest.fixture
def waiting(urls: Urls) -> Iterator[Waiting]:
    """Runs something in a thread, and goes on when its connection waits for somebody's lock."""
    with ThreadPoolExecutor(1) as pool, psycopg.connect(urls.superuser, autocommit=True) as observer:

        def start(connection: Connection, act: Callable[[], Any]) -> Future[Any]:
            future = pool.submit(act)
            until = time.monotonic() + 5
            blocked = (False,)
            while blocked != (True,):
                assert time.monotonic() < until, "it does not wait for a lock"
                assert not future.done(), f"it did not wait: {future.exception() or future.result()}"
                time.sleep(0.005)
                blocked = observer.execute(
                    "SELECT pg_blocking_pids(%s) <> '{}'", (connection.info.backend_pid,)
                ).fetchone() or (False,)
            return future

        yield start


class TestCondition:
    """No event may have come after a position that matches an item: any of its types, and all of its tags."""

    # Position 1: type A, tags x and y. Position 2: type B, tag x. Position 3: type A, no tag.
    RECORDED = (event("A", ["x", "y"]), event("B", ["x"]), event("A"))

    @pytest.mark.parametrize(
        ("query", "after", "fails"),
        [
            ([], 2, True),
            ([], 3, False),
            ([Match()], 2, True),
            ([Match()], 3, False),
            ([Match(["x"])], 0, True),
            ([Match(["x"])], 1, True),
            ([Match(["x"])], 2, False),
            ([Match(["z"])], 0, False),
            ([Match(["x", "y"])], 0, True),
            ([Match(["y", "x"])], 0, True),
            ([Match(["x", "y"])], 1, False),
            ([Match(["x", "z"])], 0, False),
            ([Match(["x", "x"])], 0, True),
            ([Match(types=["A"])], 1, True),
            ([Match(types=["A"])], 3, False),
            ([Match(types=["B"])], 2, False),
            ([Match(types=["A", "B"])], 2, True),
            ([Match(types=["C"])], 0, False),
            ([Match(["x"], ["B"])], 1, True),
            ([Match(["x"], ["A"])], 1, False),
            ([Match(["x"], ["A", "B"])], 1, True),
            ([Match(["y"], ["B"])], 0, False),
            ([Match(["x", "y"], ["A"])], 0, True),
            ([Match(["x", "y"], ["B"])], 0, False),
            ([Match(["z"]), Match(["x"])], 1, True),
            ([Match(["z"]), Match(["y"], ["B"])], 0, False),
            ([Match(["z"], ["A"]), Match(types=["A"])], 2, True),
            ([Match(["x"])], 99, False),
        ],
    )
    def test_it_fails_if_a_matching_event_came_after(
        self, connection: Connection, query: list[Match], after: int, fails: bool
    ) -> None:
        account = begun(connection, *self.RECORDED)
        if fails:
            with nothing_written(connection, account), pytest.raises(store.ConditionFailed):
                append(connection, account, event(), condition=Condition(query, after))
        else:
            assert append(connection, account, event(), condition=Condition(query, after)).last == 4

    @settings(deadline=None, max_examples=150)
    @given(
        recorded=some.lists(
            some.tuples(some.sampled_from("ABC"), some.lists(some.sampled_from("xyz"), max_size=4)),
            min_size=1,
            max_size=8,
        ),
        query=some.lists(
            some.builds(
                Match,
                some.lists(some.sampled_from("xyzw"), max_size=3),
                some.lists(some.sampled_from("ABCD"), max_size=3),
            ),
            max_size=3,
        ),
        after=some.integers(0, 9),
    )
    def test_what_matches_is_what_the_contract_says(
        self, connection: Connection, recorded: list[tuple[str, list[str]]], query: list[Match], after: int
    ) -> None:
        account = begun(connection, *(event(type_, tags) for type_, tags in recorded))
        expected = [
            position
            for position, (type_, tags) in enumerate(recorded, 1)
            if position > after
            and (not query or any((not m.types or type_ in m.types) and set(m.tags) <= set(tags) for m in query))
        ]
        assert [e.position for e in store.read(connection, account, query, after=after)] == expected
        condition = Condition(query, after)
        if expected:
            with pytest.raises(store.ConditionFailed):
                append(connection, account, event(), condition=condition)
        else:
            append(connection, account, event(), condition=condition)

    def test_a_conflict_that_commits_while_we_wait_for_the_lock_is_found(
        self, connection: Connection, other: Connection, waiting: Waiting
    ) -> None:
        account = begun(connection)
        condition = Condition([Match(["user:1"])], 1)
        with other.transaction():
            append(other, account, event(tags=["user:1"]))
            ours = waiting(connection, lambda: append(connection, account, event(tags=["user:1"]), condition=condition))
        with pytest.raises(store.ConditionFailed):
            ours.result()
        assert store.head(connection, account).position == 2

    @pytest.mark.parametrize("outcome", ["it was rolled back", "it concerned another boundary"])
    def test_what_we_waited_for_is_no_conflict_if(
        self, connection: Connection, other: Connection, waiting: Waiting, outcome: str
    ) -> None:
        account = begun(connection)
        condition = Condition([Match(["user:1"])], 1)
        rolled_back = outcome == "it was rolled back"
        with other.transaction(force_rollback=rolled_back):
            append(other, account, event(tags=["user:1" if rolled_back else "user:2"]))
            ours = waiting(connection, lambda: append(connection, account, event(tags=["user:1"]), condition=condition))
        assert ours.result().first == (2 if rolled_back else 3)

    def test_a_repeatable_read_transaction_does_not_append_on_an_old_snapshot(
        self, connection: Connection, other: Connection
    ) -> None:
        account = begun(connection)
        with connection.transaction(force_rollback=True):
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            assert store.head(connection, account).position == 1
            append(other, account, event(tags=["user:1"]))
            with pytest.raises(store.ConditionFailed):
                append(connection, account, event(), condition=Condition([Match(["user:1"])], 1))
        assert store.head(connection, account).position == 2


class TestConcurrency:
    def test_of_sixteen_that_decide_on_the_same_past_one_wins(self, urls: Urls, connection: Connection) -> None:
        account = begun(connection)

        def write(own: Connection, barrier: threading.Barrier) -> int:
            won = 0
            for turn in range(8):
                barrier.wait()
                condition = Condition([Match([f"turn:{turn}"])], store.head(own, account).position)
                barrier.wait()
                try:
                    append(own, account, event(tags=[f"turn:{turn}"]), condition=condition)
                    won += 1
                except store.ConditionFailed:
                    pass
            return won

        assert sum(side_by_side(urls, write)) == 8
        assert len(store.read(connection, account)) == 9

    def test_sixteen_writers_leave_no_gap_and_lose_no_update(self, urls: Urls, connection: Connection) -> None:
        account = begun(connection)
        counters, increments = 5, 20

        def write(own: Connection, barrier: threading.Barrier) -> int:
            barrier.wait()
            conflicts = 0
            for turn in range(increments):
                counter = [Match([f"counter:{turn % counters}"], ["Counted"])]
                while True:
                    boundary = store.read_boundary(own, account, "-", counter)
                    counted = len(boundary.events)
                    assert boundary.head is not None
                    try:
                        append(
                            own,
                            account,
                            event("Counted", counter[0].tags, {"to": counted + 1}),
                            event("Noted"),
                            condition=Condition(counter, boundary.head),
                        )
                        break
                    except store.ConditionFailed:
                        conflicts += 1
            return conflicts

        assert sum(side_by_side(urls, write)) > 0, "the test has provoked no conflict"
        events = store.read(connection, account)
        total = 1 + 2 * WRITERS * increments
        assert [e.position for e in events] == list(range(1, total + 1))
        assert store.head(connection, account).position == total
        assert all(earlier.recorded_at < later.recorded_at for earlier, later in pairwise(events))
        for counter in range(counters):
            values = [e.data["to"] for e in events if f"counter:{counter}" in e.tags]
            assert values == list(range(1, WRITERS * increments // counters + 1))

    def test_the_head_is_the_last_event_and_its_time(self, connection: Connection) -> None:
        account = begun(connection)
        appended = append(connection, account, event(), event(), event())
        head, last = store.head(connection, account), store.read(connection, account)[-1]
        assert (appended.first, appended.last) == (2, 4)
        assert (head.position, head.recorded_at) == (4, appended.recorded_at) == (last.position, last.recorded_at)

    def test_accounts_do_not_wait_for_each_other(self, connection: Connection, other: Connection) -> None:
        held, free = begun(connection), begun(connection)
        with other.transaction():
            append(other, held, event())
            assert append(connection, free, event()).last == 2  # if it waited, it would get Locked
            begun(connection)

    def test_readers_do_not_wait_for_a_writer(self, connection: Connection, other: Connection) -> None:
        account = begun(connection)
        with other.transaction():
            append(other, account, event())
            assert store.head(connection, account).position == 1
            assert len(store.read(connection, account)) == 1
            assert store.read_boundary(connection, account, "-", ()).head == 1

    def test_who_holds_a_lock_for_too_long_is_not_waited_for(self, connection: Connection, other: Connection) -> None:
        account = begun(connection)
        other.execute("SET lock_timeout = '50ms'")
        with connection.transaction():
            append(connection, account, event())
            with pytest.raises(store.Locked):
                append(other, account, event())
        assert append(other, account, event()).last == 3


class TestRequest:
    def test_a_repeat_is_told_and_writes_nothing(self, connection: Connection) -> None:
        account, request = begun(connection), Request("r-1", "f-1")
        append(connection, account, event("First"), event("Second"), request=request)
        for repeat in (request, Request("r-1", "f-2")):
            with nothing_written(connection, account), pytest.raises(store.RequestRecorded):
                append(connection, account, event("Third"), request=repeat)
        earlier = store.read_boundary(connection, account, "r-1", ()).earlier
        assert earlier == store.Earlier("f-1", 2, 3)
        assert store.read_boundary(connection, account, "r-2", ()).earlier is None

    def test_a_repeat_that_opened_the_ledger_is_told_so_too(self, connection: Connection) -> None:
        account, request = new_account(), Request("r-1", "f-1")
        append(connection, account, event(), request=request, opens=True)
        with nothing_written(connection, account), pytest.raises(store.RequestRecorded):
            append(connection, account, event(), request=request, opens=True)

    def test_a_repeat_is_told_even_if_the_condition_fails_by_the_first(self, connection: Connection) -> None:
        account, request = begun(connection), Request("r-1", "f-1")
        condition = Condition([Match(["user:1"])], 1)
        append(connection, account, event(tags=["user:1"]), request=request, condition=condition)
        with pytest.raises(store.RequestRecorded):
            append(connection, account, event(tags=["user:1"]), request=request, condition=condition)

    def test_a_repeat_while_the_first_is_under_way_waits_for_it(
        self, connection: Connection, other: Connection, waiting: Waiting
    ) -> None:
        account, request = begun(connection), Request("r-1", "f-1")
        with other.transaction():
            append(other, account, event(), request=request)
            ours = waiting(connection, lambda: append(connection, account, event(), request=request))
        with pytest.raises(store.RequestRecorded):
            ours.result()

    def test_another_account_may_use_the_same_id(self, connection: Connection) -> None:
        request = Request("r-1", "f-1")
        for account in (begun(connection), begun(connection)):
            assert append(connection, account, event(), request=request).last == 2

    def test_a_refused_request_may_be_tried_again_with_the_same_id(self, connection: Connection) -> None:
        account, request = begun(connection), Request("r-1", "f-1")
        with pytest.raises(store.ConditionFailed):
            append(connection, account, event(), request=request, condition=Condition([], 0))
        assert append(connection, account, event(), request=request, condition=Condition([], 1)).last == 2


class TestOpening:
    def test_the_first_event_has_position_one(self, connection: Connection) -> None:
        appended = append(connection, new_account(), event(), event(), opens=True)
        assert (appended.first, appended.last) == (1, 2)

    def test_without_a_ledger_nothing_is_appended(self, connection: Connection) -> None:
        account = new_account()
        with nothing_written(connection, account), pytest.raises(store.NoLedger, match=account):
            append(connection, account, event())
        with pytest.raises(store.NoLedger):
            store.head(connection, account)
        assert store.read_boundary(connection, account, "-", ()).head is None

    def test_a_ledger_is_opened_once(self, connection: Connection) -> None:
        account = begun(connection)
        with nothing_written(connection, account), pytest.raises(store.LedgerExists, match=account):
            append(connection, account, event(), opens=True)

    def test_of_sixteen_that_open_a_ledger_one_does(self, urls: Urls, connection: Connection) -> None:
        account = new_account()

        def write(own: Connection, barrier: threading.Barrier) -> int:
            barrier.wait()
            try:
                return append(own, account, event(), opens=True).last
            except store.LedgerExists:
                return 0

        assert sum(side_by_side(urls, write)) == 1
        assert store.head(connection, account).position == 1

    def test_a_refused_opening_leaves_no_ledger(self, connection: Connection) -> None:
        account = new_account()
        twice = SecretChanges(put=[SealedSecret("AKIA", "k", b"1"), SealedSecret("AKIA", "k", b"2")])
        with nothing_written(connection, account), pytest.raises(psycopg.errors.UniqueViolation):
            append(connection, account, event(), opens=True, secrets=twice)

    @pytest.mark.parametrize("account", ["12345678901", "1234567890123", "12345678901x", "", "\uff11" * 12])
    def test_an_account_is_twelve_digits(self, connection: Connection, account: str) -> None:
        with pytest.raises(psycopg.errors.CheckViolation):
            append(connection, account, event(), opens=True)
        with pytest.raises(store.NoLedger, match=f"no ledger for account {account}$"):
            append(connection, account, event())


class TestClock:
    def test_a_clock_too_far_behind_the_head_is_refused(self, connection: Connection, superuser: Connection) -> None:
        account = begun(connection)
        superuser.execute(
            "UPDATE iamledger.ledgers SET recorded_at = clock_timestamp() + interval '10 minutes'"
            " WHERE account_id = %s",
            (account,),
        )
        with nothing_written(connection, account), pytest.raises(store.ClockBehind, match="five minutes"):
            append(connection, account, event())

    def test_a_clock_a_little_behind_is_borne_and_time_still_rises(
        self, connection: Connection, superuser: Connection
    ) -> None:
        account = begun(connection)
        superuser.execute(
            "UPDATE iamledger.ledgers SET recorded_at = clock_timestamp() + interval '4 minutes' WHERE account_id = %s",
            (account,),
        )
        ahead = store.head(connection, account).recorded_at
        append(connection, account, event(), event())
        assert append(connection, account, event()).recorded_at == ahead + timedelta(microseconds=3)
        times = [e.recorded_at for e in store.read(connection, account)[1:]]
        assert times == [ahead + timedelta(microseconds=n) for n in (1, 2, 3)]

    def test_the_time_is_read_after_the_lock_was_obtained(
        self, connection: Connection, other: Connection, waiting: Waiting
    ) -> None:
        """Else a time that position_at answered for meanwhile would get a second answer."""
        account = begun(connection)
        with other.transaction():
            store.position_at(other, account, now(other) - timedelta(microseconds=1))  # holds a shared lock
            ours = waiting(connection, lambda: append(connection, account, event()))
            released_at = now(other)
        assert ours.result().recorded_at > released_at

    def test_an_opening_that_waited_for_one_that_was_rolled_back_reads_it_then(
        self, connection: Connection, other: Connection, waiting: Waiting
    ) -> None:
        account = new_account()
        with other.transaction(force_rollback=True):
            append(other, account, event(), opens=True)
            ours = waiting(connection, lambda: append(connection, account, event(), event(), opens=True))
            released_at = now(other)
        appended = ours.result()
        assert (appended.first, appended.last) == (1, 2)
        assert appended.recorded_at > released_at + timedelta(microseconds=1)
        assert store.head(connection, account) == store.Head(2, appended.recorded_at)
        times = [e.recorded_at for e in store.read(connection, account)]
        assert times == [appended.recorded_at - timedelta(microseconds=1), appended.recorded_at]


class TestSecrets:
    KEY = ("master-1", b"wrapped key")

    def test_secrets_are_put_and_deleted_with_the_events(self, connection: Connection) -> None:
        account = new_account()
        put = [SealedSecret("AKIA1", "secret-access-key", b"\0one"), SealedSecret("AKIA2", "secret-access-key", b"two")]
        append(connection, account, event(), opens=True, secrets=SecretChanges(put=put, data_key=self.KEY))
        assert secrets(connection, account) == [
            ("AKIA1", "secret-access-key", b"\0one"),
            ("AKIA2", "secret-access-key", b"two"),
        ]
        assert store.data_key(connection, account) == self.KEY
        append(connection, account, event(), secrets=SecretChanges(delete=["AKIA1"]))
        assert [credential for credential, _, _ in secrets(connection, account)] == ["AKIA2"]

    def test_a_credential_is_replaced_by_deleting_and_putting_another(self, connection: Connection) -> None:
        account = begun(connection)
        append(connection, account, event(), secrets=SecretChanges(put=[SealedSecret("AKIA1", "k", b"1")]))
        changes = SecretChanges(put=[SealedSecret("AKIA2", "k", b"2")], delete=["AKIA1"])
        append(connection, account, event(), secrets=changes)
        assert secrets(connection, account) == [("AKIA2", "k", b"2")]

    def test_they_share_the_fate_of_the_events(self, connection: Connection) -> None:
        account = begun(connection)
        append(connection, account, event(), secrets=SecretChanges(put=[SealedSecret("AKIA1", "k", b"1")]))
        changes = SecretChanges(put=[SealedSecret("AKIA2", "k", b"2")], delete=["AKIA1"], data_key=self.KEY)
        with nothing_written(connection, account), pytest.raises(store.ConditionFailed):
            append(connection, account, event(), condition=Condition([], 0), secrets=changes)
        with nothing_written(connection, account), connection.transaction(force_rollback=True):
            append(connection, account, event(), secrets=changes)

    def test_a_secret_that_cannot_be_put_undoes_the_events(self, connection: Connection) -> None:
        account = begun(connection)
        changes = SecretChanges(put=[SealedSecret("AKIA1", "k", b"1")])
        append(connection, account, event(), secrets=changes)
        with nothing_written(connection, account), pytest.raises(psycopg.errors.UniqueViolation):
            append(connection, account, event(), secrets=changes)

    def test_those_of_another_account_are_out_of_reach(self, connection: Connection) -> None:
        ours, theirs = begun(connection), begun(connection)
        append(connection, theirs, event(), secrets=SecretChanges(put=[SealedSecret("AKIA1", "k", b"1")]))
        append(connection, ours, event(), secrets=SecretChanges(delete=["AKIA1"]))
        assert len(secrets(connection, theirs)) == 1


class TestNotStrict:
    BAD: tuple[Any, ...] = (1.5, 2**53, -(2**53), "nul\0", "\ud800", b"bytes", {"ä": 1}, {1: 2}, {"nul\0": 1})

    @pytest.mark.parametrize("bad", BAD, ids=ascii)
    @pytest.mark.parametrize("place", ["data", "inside data", "context"])
    def test_what_would_not_survive_is_refused_before_anything_is_written(
        self, connection: Connection, bad: Any, place: str
    ) -> None:
        account = begun(connection)
        data = {"data": bad, "inside data": {"a": [True, {"b": [bad]}]}}.get(place)
        context = Context({"reason": bad} if place == "context" else {})
        with nothing_written(connection, account), pytest.raises(store.NotStrictJson):
            append(connection, account, event(), event(data=data), context=context)

    @pytest.mark.parametrize("bad", ["nul\0", "\ud800"], ids=ascii)
    def test_the_same_holds_for_types_tags_and_conditions(self, connection: Connection, bad: str) -> None:
        account = begun(connection)
        for bad_event, query in (
            (event(type_=bad), None),
            (event(tags=["good", bad]), None),
            (event(), [Match([bad])]),
            (event(), [Match(types=[bad])]),
        ):
            condition = None if query is None else Condition(query, 1)
            with nothing_written(connection, account), pytest.raises(store.NotStrictJson):
                append(connection, account, bad_event, condition=condition)

    def test_an_append_has_at_least_one_event(self, connection: Connection) -> None:
        account = begun(connection)
        with nothing_written(connection, account), pytest.raises(ValueError, match="at least one event"):
            append(connection, account)


def test_a_tag_given_twice_is_kept_and_found_once(connection: Connection) -> None:
    account = begun(connection, event(tags=["b", "a", "b"]))
    (found,) = store.read(connection, account, [Match(["b"])])
    assert found.tags == ["b", "a", "b"]


def test_texts_of_all_scripts_come_back(connection: Connection) -> None:
    text = "ä 中文 🔑 \u2028 \x01 \x7f \\ \" ' %s {} $1 \ufffe"
    account = begun(connection, NewEvent(text, {"k": text}, [text]))
    (found,) = store.read(connection, account, [Match([text], [text])])
    assert (found.type, found.data, found.tags) == (text, {"k": text}, [text])


def side_by_side(urls: Urls, write: Callable[[Connection, threading.Barrier], int]) -> list[int]:
    """What sixteen writers return, each on a connection of its own."""
    barrier = threading.Barrier(WRITERS, timeout=20)

    def run(_: int) -> int:
        with connect(urls.application) as own:
            return write(own, barrier)

    with ThreadPoolExecutor(WRITERS) as pool:
        return list(pool.map(run, range(WRITERS)))


def secrets(connection: Connection, account: str) -> list[tuple[str, str, bytes]]:
    return connection.execute(
        "SELECT credential, kind, sealed FROM iamledger.secrets WHERE account_id = %s ORDER BY credential", (account,)
    ).fetchall()


def now(connection: Connection) -> Any:
    row = connection.execute("SELECT clock_timestamp()").fetchone()
    assert row is not None
    return row[0]


@pytest.mark.parametrize(
    ("error", "ours"),
    [
        (psycopg.errors.DiskFull("no space left on device"), store.ServerFailed),
        (psycopg.errors.OutOfMemory("out of memory"), store.ServerFailed),
        (psycopg.errors.AdminShutdown("terminating connection"), store.ConnectionLost),
        (psycopg.errors.ConnectionFailure("gone"), store.ConnectionLost),
        (psycopg.OperationalError("consuming input failed"), store.ConnectionLost),
        (psycopg.InterfaceError("the connection is closed"), store.ConnectionLost),
    ],
    ids=lambda value: getattr(value, "__name__", type(value).__name__),
)
def test_only_a_lost_connection_is_told_as_one(error: psycopg.Error, ours: type[Exception]) -> None:
    """A full disk is not repeated as if the answer had been lost."""
    with pytest.raises(ours, match=str(error)), store.translated():
        raise error
