"""Catching up by one event, with every projection registered, on a warm connection."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from time import perf_counter

from benchmarks import filling
from benchmarks.mix import Life
from benchmarks.report import Bar, Result
from benchmarks.run import Run, live
from iamledger.engine.catchup import catch_up
from iamledger.store import Request, append, connect, head

EVENTS, ACCOUNTS = 1_000_000, 50
TIMES, WARM_UP = 200, 20


def measure(run: Run) -> Iterator[Result]:
    """The life of one account goes on, one event at a time; each is caught up with."""
    ledgers = run.ledgers(EVENTS, ACCOUNTS)
    run.build(ledgers.url)
    run.tell("catching up")
    account_id, took, idle = ledgers.accounts[0], [], []
    with connect(ledgers.url) as connection:
        tables, known = live(connection), head(connection, account_id).position
        life = islice(Life(account_id), ledgers.events // len(ledgers.accounts), None)
        for n, event in enumerate(islice(life, WARM_UP + (run.rounds_asked or TIMES))):
            request = Request(f"catch-up-{known}-{n}", "0" * 64)
            append(
                connection, account_id, [filling.stored(event)], context=filling.context(request.id), request=request
            )
            begun = perf_counter()
            catch_up(connection, account_id, tables)
            caught_up = perf_counter()
            catch_up(connection, account_id, tables)
            if n >= WARM_UP:
                took.append((caught_up - begun) * 1000)
                idle.append((perf_counter() - caught_up) * 1000)
    what = f"catch-up by one event, {len(tables)} projections"
    yield Result("catchup", what, "ms", took, bar=Bar("value", "at most", 10))
    yield Result("catchup", "the same with nothing new", "ms", idle)
