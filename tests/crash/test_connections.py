"""Connections that drop at every point of a command, servers that restart under it, locks that are held for too long.

Each ends in a retry or in a clear error, and never in a command that is half done or done twice.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random
from typing import Any, TypeVar

import psycopg
import pytest
from psycopg.abc import PQGen

from conftest import MASTER_KEY, Disturbance, Points, Urls, deadlocks, new_ledger
from iamledger import store
from iamledger.cli.failures import failure
from iamledger.cli.statuses import CONFLICT, UNREACHABLE
from iamledger.engine.catchup import catch_up
from iamledger.engine.errors import RebuildUnderWay
from iamledger.engine.rebuild import rebuild
from iamledger.engine.registry import live_tables
from iamledger.engine.view import open_view
from iamledger.iam.access_key import (
    create_access_key,
    record_access_key_use,
    revoke_access_key,
    rotate_access_key,
    use_of,
)
from iamledger.iam.account import create_account
from iamledger.iam.user import create_user, tag_user, update_user
from iamledger.ledger import SECRET_KIND, Conflict, Ledger, Outcome
from iamledger.opening import embedded, open_database
from iamledger.replay import replay
from iamledger.settings import Settings
from iamledger.store import Connection, Database
from iamledger.store.connection import _Connection
from iamledger_projections import projections
from iamledger_projections.users import list_users
from stateful.model import State, folded

T = TypeVar("T")
PATIENCE = 60  # seconds
USED_AT = datetime(2020, 2, 29, 12, tzinfo=UTC)
_accounts = count(1)


@pytest.fixture(scope="module")
def urls(new_database: Callable[[], Urls]) -> Urls:
    """One database for all tests here; each command has an account of its own."""
    return new_database()


@pytest.fixture
def other(database: Database) -> Iterator[Database]:
    """Somebody else's connection to the same database."""
    other = Database(database.url)
    yield other
    other.close()


@pytest.fixture
def superuser(urls: Urls) -> Iterator[Connection]:
    """Who may end other sessions."""
    with psycopg.connect(urls.superuser, autocommit=True) as superuser:
        yield superuser


# Commands that are run while connections drop


def begin(database: Database, account_id: str | None = None) -> str:
    """A new account in which alice has a key."""
    account_id = account_id or f"{next(_accounts):012}"
    ledger = new_ledger(database, account_id)
    ledger.execute(create_account, account=account_id, account_name="acme", email="root@acme.example")
    ledger.execute(create_user, name="alice")
    ledger.execute(create_access_key, user="alice")
    return account_id


def key_of(connection: Connection, account_id: str) -> str:
    """The key that alice got."""
    return str(store.read(connection, account_id, after=2, upto=3)[0].data["access_key_id"])


@dataclass(frozen=True)
class Command:
    """A command under a request id, and the events that it must append: all of them, once."""

    run: Callable[[Ledger, str], Outcome]
    events: tuple[str, ...]


COMMANDS = {
    "create_account": Command(
        lambda to, _key: to.execute(create_account, account=to.account_id, account_name="a", email="a@b.example"),
        ("AccountCreated",),
    ),
    "create_user": Command(lambda to, _key: to.execute(create_user, name="bob", tags=[("a", "b")]), ("UserCreated",)),
    "update_user": Command(
        lambda to, _key: to.execute(update_user, user="alice", new_name="eve", new_path="/eng/"),
        ("UserPathChanged", "UserRenamed"),
    ),
    "create_access_key": Command(lambda to, _key: to.execute(create_access_key, user="alice"), ("AccessKeyCreated",)),
    "rotate_access_key": Command(
        lambda to, _key: to.execute(rotate_access_key, user="alice", grace=timedelta(0)),
        ("AccessKeyCreated", "AccessKeyRotated"),
    ),
    "revoke_access_key": Command(lambda to, key: to.execute(revoke_access_key, key=key), ("AccessKeyRevoked",)),
    "record_access_key_use": Command(
        lambda to, key: to.execute(
            record_access_key_use,
            key=key,
            use=use_of(key, "s3", "eu-central-1", USED_AT),
            service_name="s3",
            region="eu-central-1",
            used_at=USED_AT,
        ),
        ("AccessKeyUsed",),
    ),
}


