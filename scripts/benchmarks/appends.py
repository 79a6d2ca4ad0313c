"""Durable appends a second: ours, the library's stock recorder, and pgbench's single-row insert as the limit.

Each writer has an account of its own and appends one event at a time: a user is created, on the condition that nobody has
taken its name (one tag, three types) since the writer's last append. Both sides make the same pydantic event, the same
canonical JSON of context and data, the same two tags, and commit durably. Ours also writes what every command of the product
does: the hashes, the request's row, and a personal value (the source address) with its salt and digest, as the
application's role.
"""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from hashlib import sha256
from itertools import count
from pathlib import Path
from uuid import uuid4

import psycopg
from eventsourcing.dcb.api import DCBAppendCondition, DCBEvent, DCBQuery, DCBQueryItem

from benchmarks import filling, stock
from benchmarks.measuring import Work, commits_a_second, interleaved
from benchmarks.report import Bar, Result
from benchmarks.run import Run
from benchmarks.server import Server
from iamledger.iam import identifiers
from iamledger.iam.events import USER_NAME
from iamledger.iam.quotas import Quotas
from iamledger.iam.user import UserCreated, UserName, create_user
from iamledger.ledger import Circumstances, Ledger
from iamledger.sealing import MasterKey
from iamledger.store import Condition, Database, Match, Request, append, canonical, connect, head

WRITERS = (8, 1)
BARS = {8: 3.0, 1: 1.3}
SECONDS = 4.0
MASTER_KEY = MasterKey(bytes(32))
NAME_TYPES = [event.__name__ for event in UserName.evolves_on]


def measure(run: Run) -> Iterator[Result]:
    """Eight writers, then one; then whole commands."""
    window = SECONDS / 4 if run.quick else SECONDS
    ours, theirs = run.server.database(), run.server.database()
    filling.write(ours, filling.lives(max(WRITERS), max(WRITERS)))
    with stock.recorder(theirs, create=True):
        pass
    for writers in WRITERS:
        run.tell(f"appends, {writers} at a time")
        contenders = {
            "ours": partial(_window, run.server, our_writer, ours, writers, window),
            "stock": partial(_window, run.server, stock_writer, theirs, writers, window),
            "limit": partial(pgbench, run.server, theirs, writers, window),
        }
        if not (run.server.binaries / "pgbench").exists():
            run.tell("there is no pgbench, so there is no limit to tell")
            del contenders["limit"]
        found = interleaved(run.rounds(7), contenders)
        many = f"{writers} writers" if writers > 1 else "one writer"
        bar = Bar("ratio", "at least", BARS[writers])
        yield Result("appends", f"durable appends, {many}", "1/s", found["ours"], found["stock"], "stock recorder", bar)
        if "limit" in found:
            yield Result("appends", f"the same, {many}", "1/s", found["ours"], found["limit"], "pgbench insert")
    for writers in WRITERS:
        run.tell(f"whole commands, {writers} at a time")
        url = run.server.database()
        filling.write(url, filling.lives(max(WRITERS), max(WRITERS)))
        found = interleaved(run.rounds(5), {"ours": partial(_window, run.server, command_writer, url, writers, window)})
        many = f"{writers} writers" if writers > 1 else "one writer"
        yield Result("appends", f"whole command `user create`, {many}", "1/s", found["ours"])


_Writer = Callable[[str, int], AbstractContextManager[Work]]
"""Of a database: prepares the n-th process, and yields what makes one durable commit there."""


def _window(server: Server, writer: _Writer, url: str, writers: int, window: float) -> float:
    server.settle()
    return commits_a_second(partial(writer, url), writers, window)


@contextmanager
def our_writer(url: str, n: int) -> Iterator[Work]:
    """Appends to an account of its own through the store."""
    account_id = filling.accounts(n + 1)[n]
    with connect(url) as connection:
        after = head(connection, account_id).position

        def commit() -> None:
            nonlocal after
            event = _user_created()
            request_id = str(uuid4())
            wishes = {"decision": "create_user", "wishes": {"name": event.user_name}, "actor": filling.ACTOR.told()}
            appended = append(
                connection,
                account_id,
                [filling.stored(event)],
                context=filling.context(request_id),
                request=Request(request_id, sha256(canonical(wishes)).hexdigest()),
                condition=Condition([Match([USER_NAME.of(event.user_name)], NAME_TYPES)], after),
            )
            after = appended.last

        yield commit


@contextmanager
def stock_writer(url: str, _n: int) -> Iterator[Work]:
    """Appends the same through the stock recorder."""
    with stock.recorder(url, create=False) as recorder:
        after = recorder.read(limit=1).head or 0

        def commit() -> None:
            nonlocal after
            event = _user_created()
            context = dict(filling.context(str(uuid4())).entries)
            data = canonical({"context": context, "data": event.model_dump(mode="json")})
            boundary = DCBQuery([DCBQueryItem(NAME_TYPES, [USER_NAME.of(event.user_name)])])
            after = recorder.append(
                [DCBEvent(type(event).__name__, data, event.ledger_tags())], DCBAppendCondition(boundary, after)
            )

        yield commit


@contextmanager
def command_writer(url: str, n: int) -> Iterator[Work]:
    """Creates users as the command line does: reads the boundary, counts for the quota, decides, appends."""
    database = Database(url)
    ledger = Ledger(
        database,
        filling.accounts(n + 1)[n],
        Circumstances(filling.ACTOR, reason="quarterly rotation", ticket="SEC-1234", source_address="203.0.113.17"),
        master_key=lambda: MASTER_KEY,
        quotas=Quotas(users_per_account=10**9),
    )
    yield lambda: ledger.execute(create_user, name=_name(), path="/engineering/")
    database.close()


def pgbench(server: Server, url: str, writers: int, window: float) -> float:
    """Single-row inserts of the same payload, without anything else, from C."""
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute("CREATE TABLE IF NOT EXISTS bench_rows (id bigserial PRIMARY KEY, payload text NOT NULL)")
    server.settle()
    payload = "x" * filling.payload_size(filling.stored(_user_created()), filling.context(str(uuid4())))
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        script.write(f"INSERT INTO bench_rows (payload) VALUES ('{payload}');\n")
        script.flush()
        command: list[str | Path] = [
            server.binaries / "pgbench",
            "--no-vacuum",
            "--protocol=prepared",
            f"--client={writers}",
        ]
        command += [f"--jobs={min(writers, 2)}", f"--time={max(1, round(window))}", f"--file={script.name}", url]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = re.search(r"tps = ([0-9.]+) \(without initial connection time\)", done.stdout)
    assert found is not None, done.stdout
    return float(found[1])


def _user_created() -> UserCreated:
    return UserCreated(
        user_id=identifiers.unique_id("AIDA", os.urandom(11)), user_name=_name(), path="/engineering/", tags=[]
    )


_numbers = count()


def _name() -> str:
    """A name that nobody has, of a fixed length."""
    return f"user-{next(_numbers):08}-{os.urandom(4).hex()}"
