"""Rebuilding every projection, with its indexes and the swap, against the library's one transaction an event."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from time import perf_counter

import psycopg
from eventsourcing.persistence import Tracking

from benchmarks import stock
from benchmarks.measuring import in_child, interleaved, peak_memory, resident_memory, watched
from benchmarks.report import Bar, Result
from benchmarks.run import Ledgers, Run, all_projections
from iamledger.engine.compile import Table
from iamledger.engine.rebuild import rebuild
from iamledger.engine.rebuild_all import rebuild_all
from iamledger.store import RecordedEvent, connect, read

EVENTS, FEWER, ACCOUNTS = 1_000_000, 100_000, 50
STOCK_EVENTS = 20_000
CLIENT_MB = 80
GROWTH = 1.05
"""What counts as no growth of the client's memory."""


@dataclass(frozen=True)
class Built:
    """What a rebuild of all projections took."""

    seconds: float
    before: float | None
    client: float
    backend: float | None
    temporary: float = 0
    """All memory in MB."""


def measure(run: Run) -> Iterator[Result]:
    """Speed on one connection and on two, and memory against the number of events."""
    many, few = run.ledgers(EVENTS, ACCOUNTS), run.ledgers(FEWER, ACCOUNTS)
    sample = _sample(many, run.size(STOCK_EVENTS))
    built: dict[str, list[Built]] = {"many": [], "few": []}
    run.tell(f"rebuilding; the stock way with {len(sample):,} events")
    found = interleaved(
        run.rounds(5),
        {
            "one": partial(_one_connection, run, many, built["many"]),
            "stock": partial(_stock_way, run, sample),
            "two": partial(_two_connections, run, many),
            "few": partial(_one_connection, run, few, built["few"]),
        },
    )
    size, way = f"{many.events:,} events, {ACCOUNTS} accounts", "a transaction an event"
    ratio, speed = Bar("ratio", "at least", 50), Bar("value", "at least", 100_000)
    yield Result("rebuild", f"rebuild, {size}, one at a time", "events/s", found["one"], found["stock"], way, ratio)
    yield Result("rebuild", "the same, as a speed", "events/s", found["one"], bar=speed)
    yield Result("rebuild", "the same, two at a time", "events/s", found["two"], found["stock"], way, ratio)
    yield Result("rebuild", "the same, as a speed", "events/s", found["two"], found["one"], "one at a time", bar=speed)
    yield from _memory(built["many"], built["few"], f"{few.events:,}")


def _memory(many: list[Built], few: list[Built], fewer: str) -> Iterator[Result]:
    def result(what: str, name: str, bar: Bar | None = None) -> Result:
        ours, peer = [getattr(b, name) for b in many], [getattr(b, name) for b in few]
        return Result("rebuild", what, "MB", ours, peer if all(peer) else (), f"with {fewer} events", bar)

    peak = [b.client for b in many]
    yield Result("rebuild", "peak memory of the client", "MB", peak, bar=Bar("value", "at most", CLIENT_MB))
    yield result("the same, growth", "client", Bar("ratio", "at most", GROWTH))
    if all(b.before is not None for b in many):
        yield result("the client before it rebuilds", "before")
    if all(b.backend is not None for b in many):
        yield result("peak private memory of its server process", "backend")
    yield result("temporary files", "temporary")


def _one_connection(run: Run, ledgers: Ledgers, built: list[Built]) -> float:
    run.server.settle()
    before = run.server.temporary_bytes(ledgers.url)
    one = in_child(build, ledgers.url)
    written = (run.server.temporary_bytes(ledgers.url) - before) / 2**20
    built.append(Built(one.seconds, one.before, one.client, one.backend, written))
    return ledgers.events / one.seconds


def build(url: str) -> Built:
    """Rebuild all projections in this process, on one connection."""
    with connect(url) as connection:
        before = resident_memory()
        with watched(connection.info.backend_pid) as backend:
            begun = perf_counter()
            for projection in all_projections():
                rebuild(connection, projection)
            took = perf_counter() - begun
    return Built(took, before, peak_memory(), backend.peak)


def _two_connections(run: Run, ledgers: Ledgers) -> float:
    run.server.settle()
    begun = perf_counter()
    rebuild_all(ledgers.url, all_projections(), 2)
    return ledgers.events / (perf_counter() - begun)


def _sample(ledgers: Ledgers, events: int) -> list[RecordedEvent]:
    """The first events of every ledger, in turns."""
    each = events // len(ledgers.accounts)
    with connect(ledgers.url) as connection:
        firsts = [read(connection, account_id, upto=each) for account_id in ledgers.accounts]
    return [event for turn in zip(*firsts, strict=True) for event in turn]


def _stock_way(run: Run, events: list[RecordedEvent]) -> float:
    """One transaction for all projections. Reading the events is not counted; the range index comes last, as ours does."""
    url = run.server.database()
    tables = [Table(projection, 1) for projection in all_projections()]
    with stock.rows_recorder(url, tables) as recorder:
        run.server.settle()
        begun = perf_counter()
        for number, event in enumerate(events, 1):
            recorder.process(event, Tracking("iamledger", number))
        with psycopg.connect(url, autocommit=True) as admin:
            for table in tables:
                admin.execute(table.index_past())
        took = perf_counter() - begun
    run.server.drop(url)
    return len(events) / took