def check(connection: Connection, account_id: str, command: Command, outcome: Outcome | None) -> None:
    """The command has had its one effect; or, without an outcome, none or one."""
    history = store.read(connection, account_id)
    assert [event.position for event in history] == list(range(1, len(history) + 1))
    done = [event for event in history if event.context["request_id"] == "the-request"]
    if outcome is None:
        assert tuple(event.type for event in done) in ((), command.events)
        assert_whole(connection, account_id)
        return
    assert tuple(event.type for event in done) == command.events
    assert tuple(type(event).__name__ for event in outcome.events) == command.events
    assert (
        (outcome.first, outcome.last)
        == (done[0].position, done[-1].position)
        == (len(history) - len(done) + 1, len(history))
    )
    assert_whole(connection, account_id)


def assert_whole(connection: Connection, account_id: str) -> dict[str, str]:
    """Every event is legal where it stands, secrets are those of the keys that are held. Returns the secrets."""
    state = state_of(connection, account_id)
    rows = connection.execute(
        "SELECT credential, sealed FROM iamledger.secrets WHERE account_id = %s", (account_id,)
    ).fetchall()
    assert {credential for credential, _ in rows} == set(state["keys"])
    if state["account"] is None:
        return {}
    data_key = MASTER_KEY.unwrap(account_id, *store.data_key(connection, account_id))
    return {credential: data_key.open(credential, SECRET_KIND, sealed) for credential, sealed in rows}


def state_of(connection: Connection, account_id: str) -> State:
    """What is true after the last event; fails at an event that should not have been recorded."""
    return folded((event.type, event.data, event.recorded_at) for event in store.read(connection, account_id))


# A connection that drops at every point of a command


class Dropping(_Connection):
    """A connection that drops at its n-th exchange with the server: before the server hears of it, or before it answers."""

    exchanges = 0
    drops_at = 0
    before = True
    admin: Connection

    def wait(self, gen: PQGen[T], *args: Any, **kwargs: Any) -> T:
        self.exchanges += 1
        if self.exchanges != self.drops_at:
            return super().wait(gen, *args, **kwargs)
        if self.before:
            terminate(self.admin, self.info.backend_pid)
            return super().wait(gen, *args, **kwargs)  # raises what psycopg makes of it
        super().wait(gen, *args, **kwargs)
        self.close()
        raise psycopg.OperationalError("the server's answer was lost")


def terminate(admin: Connection, pid: int) -> None:
    """End a session as an administrator does, and wait until it is gone."""
    assert admin.execute("SELECT pg_terminate_backend(%s)", (pid,)).fetchone() == (True,)
    patience = time.monotonic() + PATIENCE
    while admin.execute("SELECT FROM pg_stat_activity WHERE pid = %s", (pid,)).fetchall():
        assert time.monotonic() < patience
        time.sleep(0.001)


@contextmanager
def dropping(monkeypatch: pytest.MonkeyPatch, admin: Connection, drops_at: int, *, before: bool) -> Iterator[None]:
    """While this lasts, connections that are opened will drop."""
    with monkeypatch.context() as patch:
        patch.setattr(Dropping, "admin", admin, raising=False)
        patch.setattr(Dropping, "drops_at", drops_at)
        patch.setattr(Dropping, "before", before)
        patch.setattr("iamledger.store.connection._Connection", Dropping)
        yield


def dropping_once(
    monkeypatch: pytest.MonkeyPatch, database: Database, admin: Connection, drops_at: int, *, before: bool
) -> Dropping:
    """Let the database's connection, and none after it, drop."""
    with dropping(monkeypatch, admin, drops_at, before=before):
        database.close()
        connection = database.connection
    assert isinstance(connection, Dropping)
    connection.admin, connection.drops_at, connection.before = admin, drops_at, before
    return connection


