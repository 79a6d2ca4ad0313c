"""Tasks divided over processes: one snapshot, errors that arrive, and no process that is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from conftest import Urls
from iamledger.replay.workers import WorkerEnded, default_jobs, run_divided, snapshot
from iamledger.store import Connection
from iamledger.store.connection import connect

LINUX = pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="needs /proc")


@dataclass(frozen=True)
class Asks:
    """Asks the database, after telling that it has begun."""

    statement: str

    def run(self, connection: Connection, tell: Callable[[int], None]) -> Any:
        tell(1)
        return connection.execute(self.statement).fetchone()


class Unportable(Exception):
    def __init__(self, one: str, another: str) -> None:
        super().__init__(f"{one} and {another}")


@dataclass(frozen=True)
class Fails:
    how: str

    def run(self, connection: Connection, tell: Callable[[int], None]) -> Any:
        match self.how:
            case "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            case "unportable":
                raise Unportable("one", "another")
            case "server":
                connection.execute("SELECT 1/0")
        raise ValueError(self.how)


@dataclass(frozen=True)
class Looks:
    """At the process in which it is done."""

    def run(self, connection: Connection, tell: Callable[[int], None]) -> tuple[int, bytes]:
        return os.getpid(), Path("/proc/self/cmdline").read_bytes()


@pytest.fixture(scope="module")
def urls(new_database: Callable[[], Urls]) -> Urls:
    return new_database()


@pytest.fixture
def connection(urls: Urls) -> Iterator[Connection]:
    with connect(urls.application) as connection, snapshot(connection):
        yield connection


def test_what_comes_of_tasks_is_told_in_their_order(connection: Connection, urls: Urls) -> None:
    told: list[int] = []
    tasks = [Asks(f"SELECT {n}, pg_sleep({0.02 * (n % 3)})::text") for n in range(9)]
    found = run_divided(connection, urls.application, tasks, 3, told.append)
    assert [row[0] for row in found] == [*range(9)]
    assert told == [1] * 9


def test_all_see_the_snapshot_of_who_asked(connection: Connection, urls: Urls) -> None:
    count = "SELECT count(*) FROM iamledger.ledgers"
    before = connection.execute(count).fetchone()
    with psycopg.connect(urls.superuser) as other:
        other.execute("INSERT INTO iamledger.ledgers VALUES ('123456789012', 0, now())")
    assert run_divided(connection, urls.application, [Asks(count)] * 2, 2, lambda _: None) == [before, before]


@pytest.mark.parametrize(
    ("how", "error", "text"),
    [
        ("said", ValueError, "said"),
        ("server", psycopg.errors.DivisionByZero, "division by zero"),
        ("unportable", RuntimeError, "Unportable: one and another"),
        ("killed", WorkerEnded, "status -9"),
    ],
)
def test_what_goes_wrong_in_a_worker_goes_wrong_for_who_asked(
    connection: Connection, urls: Urls, how: str, error: type[Exception], text: str
) -> None:
    """At once: nobody waits for what another worker is doing."""
    begun = time.monotonic()
    with pytest.raises(error, match=text):
        run_divided(connection, urls.application, [Asks("SELECT pg_sleep(60)"), Fails(how)], 2, lambda _: None)
    assert time.monotonic() - begun < 30


def test_a_database_that_workers_cannot_reach(connection: Connection) -> None:
    with pytest.raises(Exception, match="nowhere"):
        run_divided(connection, "host=nowhere.invalid dbname=nowhere", [Looks()], 2, lambda _: None)


@LINUX
def test_no_secret_is_on_a_command_line(connection: Connection, urls: Urls) -> None:
    found = run_divided(connection, urls.application, [Looks(), Looks()], 2, lambda _: None)
    for pid, command in found:
        assert pid != os.getpid()
        assert b"dbname" not in command
        assert b"host" not in command


def test_few_processes_unless_more_are_asked_for() -> None:
    assert 1 <= default_jobs() <= 4


PROGRAM = """
import sys
from iamledger.replay.workers import run_divided, snapshot
from iamledger.store import connect
from test_workers import Asks
url = sys.stdin.read()
with connect(url) as connection, snapshot(connection):
    tasks = [Asks("SELECT pg_sleep(60)")] * 2
    run_divided(connection, url, tasks, 2, lambda _: print("begun", flush=True))
"""


@LINUX
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL], ids=["interrupted", "killed"])
def test_workers_end_with_the_process_that_started_them(urls: Urls, end: signal.Signals) -> None:
    """An interruption from a terminal reaches every process; a kill just the first."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    program = subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    )
    assert program.stdin
    assert program.stdout
    program.stdin.write(urls.application)
    program.stdin.close()
    assert [program.stdout.readline() for _ in range(2)] == ["begun\n"] * 2
    workers = Path(f"/proc/{program.pid}/task/{program.pid}/children").read_text().split()
    assert len(workers) >= 2
    if end is signal.SIGINT:
        os.killpg(program.pid, end)
    else:
        os.kill(program.pid, end)
    program.stdin = None  # which is closed, and communicate would flush it
    _, told = program.communicate(timeout=20)
    assert program.returncode == -end
    assert "SpawnProcess" not in told
    assert told.count("Traceback") == (1 if end is signal.SIGINT else 0)
    deadline = time.monotonic() + 10
    while any(_alive(pid) for pid in workers):
        assert time.monotonic() < deadline, "a worker is left behind"
        time.sleep(0.05)


def _alive(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False
