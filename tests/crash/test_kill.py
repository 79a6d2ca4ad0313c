"""`kill -9` of writers and of the server in the middle of work: what was acknowledged is there, whole, and only once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from crash import writer
from iamledger.actors import LocalOperator
from iamledger.engine.catchup import catch_up
from iamledger.engine.rebuild import rebuild
from iamledger.engine.registry import live_tables
from iamledger.engine.view import open_view
from iamledger.iam.account import create_account
from iamledger.ledger import SECRET_KIND, Circumstances, Ledger
from iamledger.opening import embedded, open_database
from iamledger.replay import replay
from iamledger.settings import Settings
from iamledger.store import Connection, Database, RecordedEvent, data_key, read
from iamledger.store.embedded import SUPERUSER, EmbeddedServer
from iamledger_projections import projections
from iamledger_projections.users import list_users
from stateful.model import folded

ACCOUNT = "210987654321"
WRITERS, ROUNDS = 5, 7  # together 35 killed writers
SERVER_KILLS = 15
PATIENCE = 120  # seconds
TESTS = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def home(own_server: Settings) -> Iterator[tuple[EmbeddedServer, Database]]:
    """A server of these tests' own, with an account in which something has happened."""
    database = open_database(own_server)
    operator = Circumstances(LocalOperator("tester", "iamledger_app"))
    ledger = Ledger(database, ACCOUNT, operator, master_key=lambda: writer.MASTER_KEY)
    ledger.execute(create_account, account=ACCOUNT, account_name="crash", email="root@crash.example")
    for number in range(2 * writer.STEPS):
        writer.run(database, ACCOUNT, f"before.{number}")
    yield embedded(own_server), database
    database.close()


@pytest.fixture
def chance() -> random.Random:
    """Random, by a seed that is printed with a failure. It decides when somebody is killed, never what must come of it."""
    seed = random.randrange(2**32)
    print("seed", seed)
    return random.Random(seed)


# Writers


@dataclass
class Told:
    """What writers said: requests that they began, positions of those that were answered, secrets that were shown."""

    begun: list[str] = field(default_factory=list)
    done: dict[str, tuple[int, int]] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)

    def read(self, log: Path) -> Told:
        """Take in what a writer wrote. A last line that is cut off was not said."""
        for line in log.read_text().split("\n")[:-1]:
            kind, request_id, *rest = line.split(" ")
            if kind == "begin":
                self.begun.append(request_id)
            else:
                self.done[request_id] = (int(rest[0]), int(rest[1]))
                self.secrets |= dict(shown.split("=", 1) for shown in rest[2:])
        return self

    @property
    def unanswered(self) -> list[str]:
        """Begun, and not answered before the writer was killed."""
        return [request_id for request_id in self.begun if request_id not in self.done]


@contextmanager
def writing(database: Database, names: list[str], folder: Path) -> Iterator[list[tuple[subprocess.Popen[bytes], Path]]]:
    """Writers, each with the file in which it tells what it does. In the end they are killed."""
    url = make_conninfo(database.url, application_name="writer")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path])}
    with ExitStack() as stack:
        writers = []
        for name in names:
            log = folder / f"{name}.log"
            with log.open("wb") as file:
                command = [sys.executable, str(Path(writer.__file__)), url, ACCOUNT, name]
                process = stack.enter_context(subprocess.Popen(command, stdout=file, env=environment))
            stack.callback(process.kill)
            writers.append((process, log))
        yield writers


def await_answers(writers: list[tuple[subprocess.Popen[bytes], Path]], more: int) -> None:
    """Wait until every writer has been answered so many times more."""
    enough = [log.read_bytes().count(b"done ") + more for _, log in writers]
    patience = time.monotonic() + PATIENCE
    while any(log.read_bytes().count(b"done ") < n for n, (_, log) in zip(enough, writers, strict=True)):
        assert all(process.poll() is None for process, _ in writers), "a writer ended by itself"
        assert time.monotonic() < patience, "the writers do not get on"
        time.sleep(0.005)