@pytest.mark.parametrize("before", [True, False], ids=["before the server hears", "before it answers"])
@pytest.mark.parametrize("name", COMMANDS)
def test_a_connection_that_drops_at_any_point(
    database: Database,
    other: Database,
    superuser: Connection,
    monkeypatch: pytest.MonkeyPatch,
    no_pauses: None,
    name: str,
    before: bool,
) -> None:
    """The command is done once, and whoever issued a key learns its secret even if the first answer was lost."""
    command = COMMANDS[name]
    for drops_at in count(1):
        account_id, key = f"{next(_accounts):012}", ""
        if name != "create_account":
            begin(other, account_id)
            key = key_of(other.connection, account_id)
        connection = dropping_once(monkeypatch, database, superuser, drops_at, before=before)
        outcome = command.run(new_ledger(database, account_id, request_id="the-request"), key)
        check(other.connection, account_id, command, outcome)
        issued = [event for event in outcome.events if type(event).__name__ == "AccessKeyCreated"]
        assert len(outcome.secrets) == len(issued)
        assert outcome.secrets.items() <= assert_whole(other.connection, account_id).items()
        if connection.exchanges < drops_at:
            assert not outcome.repeated
            assert drops_at > 2, "it reads, and it appends"
            break
        assert database.connection is not connection
        later = command.run(new_ledger(other, account_id, request_id="the-request"), key)
        assert (later.first, later.last, later.repeated, later.secrets) == (outcome.first, outcome.last, True, {})


@pytest.mark.parametrize("before", [True, False], ids=["before the server hears", "before it answers"])
def test_connections_that_all_drop(
    database: Database,
    other: Database,
    superuser: Connection,
    monkeypatch: pytest.MonkeyPatch,
    no_pauses: None,
    before: bool,
) -> None:
    """The command gives up after a bounded number of times. Repeated later, under the same request id, it is done once."""
    command = COMMANDS["rotate_access_key"]
    given_up = 0
    for drops_at in range(1, 8):
        account_id = begin(other)
        with dropping(monkeypatch, superuser, drops_at, before=before):
            database.close()
            try:
                command.run(new_ledger(database, account_id, request_id="the-request"), "")
            except store.Unreachable as error:
                given_up += 1
                assert (failure(error) or ("", 0))[1] == UNREACHABLE
        database.close()
        check(other.connection, account_id, command, None)
        outcome = command.run(new_ledger(database, account_id, request_id="the-request"), "")
        check(other.connection, account_id, command, outcome)
        assert outcome.secrets.items() <= assert_whole(other.connection, account_id).items()
    assert 1 <= given_up < 7


def test_an_idle_connection_that_was_ended_is_replaced(database: Database, superuser: Connection) -> None:
    ledger = new_ledger(database, begin(database))
    for name in ("bob", "carol"):
        terminate(superuser, database.connection.info.backend_pid)
        assert not ledger.execute(create_user, name=name).repeated
    with open_view(database.connection, ledger.account_id, [projections()["users"]]) as view:
        assert [row["UserName"] for row in list_users(view)] == ["alice", "bob", "carol"]


def test_a_reader_whose_connection_drops_is_told_so(database: Database, superuser: Connection) -> None:
    account_id = begin(database)
    with ExitStack() as reading:
        view = reading.enter_context(open_view(database.connection, account_id, [projections()["users"]]))
        terminate(superuser, database.connection.info.backend_pid)
        with pytest.raises(store.ConnectionLost):
            list_users(view)
    with open_view(database.connection, account_id, [projections()["users"]]) as view:
        assert len(list_users(view)) == 1


def test_nobody_answers(no_pauses: None) -> None:
    ledger = new_ledger(Database("host=/nowhere/at/all dbname=x user=x"))
    with pytest.raises(store.Unreachable) as told:
        ledger.execute(create_user, name="alice")
    assert (failure(told.value) or ("", 0))[1] == UNREACHABLE


# A server that restarts


