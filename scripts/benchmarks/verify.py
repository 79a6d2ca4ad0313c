"""`audit replay --verify` of one ledger: hashes, order and root alone; and every row of every projection compared.

Beside each stands the least that anything in Python must do to the same ledger, divided over as many processes: calls into C
alone, which read, parse and hash what the check reads, and compare nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from time import perf_counter

import orjson

from benchmarks.measuring import SeenMemory, in_child, interleaved, watched_family
from benchmarks.report import Bar, Result
from benchmarks.run import Ledgers, Run, live
from iamledger.engine.catchup import catch_up
from iamledger.engine.compile import Table
from iamledger.engine.verify import found_rows
from iamledger.replay import STRETCH, default_jobs, replay
from iamledger.replay.hashes import CHECKED, streamed
from iamledger.replay.reading import Reading
from iamledger.replay.rows import grouped
from iamledger.replay.workers import Task, run_divided, snapshot
from iamledger.store import Connection, connect, head

EVENTS, ACCOUNTS = 1_000_000, 1


@dataclass(frozen=True)
class Replayed:
    """What verifying took; memory is the peak of all its processes together, in MB, where that was watched."""

    seconds: float
    memory: float | None
    events: int


def measure(run: Run) -> Iterator[Result]:
    """Each time in a process of its own, which starts workers as the program does.

    Memory is watched in rounds of their own: looking at it five times a second takes a tenth of the time.
    """
    ledgers = run.ledgers(EVENTS, ACCOUNTS)
    run.build(ledgers.url)
    run.tell("verifying")
    sides = {"": verify, "least of ": read}
    found = interleaved(
        run.rounds(5),
        {
            f"{side}{what}": partial(_speed, work, ledgers, what == "rows")
            for what in ("hashes", "rows")
            for side, work in sides.items()
        },
    )
    hashes, rows = (
        [peak for _ in range(run.rounds(2)) if (peak := _memory(ledgers, rows)) is not None] for rows in (False, True)
    )
    size = f"{ledgers.events:,} events"
    for kind, what, limit in (
        ("hashes", f"replay of {size}: hashes, order, root", 100_000),
        ("rows", "the same, and every row compared", 50_000),
    ):
        least, bar = found[f"least of {kind}"], Bar("value", "at least", limit)
        yield Result("verify", what, "events/s", found[kind], least, "read, parsed, hashed", bar)
    if rows:
        yield Result("verify", "peak memory, rows compared", "MB", rows, bar=Bar("value", "at most", 250))
        yield Result("verify", "peak memory, hashes alone", "MB", hashes)


def _speed(work: Callable[[str, list[str], bool], Replayed], ledgers: Ledgers, rows: bool) -> float:
    done = in_child(work, ledgers.url, list(ledgers.accounts), rows)
    return done.events / done.seconds


def _memory(ledgers: Ledgers, rows: bool) -> float | None:
    return in_child(verify, ledgers.url, list(ledgers.accounts), rows, watched=True).memory


def verify(url: str, accounts: list[str], rows: bool, *, watched: bool = False) -> Replayed:
    """Replay every ledger as the program does, divided over processes. Nothing may be found."""
    events = 0
    with connect(url) as connection:
        tables = live(connection)
        for account_id in accounts:
            catch_up(connection, account_id, tables)
        with watched_family() if watched else nullcontext(SeenMemory()) as memory:
            begun = perf_counter()
            for account_id in accounts:
                upto = head(connection, account_id).position
                compared = tables if rows else ()
                seen = replay(connection, account_id, upto, compared, verify=True, url=url, jobs=default_jobs())
                assert not seen.findings, seen.findings
                events += seen.size
            took = perf_counter() - begun
    return Replayed(took, memory.peak, events)


def read(url: str, accounts: list[str], rows: bool) -> Replayed:
    """The least that must be done to every ledger."""
    events = 0
    with connect(url) as connection:
        tables = live(connection) if rows else ()
        begun = perf_counter()
        for account_id in accounts:
            upto = head(connection, account_id).position
            with snapshot(connection):
                tasks: list[Task] = [
                    *(_RowsRead(account_id, group, upto) for group in grouped(connection, account_id, upto, tables)),
                    *(_Hashed(account_id, after, min(after + STRETCH, upto)) for after in range(0, upto, STRETCH)),
                ]
                run_divided(connection, url, tasks, default_jobs(), lambda _done: None)
            events += upto
    return Replayed(perf_counter() - begun, None, events)


@dataclass(frozen=True, slots=True)
class _Hashed:
    """The events of a stretch: read, parsed, made canonical; hashed as body, leaf, node of the tree and personal value."""

    account_id: str
    after: int
    upto: int

    def run(self, connection: Connection, _tell: Callable[[int], None]) -> None:
        loads, dumps, hashed, sort = orjson.loads, orjson.dumps, sha256, orjson.OPT_SORT_KEYS
        stretch = {"account": self.account_id, "after": self.after, "upto": self.upto}
        for chunk in streamed(connection, CHECKED, stretch):
            for _position, leaf, _time, type_, version, tags, context, data, _personal, salt, told, data_told in chunk:
                content = {
                    "context": loads(context),
                    "data": loads(data),
                    "tags": tags,
                    "type": type_,
                    "version": version,
                }
                hashed(dumps(content, None, sort)).hexdigest()
                hashed(leaf * 6).digest()  # a leaf's entry is as long
                hashed(leaf * 2).digest()  # and so is a node
                for text in (told, data_told):
                    if salt is not None and text != "{}":
                        hashed(dumps(loads(text), None, sort)).hexdigest()


@dataclass(frozen=True, slots=True)
class _RowsRead:
    """The events that a group of projections listens to, read and parsed; and all of their rows, read and packed."""

    account_id: str
    tables: Sequence[Table]
    upto: int

    def run(self, connection: Connection, _tell: Callable[[int], None]) -> None:
        reading = Reading([table.projection for table in self.tables])
        for chunk in streamed(connection, reading.statement, reading.parameters(self.account_id, self.upto)):
            for row in chunk:
                orjson.loads(row[4])
        for table in self.tables:
            for _ in found_rows(connection, self.account_id, table, self.upto):
                pass