def await_end_of_sessions(server: EmbeddedServer, name: str) -> None:
    """Wait until the server has noticed that clients are dead: until then a statement of theirs may still be under way."""
    patience = time.monotonic() + PATIENCE
    query = "SELECT FROM pg_stat_activity WHERE application_name = %s"
    with connected(server) as admin:
        while admin.execute(query, (name,)).fetchall():
            assert time.monotonic() < patience, "sessions of killed clients do not end"
            time.sleep(0.005)


@contextmanager
def connected(server: EmbeddedServer) -> Iterator[Connection]:
    """The superuser's connection, as soon as the server, which may be in recovery, lets one in."""
    patience = time.monotonic() + PATIENCE
    while True:
        try:
            connection = psycopg.connect(server.conninfo(SUPERUSER, "iamledger"), autocommit=True)
            break
        except psycopg.OperationalError:
            assert time.monotonic() < patience, "the server does not come back"
            time.sleep(0.02)
    with connection:
        yield connection


@pytest.mark.slow
def test_writers_are_killed(home: tuple[EmbeddedServer, Database], tmp_path: Path, chance: random.Random) -> None:
    server, database = home
    for round_ in range(ROUNDS):
        names = [f"writer-{round_}-{n}" for n in range(WRITERS)]
        with writing(database, names, tmp_path) as writers:
            await_answers(writers, chance.randint(1, 24))
            for process, _ in writers:
                time.sleep(chance.uniform(0, 0.02))
                process.kill()
                process.wait()
        await_end_of_sessions(server, "writer")
        told = Told()
        for name in names:
            told.read(tmp_path / f"{name}.log")
        assert len(told.unanswered) <= WRITERS
        check_everything(database, told)


# The server


def kill_all(server: EmbeddedServer) -> None:
    """The postmaster and every process of its."""
    postmaster = pid_of(server)
    children = subprocess.run(["pgrep", "-P", str(postmaster)], capture_output=True, text=True, check=False).stdout
    for process in [postmaster, *map(int, children.split())]:
        kill(process)
    await_death(server)


def kill_postmaster(server: EmbeddedServer) -> None:
    """The postmaster alone: its backends notice, and end."""
    kill(pid_of(server))
    await_death(server)


def kill_a_backend(server: EmbeddedServer) -> None:
    """One writer's backend, for which the postmaster restarts all of them; wait until it has noticed."""
    patience = time.monotonic() + PATIENCE
    with connected(server) as admin:
        victim = "SELECT pid FROM pg_stat_activity WHERE application_name = 'writer' LIMIT 1"
        while (row := admin.execute(victim).fetchone()) is None:
            assert time.monotonic() < patience, "no writer is connected"
        kill(row[0])
        while not admin.broken:
            assert time.monotonic() < patience, "the postmaster does not care"
            with suppress(psycopg.OperationalError):
                admin.execute("SELECT")


def stop_at_once(server: EmbeddedServer) -> None:
    """An immediate shutdown, which is a crash but for the postmaster's farewell."""
    server.stop("immediate")


def await_death(server: EmbeddedServer) -> None:
    """A signal is on its way for a moment, in which the server still seems to run."""
    patience = time.monotonic() + PATIENCE
    while server.status().running:
        assert time.monotonic() < patience, "the server lives on"
        time.sleep(0.001)


def pid_of(server: EmbeddedServer) -> int:
    """The postmaster's process."""
    pid = server.status().pid
    assert pid is not None
    return pid


def kill(process: int) -> None:
    """`kill -9`, unless it is gone already."""
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        return


WAYS: list[Callable[[EmbeddedServer], None]] = [kill_all, kill_postmaster, kill_a_backend, stop_at_once, kill_all]


