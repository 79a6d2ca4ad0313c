"""Rounds, windows and memory: how things are measured, whatever they are."""

from __future__ import annotations

import gc
import os
import resource
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from multiprocessing import get_context
from multiprocessing.queues import SimpleQueue
from multiprocessing.synchronize import Barrier
from pathlib import Path
from time import monotonic, perf_counter
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
Work = Callable[[], object]
Writer = Callable[[int], AbstractContextManager[Work]]
"""Prepares the n-th process, and yields what makes one durable commit."""

WARM_UP = 50
"""Commits of each writer before its window opens."""
BARRIER_SECONDS = 60.0


def interleaved(rounds: int, contenders: Mapping[str, Callable[[], float]]) -> dict[str, list[float]]:
    """What each contender measures, a round at a time: A B C A B C ..."""
    measured: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, measure in contenders.items():
            gc.collect()
            measured[name].append(measure())
    return measured


def seconds(work: Work) -> float:
    """How long it takes."""
    begun = perf_counter()
    work()
    return perf_counter() - begun


def commits_a_second(writer: Writer, writers: int, window: float) -> float:
    """Commits that so many processes complete in a window of so many seconds, which opens when all are ready."""
    context = get_context("fork")
    barrier, results = context.Barrier(writers), context.SimpleQueue()
    processes = [context.Process(target=_write, args=(writer, n, window, barrier, results)) for n in range(writers)]
    for process in processes:
        process.start()
    counts: list[int | str] = [results.get() for _ in processes]
    for process in processes:
        process.join()
    failures = [count for count in counts if isinstance(count, str)]
    if failures:
        raise RuntimeError("a writer failed:\n" + min(failures, key=lambda told: "BrokenBarrierError" in told))
    return sum(count for count in counts if isinstance(count, int)) / window


def _write(writer: Writer, n: int, window: float, barrier: Barrier, results: SimpleQueue[int | str]) -> None:
    try:
        with writer(n) as commit:
            for _ in range(WARM_UP):
                commit()
            barrier.wait(BARRIER_SECONDS)
            end, count = monotonic() + window, 0
            while True:
                commit()
                if monotonic() > end:
                    break
                count += 1
        results.put(count)
    except BaseException:
        barrier.abort()
        results.put(traceback.format_exc())


def in_child(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Do it in a fresh Python process, whose memory is its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work, *args, **kwargs).result()


def peak_memory() -> float:
    """The most memory that this process has had, in MB.

    Not ru_maxrss where that can be helped: Linux counts in it what the parent had when it forked.
    """
    with_unit = _status("self").get("VmHWM")
    if with_unit is not None:
        return with_unit
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def resident_memory() -> float | None:
    """The memory that this process has now, in MB; None where that cannot be told."""
    return _status("self").get("VmRSS")


class SeenMemory:
    """The most memory that a server process, or a family of processes, was seen to have, in MB; None if nobody can tell."""

    def __init__(self) -> None:
        self.peak: float | None = None

    def look(self, pid: int) -> None:
        """Look now. Shared buffers are the server's, not this process's, and do not count."""
        now = _status(str(pid)).get("RssAnon")
        if now is not None:
            self.peak = max(self.peak or 0.0, now)


@contextmanager
def watched(pid: int, every: float = 0.02) -> Iterator[SeenMemory]:
    """Watch the server process of a connection, if it is on this machine, while something runs."""
    memory, done = SeenMemory(), threading.Event()

    def watch() -> None:
        while not done.wait(every):
            memory.look(pid)

    thread = threading.Thread(target=watch, daemon=True)
    local = b"postgres" in _command(pid)
    if local:
        thread.start()
    try:
        yield memory
    finally:
        done.set()
        if local:
            thread.join()


@contextmanager
def watched_family(every: float = 0.2) -> Iterator[SeenMemory]:
    """Watch the memory of this process and of all that it starts, together; what they share counts once."""
    memory, done = SeenMemory(), threading.Event()

    def watch() -> None:
        while not done.wait(every):
            shares = [_share(process) for process in _family(os.getpid())]
            if any(shares):
                memory.peak = max(memory.peak or 0.0, sum(shares))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield memory
    finally:
        done.set()
        thread.join()


def _family(pid: int) -> list[int]:
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return [pid]
    return [pid, *(member for child in children for member in _family(int(child)))]


def _share(pid: int) -> float:
    """A process's memory, in MB; what several processes share is divided between them."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:"))


def _status(process: str) -> dict[str, float]:
    """What /proc says of a process's memory, in MB."""
    found: dict[str, Any] = {}
    try:
        for line in Path(f"/proc/{process}/status").read_text().splitlines():
            name, _, value = line.partition(":")
            if value.endswith(" kB"):
                found[name] = int(value[:-3]) / 1024
    except OSError:
        pass
    return found


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""
