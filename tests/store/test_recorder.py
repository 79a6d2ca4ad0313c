"""The adapter for the `eventsourcing` library: its own conformance test, and what that test does not ask."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from itertools import count

import pytest
from eventsourcing.dcb.api import DCBAppendCondition, DCBEvent, DCBQuery, DCBQueryItem, DCBSequencedEvent
from eventsourcing.dcb.tests import DCBRecorderTestCase
from eventsourcing.persistence import IntegrityError
from hypothesis import given, settings
from hypothesis import strategies as some
from psycopg import connect as psycopg_connect

from conftest import Urls
from iamledger import store
from iamledger.store import Context, Database, NewEvent, Request
from iamledger.store import recorder as recorder_module
from iamledger.store.recorder import Recorder

CONFORMANCE = ("_test_append_read", "_test_append_subscribe")
OWN = NewEvent("AccountCreated", {"name": "acme", "email": "root@acme.example"}, ["account:1"], personal=["email"])

_accounts = count(1)


class Conformance(DCBRecorderTestCase):
    """The library's tests, which do not run by themselves: their names begin with an underscore."""

    __test__ = False


@pytest.fixture(scope="module")
def database(urls: Urls) -> Iterator[Database]:
    database = Database(urls.application)
    yield database
    database.close()


def fresh(database: Database) -> Recorder:
    """A recorder for an account that has no ledger."""
    return Recorder(database, f"{next(_accounts):012}", Context({"actor": "library"}))


def begun(database: Database) -> Recorder:
    """A recorder for a ledger that holds an event of iamledger."""
    recorder = fresh(database)
    request = Request("first", "")
    store.append(database.connection, recorder.account_id, [OWN], context=recorder.context, request=request, opens=True)
    return recorder


def opaque(number: int, *tags: str, type_: str = "Counted") -> DCBEvent:
    return DCBEvent(type_, b"%d" % number, list(tags))


def numbers(events: Iterator[DCBSequencedEvent]) -> list[int]:
    return [int(event.event.data) for event in events]


class TestConformance:
    @pytest.mark.parametrize("name", CONFORMANCE)
    def test_on_an_account_without_a_ledger(self, database: Database, name: str) -> None:
        getattr(Conformance(), name)(fresh(database))

    @pytest.mark.parametrize("name", CONFORMANCE)
    def test_on_a_ledger_that_has_begun(self, database: Database, name: str) -> None:
        getattr(Conformance(), name)(begun(database), initial_position=1)

    def test_nothing_that_the_library_tests_is_left_out(self) -> None:
        tests = {name for name in dir(DCBRecorderTestCase) if name.startswith(("_test_", "test"))}
        assert tests == set(CONFORMANCE)


class TestAppending:
    @settings(deadline=None, max_examples=30)
    @given(data=some.lists(some.binary(max_size=100), min_size=1, max_size=5))
    def test_any_bytes_come_back(self, database: Database, data: list[bytes]) -> None:
        recorder = fresh(database)
        recorder.append([DCBEvent("Opaque", each, ["a"]) for each in data])
        assert [event.event.data for event in recorder.read()] == data

    def test_an_event_says_in_which_context_it_was_appended(self, database: Database) -> None:
        recorder = fresh(database)
        recorder.append([opaque(1, "b", "a")])
        (event,) = store.read(database.connection, recorder.account_id)
        request_id = event.context["request_id"]
        assert store.is_recorded(database.connection, recorder.account_id, request_id)
        told = {"actor": "library", "request_id": request_id}
        assert (event.type, event.tags, event.context) == ("Counted", ["b", "a"], told)

    def test_personal_entries_of_the_context_can_be_erased(self, database: Database) -> None:
        recorder = fresh(database)
        recorder.context = Context({"actor": "library", "source_address": "192.0.2.7"}, personal=["source_address"])
        recorder.append([opaque(7)])
        assert numbers(recorder.read()) == [7]
        store.erase(database.connection, recorder.account_id, 1)
        assert numbers(recorder.read()) == [7]
        (event,) = store.read(database.connection, recorder.account_id)
        assert event.context.keys() == {"actor", "request_id", "source_address"}
        assert event.context["source_address"] is None

    def test_of_two_that_open_a_ledger_at_once_both_append(self, database: Database, urls: Urls) -> None:
        account = fresh(database).account_id
        outcomes = at_once(urls, account, lambda recorder, n: recorder.append([opaque(n)]))
        assert sorted(map(str, outcomes)) == ["1", "2"]
        assert sorted(numbers(Recorder(database, account, Context()).read())) == [0, 1]

    def test_of_two_that_open_a_ledger_at_once_on_a_condition_one_wins(self, database: Database, urls: Urls) -> None:
        account = fresh(database).account_id
        outcomes = at_once(urls, account, lambda recorder, n: recorder.append([opaque(n)], DCBAppendCondition()))
        assert sorted(map(str, outcomes)) == ["1", "IntegrityError"]
        assert Recorder(database, account, Context()).read().head == 1

    def test_a_failed_condition_leaves_nothing(self, database: Database) -> None:
        recorder = begun(database)
        with pytest.raises(IntegrityError):
            recorder.append([opaque(1)], DCBAppendCondition(DCBQuery([DCBQueryItem(tags=["account:1"])]), after=0))
        assert recorder.read().head == 1

    def test_no_events_are_refused(self, database: Database) -> None:
        with pytest.raises(ValueError, match="at least one event"):
            fresh(database).append([])

    def test_what_cannot_be_stored_is_refused(self, database: Database) -> None:
        recorder = fresh(database)
        with pytest.raises(store.NotStrictJson):
            recorder.append([opaque(1, "nul\0")])
        assert recorder.read().head is None


