"""Rebuilding several projections at once, each on a connection of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager, suppress
from queue import SimpleQueue
from threading import Event, Thread

import psycopg

from iamledger.engine.compile import Table
from iamledger.engine.declaration import Projection
from iamledger.engine.rebuild import Progress, rebuild
from iamledger.store.connection import Connection, connect

CANCEL_SECONDS = 0.5


def rebuild_all(
    url: str, projections: Sequence[Projection], jobs: int, progress: Progress = lambda _done, _of: None
) -> list[Table]:
    """Rebuild these projections, so many at a time. Returns their new generations, in the same order.

    If one cannot be rebuilt, those under way are finished and no other is begun; then its error is raised. An interruption
    ends those under way, too.
    """
    if not projections:
        return []
    stop = Event()
    done: dict[str, int] = {}
    with ExitStack() as opened:
        connections = [opened.enter_context(connect(url)) for _ in range(min(jobs, len(projections)))]
        idle: SimpleQueue[Connection] = SimpleQueue()
        for connection in connections:
            idle.put(connection)

        def one(projection: Projection) -> Table | None:
            def went_on(events: int, of: int) -> None:
                done[projection.name] = events
                progress(sum(done.values()), of * len(projections))

            connection = idle.get()
            try:
                return None if stop.is_set() else rebuild(connection, projection, went_on)
            except BaseException:
                stop.set()
                raise
            finally:
                idle.put(connection)

        with _workers(connections, stop) as workers:
            begun = {p.name: workers.submit(one, p) for p in sorted(projections, key=_effort, reverse=True)}
            for future in as_completed(begun.values()):
                future.result()
    tables = [begun[projection.name].result() for projection in projections]
    return [table for table in tables if table is not None]


def _effort(projection: Projection) -> int:
    """About how long it takes, compared with others: the longest is to begin first."""
    return len(projection.rules) * (1 + len(projection.columns))


@contextmanager
def _workers(connections: Sequence[Connection], stop: Event) -> Iterator[ThreadPoolExecutor]:
    """A thread for each connection. An interruption ends what they are doing on the server, too."""
    workers = ThreadPoolExecutor(len(connections))
    try:
        yield workers
    except KeyboardInterrupt:
        stop.set()
        workers.shutdown(wait=False, cancel_futures=True)
        _cancel(connections, workers)
        raise
    finally:
        stop.set()
        workers.shutdown(cancel_futures=True)


def _cancel(connections: Sequence[Connection], workers: ThreadPoolExecutor) -> None:
    """Cancel what the server does, again and again until every thread has ended: one may be between two statements.

    Between the times, a rebuild that was cancelled removes what it had begun.
    """
    ended = Event()

    def wait() -> None:
        workers.shutdown()
        ended.set()

    Thread(target=wait, daemon=True).start()
    while True:
        for connection in connections:
            with suppress(psycopg.Error):  # it may have ended by itself
                connection.cancel_safe()
        if ended.wait(CANCEL_SECONDS):
            return
