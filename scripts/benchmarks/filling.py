"""Writes made-up ledgers through the store, and tells what they are made of.

Events go in by the thousand, for speed, with everything that the store does switched on; accounts take turns.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from uuid import UUID

from benchmarks.mix import Life
from iamledger.actors import LocalOperator
from iamledger.iam.events import Event
from iamledger.store import Context, NewEvent, Request, append, canonical, connect

BATCH = 1000
SAMPLED = 100  # batches that are looked at to tell what the ledgers are made of
ACTOR = LocalOperator("bench", "iamledger_app")


@dataclass
class Contents:
    """What a ledger is made of, by type of event."""

    events: Counter[str] = field(default_factory=Counter)
    payload: Counter[str] = field(default_factory=Counter)
    """Bytes of the canonical JSON of context and data, personal values in their place."""
    tags: Counter[str] = field(default_factory=Counter)

    def note(self, event: NewEvent) -> None:
        """Count one more."""
        self.events[event.type] += 1
        self.payload[event.type] += payload_size(event, context("request"))
        self.tags[event.type] += len(event.tags)

    def rows(self) -> list[tuple[str, ...]]:
        """As a table: share, payload and tags of each type, the most frequent first, and of all."""
        rows: list[tuple[str, ...]] = [("event", "share", "payload, bytes", "tags")]
        for type_, count in [*self.events.most_common(), ("all", self.events.total())]:
            of_all = type_ == "all"
            payload = self.payload.total() if of_all else self.payload[type_]
            tags = self.tags.total() if of_all else self.tags[type_]
            share = count / self.events.total()
            rows.append((type_, f"{share:.1%}", f"{payload / count:.0f}", f"{tags / count:.1f}"))
        return rows


def stored(event: Event) -> NewEvent:
    """An event in the form in which the ledger shell hands it to the store."""
    return NewEvent(
        type(event).__name__, event.model_dump(mode="json"), event.ledger_tags(), personal=event.personal_fields()
    )


def context(request_id: str) -> Context:
    """Who, why and from where: five entries, of which one is personal."""
    return Context(
        {
            "actor": ACTOR.told(),
            "request_id": request_id,
            "reason": "quarterly rotation",
            "ticket": "SEC-1234",
            "source_address": "203.0.113.17",
        },
        personal=("source_address",),
    )


def payload_size(event: NewEvent, its_context: Context) -> int:
    """Bytes of the canonical JSON of context and data."""
    return len(canonical({"context": dict(its_context.entries), "data": event.data}))


def accounts(count: int) -> list[str]:
    """The numbers of so many accounts."""
    return [f"{100_000_000_000 + n}" for n in range(count)]


def lives(count: int, events: int) -> dict[str, Iterator[Event]]:
    """So many accounts, with so many events in all, by the fixed mix."""
    return {account_id: islice(Life(account_id), events // count) for account_id in accounts(count)}


def write(url: str, ledgers: Mapping[str, Iterable[Event]]) -> Contents:
    """Write these ledgers, a batch of each in turn."""
    contents = Contents()
    remaining = {account_id: iter(events) for account_id, events in ledgers.items()}
    opened: set[str] = set()
    number = 0
    with connect(url) as connection:
        while remaining:
            for account_id in list(remaining):
                batch = [stored(event) for event in islice(remaining[account_id], BATCH)]
                if not batch:
                    del remaining[account_id]
                    continue
                number += 1
                request_id = str(UUID(int=number))
                append(
                    connection,
                    account_id,
                    batch,
                    context=context(request_id),
                    request=Request(request_id, "0" * 64),
                    opens=account_id not in opened,
                )
                opened.add(account_id)
                if number <= SAMPLED:
                    for event in batch:
                        contents.note(event)
    return contents
