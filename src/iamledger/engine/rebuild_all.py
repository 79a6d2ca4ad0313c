"""Rebuilding several projections at once, each on a connection of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager, suppress
from queue import SimpleQueue

import psycopg

from iamledger.engine.compile import Table
from iamledger.engine.declaration import Projection
from iamledger.engine.rebuild import Progress, rebuild
from iamledger.store.connection import Connection, connect


def rebuild_all(
    url: str, projections: Sequence[Projection], jobs: int, progress: Progress = lambda _done, _of: None
) -> list[Table]:
    """Rebuild these projections, so many at a time. Returns their new generations, in the same order.

    If one cannot be rebuilt, those under way are finished, and at most one more is begun; then its error is raised.
    """
    done: dict[str, int] = {}
    with ExitStack() as opened:
        connections = [opened.enter_context(connect(url)) for _ in range(min(jobs, len(projections)))]
        idle: SimpleQueue[Connection] = SimpleQueue()
        for connection in connections:
            idle.put(connection)

        def one(projection: Projection) -> Table:
            def went_on(events: int, of: int) -> None:
                done[projection.name] = events
                progress(sum(done.values()), of * len(projections))

            connection = idle.get()
            try:
                return rebuild(connection, projection, went_on)
            finally:
                idle.put(connection)

        with _workers(connections) as workers:
            begun = {p.name: workers.submit(one, p) for p in sorted(projections, key=_effort, reverse=True)}
            for future in as_completed(begun.values()):
                future.result()
    return [begun[projection.name].result() for projection in projections]


def _effort(projection: Projection) -> int:
    """About how long it takes, compared with others: the longest is to begin first."""
    return len(projection.rules) * (1 + len(projection.columns))


@contextmanager
def _workers(connections: Sequence[Connection]) -> Iterator[ThreadPoolExecutor]:
    """A thread for each connection. An interruption cancels what they are doing on the server, too."""
    workers = ThreadPoolExecutor(len(connections))
    try:
        yield workers
    except KeyboardInterrupt:
        workers.shutdown(wait=False, cancel_futures=True)
        for connection in connections:
            with suppress(psycopg.Error):  # it may have ended by itself
                connection.cancel_safe()
        raise
    finally:
        workers.shutdown(cancel_futures=True)