@pytest.mark.parametrize("mode", ["fast", "immediate"])
@pytest.mark.parametrize("point", ["read", "append", "answer"])
def test_a_server_that_restarts_within_a_command(own_server: Settings, points: Points, point: str, mode: str) -> None:
    """Before the user's events are read, before the append, or after it: the command is done once."""
    server, database = embedded(own_server), open_database(own_server)
    account_id = begin(database)
    restarted: list[bool] = []

    def restart(reached: str) -> None:
        if reached == point and not restarted:
            restarted.append(server.stop(mode))
            server.ensure_running()

    def append(*args: Any, **kwargs: Any) -> store.Appended:
        appended = points._append(*args, **kwargs)
        restart("answer")
        if restarted == [True]:
            restarted.append(False)
            raise store.ConnectionLost("the server's answer was lost")
        return appended

    disturbance = Disturbance(restart)
    with pytest.MonkeyPatch.context() as patch, points.disturbed(disturbance):
        if point == "answer":
            patch.setattr(store, "append", append)
        command = COMMANDS["rotate_access_key"]
        outcome = command.run(new_ledger(database, account_id, request_id="the-request"), "")
    assert restarted[0] is True
    check(database.connection, account_id, command, outcome)
    assert len(outcome.secrets) == 1
    assert outcome.secrets.items() <= assert_whole(database.connection, account_id).items()
    database.close()


@pytest.mark.parametrize("point", ["read", "append"])
def test_a_server_that_stays_away(own_server: Settings, points: Points, no_pauses: None, point: str) -> None:
    """The command ends with a clear error and has done nothing; it can be repeated when the server is back."""
    server, database = embedded(own_server), open_database(own_server)
    account_id = begin(database)
    command, stopped = COMMANDS["rotate_access_key"], list[bool]()

    def stop(reached: str) -> None:
        if reached == point and not stopped:
            stopped.append(server.stop("fast"))

    with points.disturbed(Disturbance(stop)), pytest.raises(store.Unreachable) as told:
        command.run(new_ledger(database, account_id, request_id="the-request"), "")
    message, status = failure(told.value) or ("", 0)
    assert (status, stopped) == (UNREACHABLE, [True])
    assert message.startswith("Unreachable: the database cannot be reached")
    server.ensure_running()
    assert store.head(database.connection, account_id).position == 3
    outcome = command.run(new_ledger(database, account_id, request_id="the-request"), "")
    assert not outcome.repeated
    check(database.connection, account_id, command, outcome)
    database.close()


@pytest.mark.slow
def test_a_server_that_restarts_while_commands_run(own_server: Settings) -> None:
    """Four loops of commands go on through restarts; one that gives up is repeated under its request id."""
    server, database = embedded(own_server), open_database(own_server)
    account_id, done = begin(database), threading.Event()
    answers: dict[str, tuple[int | None, int | None]] = {}

    def work(worker: int) -> None:
        mine = Database(database.url)
        for n in count():
            if done.is_set():
                break
            ledger = new_ledger(mine, account_id, request_id=f"{worker}-{n}")
            while True:
                try:
                    if n % 2:
                        outcome = ledger.execute(tag_user, user=f"user{worker}-{n // 2}", tags=[("n", str(n))])
                    else:
                        outcome = ledger.execute(create_user, name=f"user{worker}-{n // 2}", path=f"/{worker}/")
                    break
                except (store.Unreachable, Conflict):
                    mine.close()
            answers[f"{worker}-{n}"] = (outcome.first, outcome.last)
        mine.close()

    with ThreadPoolExecutor(4) as pool:
        working = [pool.submit(work, worker) for worker in range(4)]
        try:
            for mode in ("fast", "immediate", "fast", "immediate"):
                enough = len(answers) + 40
                while len(answers) < enough and not any(future.done() for future in working):
                    time.sleep(0.005)
                server.stop(mode)
                server.ensure_running()
        finally:
            done.set()
        for future in working:
            future.result()
    database.close()  # it was lost with the first restart
    history = store.read(database.connection, account_id)[3:]
    assert [event.position for event in history] == list(range(4, 4 + len(history)))
    assert {event.context["request_id"]: (event.position, event.position) for event in history} == answers
    assert len(history) == len(answers) >= 160
    tables = list(live_tables(database.connection, projections().values()).values())
    upto = catch_up(database.connection, account_id, tables)
    assert replay(database.connection, account_id, upto, tables, verify=True).findings == []
    database.close()


# A lock that is held for too long

LOCKS = {
    "the head": ("SELECT FROM iamledger.ledgers WHERE account_id = %s FOR UPDATE", "rotate_access_key"),
    "the projections": (
        "SELECT FROM iamledger.projection_positions WHERE account_id = %s FOR UPDATE",
        "create_user",
    ),
}


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch, database: Database) -> Database:
    """A database whose connections wait but shortly for locks."""
    monkeypatch.setattr("iamledger.store.connection.LOCK_TIMEOUT", "50ms")
    database.close()
    return database