class TestReading:
    def test_an_event_of_iamledger_is_the_canonical_json_of_its_data(self, database: Database) -> None:
        recorder = begun(database)
        (event,) = recorder.read()
        assert event.event.data == b'{"email":"root@acme.example","name":"acme"}'
        assert (event.event.type, event.event.tags, event.position) == ("AccountCreated", ["account:1"], 1)

    def test_without_a_limit_the_head_is_that_of_the_ledger(self, database: Database) -> None:
        recorder = fresh(database)
        assert recorder.read().head is None
        recorder.append([opaque(1, "a"), opaque(2)])
        assert recorder.read(DCBQuery([DCBQueryItem(tags=["a"])])).head == 2
        assert recorder.read(after=10).head == 2

    def test_with_a_limit_the_head_is_the_last_event_even_before_it_is_read(self, database: Database) -> None:
        recorder = fresh(database)
        recorder.append([opaque(n) for n in range(5)])
        events = recorder.read(after=1, limit=2)
        assert events.head == 3
        assert numbers(events) == [1, 2]
        assert events.head == 3
        assert recorder.read(limit=0).head is None
        assert recorder.read(after=5, limit=3).head is None

    def test_events_are_fetched_in_chunks(self, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(recorder_module, "CHUNK", 10)
        recorder = fresh(database)
        recorder.append([opaque(n, "even" if n % 2 == 0 else "odd") for n in range(70)])
        events = recorder.read(DCBQuery([DCBQueryItem(tags=["odd"])]))
        assert int(next(events).event.data) == 1
        assert len(events._fetched) == 9
        assert numbers(events) == list(range(3, 70, 2))
        with pytest.raises(StopIteration):
            next(events)

    def test_events_appended_meanwhile_are_not_part_of_the_answer(self, database: Database) -> None:
        recorder = fresh(database)
        recorder.append([opaque(1)])
        events = recorder.read()
        recorder.append([opaque(2)])
        assert numbers(events) == [1]
        assert events.head == 1


class TestSubscribing:
    def test_it_catches_up_and_then_follows(
        self, database: Database, urls: Urls, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(recorder_module, "CHUNK", 7)
        recorder = fresh(database)
        recorder.append([opaque(n, "followed") for n in range(40)])
        follower = Following(recorder, upto=140)
        for n in range(40, 140):
            recorder.append([opaque(n, "followed"), opaque(-1, "other")])
        follower.join(timeout=30)
        assert follower.seen == list(range(140))

    def test_it_begins_after_a_position_even_one_beyond_the_head(self, database: Database) -> None:
        recorder = fresh(database)
        recorder.append([opaque(n) for n in range(3)])
        with recorder.subscribe(after=1) as subscription:
            assert [next(subscription).position for _ in range(2)] == [2, 3]
        with recorder.subscribe(after=4) as subscription:
            recorder.append([opaque(3), opaque(4)])
            assert next(subscription).position == 5

    def test_it_waits_for_a_ledger_that_does_not_exist_yet(self, database: Database) -> None:
        recorder = fresh(database)
        follower = Following(recorder, upto=1)
        time.sleep(0.1)
        recorder.append([opaque(0)])
        follower.join(timeout=5)
        assert follower.seen == [0]

    def test_stopping_it_ends_a_wait_in_another_thread(self, database: Database) -> None:
        recorder = begun(database)
        follower = Following(recorder, upto=99, after=1)
        time.sleep(0.1)
        follower.subscription.stop()
        follower.join(timeout=5)
        assert (follower.ended, follower.seen) == ("StopIteration", [])
        assert follower.subscription._recorder.database._connection is None

    def test_stopped_it_gives_no_more_events_and_its_connection_is_closed(self, database: Database) -> None:
        recorder = fresh(database)
        recorder.append([opaque(n) for n in range(3)])
        with recorder.subscribe() as subscription:
            assert next(subscription).position == 1
        assert subscription._recorder.database._connection is None
        with pytest.raises(StopIteration):
            next(subscription)

    def test_after_a_lost_connection_the_next_call_goes_on(self, database: Database, urls: Urls) -> None:
        recorder = fresh(database)
        recorder.append([opaque(1)])
        with recorder.subscribe() as subscription:
            assert next(subscription).position == 1
            pid = subscription._recorder.database.connection.info.backend_pid
            recorder.append([opaque(2)])
            with psycopg_connect(urls.superuser) as admin:
                admin.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))
            with pytest.raises(store.ConnectionLost):
                next(subscription)
            assert next(subscription).position == 2


class Following(threading.Thread):
    """Iterates a subscription up to a number of events."""

    def __init__(self, recorder: Recorder, upto: int, after: int = 0) -> None:
        super().__init__(daemon=True)
        self.subscription = recorder.subscribe(DCBQuery([DCBQueryItem(types=["Counted"])]), after=after)
        self.upto, self.seen, self.ended = upto, list[int](), ""
        self.start()

    def run(self) -> None:
        with self.subscription:
            while len(self.seen) < self.upto:
                try:
                    number = int(next(self.subscription).event.data)
                except StopIteration:
                    self.ended = "StopIteration"
                    return
                if number >= 0:
                    self.seen.append(number)


def at_once(urls: Urls, account: str, act: Callable[[Recorder, int], int]) -> list[object]:
    """What two recorders say that act at the same moment: the result, or the error's name."""
    barrier, outcomes = threading.Barrier(2), list[object]()

    def run(number: int) -> None:
        database = Database(urls.application)
        recorder = Recorder(database, account, Context())
        assert database.connection
        barrier.wait()
        try:
            outcomes.append(act(recorder, number))
        except IntegrityError:
            outcomes.append("IntegrityError")
        finally:
            database.close()

    threads = [threading.Thread(target=run, args=(n,)) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes
