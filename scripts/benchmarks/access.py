"""`iamledger can` as a whole process; and who-can in an account as full as IAM lets it be.

Policies differ: each has one to three statements about a few actions and one bucket. Beside who-can, every user is asked in
turn, by what answers `can`: some of them, and as many times as there are users.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from random import Random

from benchmarks import filling
from benchmarks.grants import ACTIONS
from benchmarks.measuring import interleaved, seconds
from benchmarks.mix import SEED
from benchmarks.report import Bar, Result
from benchmarks.review import GROUPS, POLICIES, USERS, granted
from benchmarks.run import Run
from benchmarks.startup import process, small_account
from iamledger.access import compiled
from iamledger.access.answers import decide
from iamledger.access.compiled import access_of
from iamledger.access.grants import READS
from iamledger.access.questions import Question, named_principal
from iamledger.access.who_can import ALLOWED, who_can
from iamledger.engine.view import View, open_view
from iamledger.iam.events import Event
from iamledger.store import Connection, connect
from iamledger_projections import projections

EVENTS = 200_000
BUCKETS = 1000
ASKED = 50
"""So many users are asked in turn."""
FEW = Question("s3:GetObject", "arn:aws:s3:::bucket-7/2026/q3.csv")
EVERYBODY = Question("s3:ListBucket", "arn:aws:s3:::shared")


def measure(run: Run) -> Iterator[Result]:
    """The process, then the account; nothing is kept from one round to the next."""
    yield from _whole_process(run)
    events = run.size(EVENTS)
    sizes = run.size(USERS), run.size(GROUPS), run.size(POLICIES)
    run.tell(f"writing {events:,} events about policies")
    (account_id,) = filling.accounts(1)
    url = run.server.database()
    filling.write(url, {account_id: islice(varied(granted(account_id, *sizes)), events)})
    run.build(url)
    with connect(url) as connection:
        contenders = {
            "few": partial(_who_can, run, connection, account_id, FEW),
            "everybody": partial(_who_can, run, connection, account_id, EVERYBODY),
            "each": partial(_each, connection, account_id, FEW),
        }
        interleaved(1, contenders)
        found = interleaved(run.rounds(7), contenders)
    run.server.drop(url)
    what = f"who-can, {sizes[0]:,} users, {sizes[1]:,} groups, {sizes[2]:,} policies"
    each = f"each asked in turn, of {ASKED} times {sizes[0] // ASKED}"
    yield Result("access", what, "ms", found["few"], bar=Bar("value", "at most", 1000))
    faster = [1000 / ms for ms in found["few"]]
    slower = [1000 / ms for ms in found["each"]]
    yield Result("access", "answers of who-can a second", "1/s", faster, slower, each, Bar("ratio", "at least", 50))
    all_ = "who-can, where nearly all may"
    yield Result("access", all_, "ms", found["everybody"], bar=Bar("value", "at most", 1000))


def _whole_process(run: Run) -> Iterator[Result]:
    program, settings = Path(sys.executable).with_name("iamledger"), small_account(run)
    run.tell("starting processes of `iamledger can`")
    contenders = {
        "can": partial(process, settings, program, "can", "user-7", "s3:GetObject", "arn:aws:s3:::user-7/key"),
        "psycopg": partial(process, settings, sys.executable, "-c", "import psycopg"),
    }
    interleaved(2, contenders)
    found = interleaved(run.rounds(25), contenders)
    what, bar = "`iamledger can`, an allowed user", Bar("ratio", "at most", 4.0)
    yield Result("access", what, "ms", found["can"], found["psycopg"], "import psycopg", bar)


def _who_can(run: Run, connection: Connection, account_id: str, asked: Question) -> float:
    """Opening the view, reading, compiling, deciding."""
    found: list[object] = []

    def ask() -> None:
        with _view(connection, account_id) as view:
            found.extend(who for who in who_can(access_of(view), asked, view.time) if who.access == ALLOWED)

    compiled.forget()
    took = seconds(ask) * 1000
    run.tell(f"{len(found):,} may {asked.action}: {took:.0f} ms")
    return took


def _each(connection: Connection, account_id: str, asked: Question) -> float:
    """What it would take to ask all users, each by its own reading, as `can` does."""

    def ask(view: View, names: Iterable[str]) -> None:
        for name in names:
            decide(view, named_principal(view, name), asked)

    compiled.forget()
    with _view(connection, account_id) as view:
        rows = view.rows("SELECT user_name FROM {users} ORDER BY user_id")
        some = [row["user_name"] for row in rows[:: max(1, len(rows) // ASKED)]][:ASKED]
        return seconds(partial(ask, view, some)) * 1000 * len(rows) / len(some)


def _view(connection: Connection, account_id: str):  # type: ignore[no-untyped-def]
    return open_view(connection, account_id, [projections()[name] for name in READS])


def varied(events: Iterable[Event]) -> Iterator[Event]:
    """The same events, with policies that differ; and every inline policy of a group lets list a bucket."""
    random = Random(SEED)
    for event in events:
        if hasattr(event, "document"):
            everybody = type(event).__name__ == "GroupPolicyPut"
            yield event.model_copy(update={"document": _document(random, everybody)})
        else:
            yield event


def _document(random: Random, everybody: bool) -> str:
    statements = [
        {
            "Effect": "Allow",
            "Action": random.sample(ACTIONS, random.randint(1, 3)),
            "Resource": f"arn:aws:s3:::bucket-{random.randrange(BUCKETS)}/*",
        }
        for _ in range(random.randint(1, 3))
    ]
    if everybody:
        statements.append({"Effect": "Allow", "Action": "s3:List*", "Resource": "arn:aws:s3:::shared"})
    return json.dumps({"Version": "2012-10-17", "Statement": statements})