@pytest.mark.slow
def test_the_server_is_killed(home: tuple[EmbeddedServer, Database], tmp_path: Path, chance: random.Random) -> None:
    """Three writers go on through fifteen crashes, repeating what they lost; then they are killed, too."""
    server, database = home
    names = [f"through-{n}" for n in range(3)]
    with writing(database, names, tmp_path) as writers:
        for n in range(SERVER_KILLS):
            await_answers(writers, 3)
            time.sleep(chance.uniform(0, 0.05))
            WAYS[n % len(WAYS)](server)
            told = Told()
            for _, log in writers:
                told.read(log)
            server.ensure_running()
            with connected(server) as admin:
                check_acknowledged(admin, told)
        await_answers(writers, 1)
    await_end_of_sessions(server, "writer")
    database.close()
    told = Told()
    for name in names:
        told.read(tmp_path / f"{name}.log")
    assert len(told.done) > 3 * 3 * SERVER_KILLS
    check_everything(database, told)


# What must be true afterwards


def check_acknowledged(connection: Connection, told: Told) -> None:
    """Every request that was answered is there, at the positions that were told."""
    rows = connection.execute(
        "SELECT request_id, first, last FROM iamledger.requests WHERE account_id = %s", (ACCOUNT,)
    ).fetchall()
    kept = {request_id: (first, last) for request_id, first, last in rows}
    assert {request_id: kept.get(request_id) for request_id in told.done} == told.done


def check_everything(database: Database, told: Told) -> None:
    """What was acknowledged is there; nothing is half done or done twice; whatever was not acknowledged can be repeated."""
    check_acknowledged(database.connection, told)
    check_whole(database.connection, told)
    for request_id in told.unanswered:
        before = {event.context["request_id"] for event in read(database.connection, ACCOUNT)}
        first = writer.run(database, ACCOUNT, request_id)
        again = writer.run(database, ACCOUNT, request_id)
        assert (first.first, first.last) == (again.first, again.last)
        assert first.first is not None
        assert (first.repeated, again.repeated) == (request_id in before, True)
    check_whole(database.connection, told)


def check_whole(connection: Connection, told: Told) -> None:
    """Each request has all its events, side by side; each event is legal where it stands; secrets and rows are right."""
    history = read(connection, ACCOUNT)
    assert [event.position for event in history] == list(range(1, len(history) + 1))
    check_requests(connection, history)
    state = folded((event.type, event.data, event.recorded_at) for event in history)
    rows = connection.execute(
        "SELECT credential, sealed FROM iamledger.secrets WHERE account_id = %s", (ACCOUNT,)
    ).fetchall()
    assert {credential for credential, _ in rows} == set(state["keys"])
    key = writer.MASTER_KEY.unwrap(ACCOUNT, *data_key(connection, ACCOUNT))
    secrets = {credential: key.open(credential, SECRET_KIND, sealed) for credential, sealed in rows}
    shown = {credential: secret for credential, secret in told.secrets.items() if credential in state["keys"]}
    assert shown.items() <= secrets.items()
    tables = list(live_tables(connection, projections().values()).values())
    upto = catch_up(connection, ACCOUNT, tables)
    seen = replay(connection, ACCOUNT, upto, tables, verify=True)
    assert (seen.findings, seen.size) == ([], len(history))


def check_requests(connection: Connection, history: list[RecordedEvent]) -> None:
    """Requests cover the ledger without gap or overlap, and each has just the events that its command makes."""
    rows = connection.execute(
        "SELECT request_id, first, last FROM iamledger.requests WHERE account_id = %s ORDER BY first", (ACCOUNT,)
    ).fetchall()
    assert [first for _, first, _ in rows] == [1, *(last + 1 for _, _, last in rows[:-1])]
    assert rows[-1][2] == len(history)
    for request_id, first, last in rows:
        done = history[first - 1 : last]
        assert {event.context["request_id"] for event in done} == {request_id}
        assert first == 1 or [event.type for event in done] == events_of(request_id)