@pytest.mark.parametrize("what", LOCKS)
def test_a_lock_that_is_held_for_too_long(
    impatient: Database, other: Database, superuser: Connection, what: str
) -> None:
    """The command ends with a clear error and has done nothing. Readers of what is caught up do not wait."""
    query, name = LOCKS[what]
    account_id, command = begin(other), COMMANDS[name]
    with open_view(impatient.connection, account_id, list(projections().values())) as view:
        assert len(list_users(view)) == 1
    tag = new_ledger(other, account_id).execute(tag_user, user="alice", tags=[("not", "caught up")])
    assert tag.last == 4
    if what == "the head":
        catch_up(other.connection, account_id, list(live_tables(other.connection, projections().values()).values()))
    with superuser.transaction():
        superuser.execute(query, (account_id,))
        with pytest.raises(Conflict) as told:
            command.run(new_ledger(impatient, account_id, request_id="the-request"), "")
        message, status = failure(told.value) or ("", 0)
        assert status == CONFLICT
        assert f"holds a lock on the ledger of account {account_id}" in message
        assert "nothing was done" in message
        assert store.head(other.connection, account_id).position == 4
        if what == "the head":
            with open_view(impatient.connection, account_id, list(projections().values())) as view:
                assert (view.position, len(list_users(view))) == (4, 1)
    outcome = command.run(new_ledger(impatient, account_id, request_id="the-request"), "")
    assert not outcome.repeated
    check(impatient.connection, account_id, command, outcome)


def test_a_lock_that_is_released_in_time(
    impatient: Database, other: Database, superuser: Connection, points: Points
) -> None:
    account_id, command, tries = begin(other), COMMANDS["rotate_access_key"], []

    def release_at_the_second_try(point: str) -> None:
        if point == "append":
            tries.append(point)
            if len(tries) == 2:
                superuser.execute("ROLLBACK")

    superuser.execute("BEGIN")
    superuser.execute(LOCKS["the head"][0], (account_id,))
    with points.disturbed(Disturbance(release_at_the_second_try)):
        outcome = command.run(new_ledger(impatient, account_id, request_id="the-request"), "")
    assert len(tries) == 2
    check(impatient.connection, account_id, command, outcome)


@pytest.mark.slow
def test_nobody_waits_in_a_circle(new_database: Callable[[], Urls]) -> None:
    """Writers, readers now and of the past, and rebuilds of two accounts: no deadlock, as the server counts them."""
    urls = new_database()
    first = Database(urls.application)
    accounts = [begin(first), begin(first)]
    first.close()
    every = list(projections().values())

    def work(worker: int) -> None:
        random = Random(worker)
        with closing(Database(urls.application)) as database:
            for n in range(40):
                with suppress(RebuildUnderWay, Conflict, store.SchemaOutdated):  # overtaken too often
                    act(database, random, f"{worker}-{n}")

    def act(database: Database, random: Random, name: str) -> None:
        account_id, what = random.choice(accounts), random.randrange(10)
        if what < 3:
            new_ledger(database, account_id).execute(create_user, name=name)
        elif what < 6:
            new_ledger(database, account_id).execute(tag_user, user="alice", tags=[(name[0], name)])
        elif what < 8:
            chosen = random.sample(every, random.randint(1, len(every)))
            with open_view(database.connection, account_id, chosen) as view:
                view.rows("SELECT 1")
        elif what < 9:
            head = store.head(database.connection, account_id)
            assert store.position_at(database.connection, account_id, head.recorded_at) == head.position
        else:
            rebuild(database.connection, random.choice(every))

    with ThreadPoolExecutor(8) as pool:
        for future in [pool.submit(work, worker) for worker in range(8)]:
            future.result()
    with store.connect(urls.application) as connection:
        tables = list(live_tables(connection, every).values())
        for account_id in accounts:
            upto = catch_up(connection, account_id, tables)
            assert replay(connection, account_id, upto, tables, verify=True).findings == []
    assert deadlocks(urls) == 0
