"""`audit replay --verify` of one ledger: hashes, order and root alone; and every row of every projection compared.

Beside each stands the least that anything in Python must do to the same ledger, divided over as many processes: calls into C
alone, which read, parse and hash what the check reads, and compare nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from time import perf_counter

from benchmarks.least import Hashed, RowsRead
from benchmarks.measuring import SeenMemory, in_child, interleaved, watched_family
from benchmarks.report import Bar, Result
from benchmarks.run import Ledgers, Run, live
from iamledger.engine.catchup import catch_up
from iamledger.replay import STRETCH, default_jobs, replay
from iamledger.replay.rows import grouped
from iamledger.replay.workers import Task, run_divided, snapshot
from iamledger.store import connect, head

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
        tables = live(connection)
        for account_id in accounts:
            catch_up(connection, account_id, tables)
        compared = tables if rows else ()
        begun = perf_counter()
        for account_id in accounts:
            upto = head(connection, account_id).position
            with snapshot(connection):
                tasks: list[Task] = [
                    *(RowsRead(account_id, group, upto) for group in grouped(connection, account_id, upto, compared)),
                    *(Hashed(account_id, after, min(after + STRETCH, upto)) for after in range(0, upto, STRETCH)),
                ]
                run_divided(connection, url, tasks, default_jobs(), lambda _done: None)
            events += upto
    return Replayed(perf_counter() - begun, None, events)
