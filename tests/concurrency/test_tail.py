"""Readers that tail a ledger while four processes write to it: they miss nothing, and see no position before its time."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from itertools import count
from random import Random
from typing import Any

import pytest
from eventsourcing.dcb.api import DCBSequencedEvent

from conftest import ACCOUNT, Urls
from iamledger import store
from iamledger.store import Context, Database, NewEvent, Request
from iamledger.store.canonical import parse
from iamledger.store.recorder import Recorder

WRITERS = 4
EVENTS = 100_000
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["iamledger.store.recorder", "pytest"])


def write(url: str, writer: int, events: int) -> int:
    """Append so many events, from one to a hundred at a time; returns the last position."""
    random, numbers, last = Random(writer), iter(range(events)), 0
    with store.connect(url) as connection:
        while batch := [n for _, n in zip(range(random.randint(1, 100)), numbers, strict=False)]:
            request = Request(f"{writer}-{batch[0]}", "-")
            told = [NewEvent("Counted", {"writer": writer, "n": n}, [f"writer:{writer}"]) for n in batch]
            appended = store.append(connection, ACCOUNT, told, context=Context(), request=request)
            assert appended.last - appended.first + 1 == len(batch)
            assert appended.first > last
            last = appended.last
    return last


class Tail:
    """What a reader has seen so far."""

    def __init__(self) -> None:
        self.last = 1  # the ledger's first event, which opened it
        self.numbers = [count() for _ in range(WRITERS)]

    def see(self, position: int, data: Any) -> None:
        """The next event, which must be the very next one, and its writer's next one."""
        assert position == self.last + 1
        assert data["n"] == next(self.numbers[data["writer"]])
        self.last = position


def by_reading(url: str, writing: list[Future[int]], expected: int) -> int:
    """Read what comes after the last position, all of it or a part, or up to a head that was just seen."""
    tail, random = Tail(), Random(0)
    with store.connect(url) as connection:
        while tail.last < expected:
            done = all(future.done() for future in writing)
            before = tail.last
            if random.random() < 0.5:
                head = store.head(connection, ACCOUNT).position
                assert head >= tail.last
                events: Iterator[store.RecordedEvent] = store.stream(connection, ACCOUNT, after=tail.last, upto=head)
            else:
                head = 0
                events = iter(store.read(connection, ACCOUNT, after=tail.last, limit=random.choice([None, 10, 1000])))
            for event in events:
                tail.see(event.position, event.data)
            assert tail.last >= head, "an event below the head was missing"
            assert not (done and tail.last == before), "all has been written, and the reader found no more"
    return tail.last


def by_subscribing(subscription: Iterable[DCBSequencedEvent], expected: int) -> int:
    """Follow a subscription, as an application of the `eventsourcing` library does."""
    tail = Tail()
    for found in subscription:
        tail.see(found.position, parse(found.event.data))
        if tail.last == expected:
            break
    return tail.last


@pytest.mark.parametrize("events", [4_000, pytest.param(EVENTS, marks=pytest.mark.slow)])
def test_a_reader_that_tails_misses_nothing(urls: Urls, database: Database, events: int) -> None:
    opening = [NewEvent("Opened", {})]
    store.append(database.connection, ACCOUNT, opening, context=Context(), request=Request("0", "-"), opens=True)
    expected = 1 + events
    with (
        ThreadPoolExecutor(2) as threads,
        Recorder(database, ACCOUNT, Context()).subscribe(after=1) as subscription,
        ProcessPoolExecutor(WRITERS, mp_context=PROCESSES) as processes,
    ):
        writing = [processes.submit(write, urls.application, writer, events // WRITERS) for writer in range(WRITERS)]
        reading = threads.submit(by_reading, urls.application, writing, expected)
        subscribed = threads.submit(by_subscribing, subscription, expected)
        assert max(future.result() for future in writing) == expected
        assert reading.result() == expected
        assert subscribed.result() == expected
    assert store.head(database.connection, ACCOUNT).position == expected
