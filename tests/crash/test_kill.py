"""`kill -9` of writers and of the server in the middle of work: what was acknowledged is there, whole, and only once."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from crash import writer
from iamledger.actors import LocalOperator
from iamledger.engine.catchup import catch_up
from iamledger.engine.rebuild import rebuild
from iamledger.engine.registry import live_tables
from iamledger.iam.account import create_account
from iamledger.ledger import Circumstances, Ledger
from iamledger.opening import open_database
from iamledger.replay import replay
from iamledger.settings import Settings
from iamledger.store import Connection, Database, head, read
from iamledger.store.embedded import EmbeddedServer
from iamledger_projections import projections

ACCOUNT = "210987654321"
ROUNDS = 50
SERVER_EVERY = 3
"""Of so many rounds, one kills the server; the others kill writers alone."""

Home = tuple[EmbeddedServer, Database]


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    """A server of these tests' own, with an account."""
    folder = Path(tempfile.mkdtemp(prefix="iamledger-crash-"))
    folder.chmod(0o755)
    settings = Settings(folder, None, None, None)
    database = open_database(settings)
    operator = Circumstances(LocalOperator("tester", "iamledger_app"))
    ledger = Ledger(database, ACCOUNT, operator, master_key=lambda: writer.MASTER_KEY)
    ledger.execute(create_account, account=ACCOUNT, account_name="crash", email="root@crash.example")
    server = EmbeddedServer(folder)
    try:
        yield server, database
    finally:
        database.close()
        server.stop(mode="immediate")
        shutil.rmtree(folder, ignore_errors=True)


def _start(url: str, name: str, log: Path) -> subprocess.Popen[bytes]:
    tests = Path(__file__).parent.parent
    with log.open("wb") as file:
        return subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("writer.py")), url, ACCOUNT, name],
            stdout=file,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tests), *sys.path])},
        )


def _await_work(log: Path) -> None:
    """Wait until a writer has been answered once, so that it is killed in the middle of work and not of its start."""
    patience = time.monotonic() + 60
    while b"done" not in log.read_bytes():
        assert time.monotonic() < patience, "the writer never got to work"
        time.sleep(0.005)


def _kill_server(server: EmbeddedServer) -> None:
    pid = server.status().pid
    assert pid is not None
    children = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False).stdout.split()
    for process in [pid, *map(int, children)]:
        try:
            os.kill(process, signal.SIGKILL)
        except ProcessLookupError:
            continue  # it ended because the postmaster did


@pytest.mark.slow
def test_fifty_kills(home: Home, tmp_path: Path) -> None:
    server, database = home
    seed = random.randrange(2**32)
    print("seed", seed)
    chance = random.Random(seed)
    acknowledged: dict[str, tuple[int, int]] = {}
    unanswered: list[str] = []
    for round_ in range(ROUNDS):
        logs = [tmp_path / f"{round_}-{n}.log" for n in range(2)]
        writers = [_start(database.url, f"w{round_}-{n}", log) for n, log in enumerate(logs)]
        for log in logs:
            _await_work(log)
        time.sleep(chance.uniform(0, 0.2))
        if round_ % SERVER_EVERY == 0:
            database.close()
            _kill_server(server)
        for process in writers:
            process.kill()
            process.wait()
        server.ensure_running()
        for log in logs:
            begun, done = _read(log)
            acknowledged |= done
            unanswered += [request_id for request_id in begun if request_id not in done]
    assert len(acknowledged) >= 2 * ROUNDS
    _everything_acknowledged_is_there(database.connection, acknowledged)
    _every_request_is_whole(database.connection)
    _repeats_have_one_effect(database, unanswered)
    _secrets_are_those_of_living_keys(database.connection)
    _projections_equal_a_replay(database.connection)


