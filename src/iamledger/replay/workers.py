"""Tasks that read one snapshot of the database, divided over processes.

Each worker process has a connection and a transaction of its own. What it needs, also the database's URL, comes through a
pipe, so that no secret is on a command line. Workers end with the process that started them, whatever ends it.
"""

from __future__ import annotations

import gc
import os
import pickle
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import connection as pipes
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection as Pipe
from multiprocessing.context import SpawnProcess
from typing import Any, Protocol

from iamledger.store import Connection, StoreError, connect, translated

MOST_JOBS = 4
"""Workers that are started unless more are asked for: each takes memory, and the server works beside them."""


class WorkerEnded(StoreError):
    """A worker process ended before its work was done; something killed it."""


class Task(Protocol):
    """Something to be done in a transaction. It goes through a pipe, and so does what comes of it."""

    def run(self, connection: Connection, tell: Callable[[int], None], /) -> Any:
        """Do it; `tell` is told, now and then, how much was done since."""


def default_jobs() -> int:
    """As many processes as this one may use processors, but not many."""
    available = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(available, MOST_JOBS)


@contextmanager
def snapshot(connection: Connection) -> Iterator[None]:
    """A transaction that only reads, and sees one moment. Its sorts and joins have memory enough for a million events."""
    with translated():
        row = connection.execute("SELECT pg_size_bytes(current_setting('work_mem')) < 2 ^ 25").fetchone()
    with translated(), connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        if row == (True,):
            connection.execute("SET LOCAL work_mem = '32MB'")
        yield


def run_here(connection: Connection, tasks: Sequence[Task], tell: Callable[[int], None]) -> list[Any]:
    """Do the tasks one after the other, within a `snapshot`."""
    return [task.run(connection, tell) for task in tasks]


def run_divided(
    connection: Connection, url: str, tasks: Sequence[Task], jobs: int, tell: Callable[[int], None]
) -> list[Any]:
    """Do the tasks in so many processes, which see the snapshot of `connection`; begin with the first ones.

    Returns what came of them, in their order. Raises what a task raised, or `WorkerEnded`.
    """
    row = connection.execute("SELECT pg_export_snapshot()").fetchone()
    assert row is not None
    with _started(min(jobs, len(tasks)), url, row[0]) as workers:
        return _shared_out(workers, tasks, tell)


def _shared_out(workers: dict[Pipe, SpawnProcess], tasks: Sequence[Task], tell: Callable[[int], None]) -> list[Any]:
    """Give every worker a task, and another whenever one is done."""
    waiting = list(enumerate(tasks))[::-1]
    results: dict[int, Any] = {}
    busy: dict[Pipe, int] = {}
    for pipe in workers:
        busy[pipe] = _give(pipe, waiting)
    while busy:
        ready = pipes.wait(list(busy))
        for pipe in [pipe for pipe in busy if pipe in ready]:
            try:
                kind, told = pipe.recv()
            except (EOFError, ConnectionError):
                workers[pipe].join()
                raise WorkerEnded(f"a worker process ended with status {workers[pipe].exitcode}") from None
            match kind:
                case "told":
                    tell(told)
                case "raised":
                    raise told
                case _:
                    results[busy.pop(pipe)] = told
                    if waiting:
                        busy[pipe] = _give(pipe, waiting)
    return [results[number] for number in range(len(tasks))]


def _give(pipe: Pipe, waiting: list[tuple[int, Task]]) -> int:
    number, task = waiting.pop()
    with suppress(ConnectionError):  # of a worker that has ended; that is told when its answer is waited for
        pipe.send(task)
    return number


@contextmanager
def _started(count: int, url: str, snapshot_id: str) -> Iterator[dict[Pipe, SpawnProcess]]:
    """Worker processes, by the pipes to them; ended afterwards, however that comes."""
    context = get_context("spawn")
    workers: dict[Pipe, SpawnProcess] = {}
    try:
        for _ in range(count):
            ours, theirs = context.Pipe()
            worker = context.Process(target=_work, args=(theirs, url, snapshot_id), daemon=True)
            with _not_interrupted():
                worker.start()
            workers[ours] = worker
            theirs.close()
        yield workers
    finally:
        for worker in workers.values():
            worker.terminate()
        for pipe, worker in workers.items():
            worker.join()
            pipe.close()


@contextmanager
def _not_interrupted() -> Iterator[None]:
    """Interruptions wait. A process that is started in the meantime never sees one: whoever started it ends it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _work(pipe: Pipe, url: str, snapshot_id: str) -> None:
    """What a worker process does: tasks, until it is ended."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    gc.disable()  # there are no cycles to find among hundreds of thousands of rows, but a sixth of the time to lose
    try:
        with connect(url) as connection, snapshot(connection):
            connection.execute(f"SET TRANSACTION SNAPSHOT '{snapshot_id}'")
            while True:
                pipe.send(("done", pipe.recv().run(connection, lambda done: pipe.send(("told", done)))))
    except (EOFError, ConnectionError):
        pass  # nobody waits for an answer any more
    except Exception as error:
        pipe.send(("raised", _portable(error)))


def _portable(error: Exception) -> Exception:
    """The error, if it can go through a pipe and back; else what it says."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


def _end_with_parent() -> None:
    """Without this, a worker whose server is busy would outlive a parent that was killed."""
    parent = parent_process()
    assert parent is not None
    pipes.wait([parent.sentinel])
    os._exit(1)
