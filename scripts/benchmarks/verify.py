"""`audit replay --verify` of one ledger: hashes, order and root alone; and every row of every projection compared."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from time import perf_counter

from benchmarks.measuring import SeenMemory, in_child, interleaved, watched_family
from benchmarks.report import Bar, Result
from benchmarks.run import Ledgers, Run, live
from iamledger.engine.catchup import catch_up
from iamledger.replay import default_jobs, replay
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
    found = interleaved(
        run.rounds(5), {"hashes": partial(_speed, ledgers, False), "rows": partial(_speed, ledgers, True)}
    )
    hashes, rows = (
        [peak for _ in range(run.rounds(2)) if (peak := _memory(ledgers, rows)) is not None] for rows in (False, True)
    )
    size = f"{ledgers.events:,} events"
    yield Result(
        "verify", f"replay of {size}: hashes, order, root", "events/s", found["hashes"], bar=_at_least(100_000)
    )
    yield Result("verify", "the same, and every row compared", "events/s", found["rows"], bar=_at_least(50_000))
    if rows:
        yield Result("verify", "peak memory, rows compared", "MB", rows, bar=Bar("value", "at most", 250))
        yield Result("verify", "peak memory, hashes alone", "MB", hashes)


def _at_least(limit: float) -> Bar:
    return Bar("value", "at least", limit)


def _speed(ledgers: Ledgers, rows: bool) -> float:
    done = in_child(verify, ledgers.url, list(ledgers.accounts), rows, watched=False)
    return done.events / done.seconds


def _memory(ledgers: Ledgers, rows: bool) -> float | None:
    return in_child(verify, ledgers.url, list(ledgers.accounts), rows, watched=True).memory


def verify(url: str, accounts: list[str], rows: bool, *, watched: bool) -> Replayed:
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