def events_of(request_id: str) -> list[str]:
    """The events of a writer's command."""
    life, step = divmod(int(request_id.rpartition(".")[2]), writer.STEPS)
    ending = life % 2 == 1
    return {
        0: ["UserCreated"],
        1: ["AccessKeyCreated"],
        2: ["AccessKeyCreated", "AccessKeyRotated"],
        3: ["UserTagged"],
        4: ["GroupCreated", "PolicyCreated", "UserAddedToGroup", "GroupPolicyAttached"],
        5: ["UserPolicyAttached"],
        6: ["PolicyVersionCreated", "DefaultPolicyVersionSet"],
        7: ["UserPolicyPut"],
        8: ["UserPermissionsBoundaryPut"],
        9: ["GroupPathChanged", "GroupRenamed"],
        10: ["GroupCreated", "UserRemovedFromGroup", "UserAddedToGroup", "GroupPolicyDetached", "GroupDeleted"],
        11: ["UserPathChanged", "UserRenamed"],
        12: ["AccessKeyRevoked"],
        13: ["AccessKeyRevoked" if ending else "AccessKeyDeactivated"],
        14: [
            "UserRemovedFromGroup",
            "UserPolicyDetached",
            "UserPolicyDeleted",
            "UserPermissionsBoundaryDeleted",
            "UserDeleted",
        ]
        if ending
        else ["AccessKeyCreated"],
        15: ["PolicyVersionDeleted", "PolicyDeleted", "GroupDeleted"] if ending else ["UserPolicyDeleted"],
    }[step]


# Rebuilds

REBUILDER = """
import sys, time
from iamledger.engine import rebuild
from iamledger.store import connect
from iamledger_projections import projections

def pause(*_):
    print("reached", flush=True)
    time.sleep(600)

def progress(done, of):
    if point == ("made" if done == 0 else "filled" if done == of else "half filled"):
        pause()

def look_again(*arguments):  # once before the registry's row is locked, once in the transaction that flips it
    looks.append(1)
    return pause() if len(looks) == 2 else look(*arguments)

url, point = sys.argv[1:]
rebuild.SLICE = 5
if point == "flipping":
    looks, look, rebuild._behind = [], rebuild._behind, look_again
if point == "flipped":
    rebuild._drop_others = pause
rebuild.rebuild(connect(url), projections()["users"], progress)
"""


@pytest.mark.slow
@pytest.mark.parametrize("point", ["made", "half filled", "filled", "flipping", "flipped"])
@pytest.mark.parametrize("who", ["rebuilder", "server"])
def test_a_killed_rebuild_leaves_the_live_projection(
    home: tuple[EmbeddedServer, Database], point: str, who: str
) -> None:
    """Readers see what they saw before, and the next rebuild succeeds and leaves nothing behind."""
    server, database = home
    users = projections()["users"]
    live, seen = live_tables(database.connection, [users])["users"], users_now(database)
    url = make_conninfo(database.url, application_name="rebuilder")
    with subprocess.Popen([sys.executable, "-c", REBUILDER, url, point], stdout=subprocess.PIPE) as rebuilder:
        assert rebuilder.stdout is not None
        assert rebuilder.stdout.readline() == b"reached\n"
        assert users_now(database) == seen
        if who == "server":
            kill_all(server)
            database.close()
        rebuilder.kill()
    server.ensure_running()
    await_end_of_sessions(server, "rebuilder")
    assert (live_tables(database.connection, [users])["users"] == live) == (point != "flipped")
    assert users_now(database) == seen
    after = rebuild(database.connection, users)
    assert users_now(database) == seen
    tables = database.connection.execute(
        "SELECT tablename FROM pg_tables WHERE schemaname = 'iamledger_projections' AND tablename ~ '^users_'"
    ).fetchall()
    assert tables == [(f"users_{after.generation}",)]
    generations = database.connection.execute(
        "SELECT DISTINCT generation FROM iamledger.projection_positions WHERE projection = 'users'"
    ).fetchall()
    assert generations == [(after.generation,)]
    check_whole(database.connection, Told())


def users_now(database: Database) -> list[Any]:
    """What readers see."""
    with open_view(database.connection, ACCOUNT, [projections()["users"]]) as view:
        return list_users(view)