@pytest.mark.slow
def test_a_killed_rebuild_leaves_the_live_projection(home: Home) -> None:
    server, database = home
    users = projections()["users"]
    code = (
        "import sys; from iamledger.store import connect; from iamledger.engine import rebuild as r;"
        "from iamledger_projections import projections;"
        "r._flip = lambda *_: (print('filled', flush=True), __import__('time').sleep(60));"
        "r.rebuild(connect(sys.argv[1]), projections()['users'])"
    )
    server.ensure_running()
    before = live_tables(database.connection, [users])["users"]
    for _ in range(3):
        command = [sys.executable, "-c", code, database.url]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"filled\n"
            process.kill()
        assert live_tables(database.connection, [users])["users"] == before
    patience = time.monotonic() + 30
    while True:  # the killed session's lock goes when the server has noticed
        try:
            after = rebuild(database.connection, users)
            break
        except Exception:
            assert time.monotonic() < patience
            time.sleep(0.2)
    tables = database.connection.execute(
        "SELECT tablename FROM pg_tables WHERE schemaname = 'iamledger_projections' AND tablename ~ '^users_'"
    ).fetchall()
    assert tables == [(f"users_{after.generation}",)]
    _projections_equal_a_replay(database.connection)


def _read(log: Path) -> tuple[list[str], dict[str, tuple[int, int]]]:
    """What a writer began, and what it was answered. A last line may be cut off, which then was not answered."""
    begun, done = [], {}
    for line in log.read_text().split("\n")[:-1]:
        kind, request_id, *rest = line.split()
        assert kind != "refused", line
        if kind == "begin":
            begun.append(request_id)
        else:
            done[request_id] = (int(rest[0]), int(rest[1]))
    return begun, done


def _everything_acknowledged_is_there(connection: Connection, acknowledged: dict[str, tuple[int, int]]) -> None:
    rows = connection.execute(
        "SELECT request_id, first, last FROM iamledger.requests WHERE account_id = %s", (ACCOUNT,)
    ).fetchall()
    kept = {request_id: (first, last) for request_id, first, last in rows}
    assert {request_id: kept.get(request_id) for request_id in acknowledged} == acknowledged


def _every_request_is_whole(connection: Connection) -> None:
    """Each event belongs to the request whose span it is in, and spans cover the ledger without gap or overlap."""
    rows = connection.execute(
        "SELECT request_id, first, last FROM iamledger.requests WHERE account_id = %s ORDER BY first", (ACCOUNT,)
    ).fetchall()
    events = read(connection, ACCOUNT)
    at = 0
    for request_id, first, last in rows:
        assert first == at + 1
        span = events[first - 1 : last]
        assert {event.context["request_id"] for event in span} == {request_id}
        if any(event.type == "AccessKeyRotated" for event in span):
            assert [event.type for event in span] == ["AccessKeyCreated", "AccessKeyRotated"]
        at = last
    assert at == len(events) == head(connection, ACCOUNT).position


def _repeats_have_one_effect(database: Database, unanswered: list[str]) -> None:
    """Whoever repeats what was not answered gets the one effect, whether it had happened or not."""
    assert unanswered
    for request_id in unanswered:
        first = writer.run(database, ACCOUNT, request_id)
        again = writer.run(database, ACCOUNT, request_id)
        assert (first.first, first.last) == (again.first, again.last)
        assert first.first is not None
        assert again.repeated
    _every_request_is_whole(database.connection)


def _secrets_are_those_of_living_keys(connection: Connection) -> None:
    issued = {event.data["access_key_id"] for event in read(connection, ACCOUNT) if event.type == "AccessKeyCreated"}
    rows = connection.execute("SELECT credential FROM iamledger.secrets WHERE account_id = %s", (ACCOUNT,)).fetchall()
    assert {credential for (credential,) in rows} == issued


def _projections_equal_a_replay(connection: Connection) -> None:
    tables = list(live_tables(connection, projections().values()).values())
    upto = catch_up(connection, ACCOUNT, tables)
    seen = replay(connection, ACCOUNT, upto, tables, verify=True)
    assert seen.findings == []
    assert seen.size == upto
