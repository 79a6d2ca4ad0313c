"""given(events).when(decision, **arguments).then(events or a refusal): how decisions are tested, without a database.

What runs is the real binding. Only the store is replaced, by a list of events in their stored form, filtered by
tags and types as the store's SQL does it. New ids come from `entropy`: a decision that is made after `n` events draws
`user_id(n)` or `key_id(n)`, and repeating it draws the same again, as the ledger does when it tries again.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch

from iamledger.decisions import Bound, Decision, bind
from iamledger.engine.view import rows_begun
from iamledger.iam import identifiers
from iamledger.iam.events import Event, from_stored
from iamledger.iam.nouns import CountOf
from iamledger.iam.quotas import Quotas
from iamledger.iam.refusals import Refusal
from iamledger.past import Past
from iamledger.store.canonical import canonical, parse
from iamledger.store.events import Match, query_json
from iamledger_projections import projections

ACCOUNT = "123456789012"
NOW = datetime(2026, 11, 24, 12, 7, 30, 123456, tzinfo=UTC)


def entropy(number: int) -> bytes:
    """The random bytes of draw `number`."""
    return number.to_bytes(5, "big") + bytes(6)


def new_id(prefix: str, number: int) -> str:
    """The unique id of a kind that is drawn after so many events."""
    return identifiers.unique_id(prefix, entropy(number))


def user_id(number: int) -> str:
    """The user id that is drawn after so many events."""
    return new_id("AIDA", number)


def key_id(number: int) -> str:
    """The access key id that is drawn after so many events."""
    return identifiers.access_key_id(ACCOUNT, entropy(number))


def policy_text(size: int = 100, action: str = "s3:GetObject") -> str:
    """A valid policy document of so many characters, white space not counted; it has white space, of each kind."""
    before = f'{{\n\t"Statement": [{{"Effect": "Allow",\r\n "Action": "{action}",'
    before, after = before + ' "Resource": "arn:aws:s3:::', '"}]} '
    return before + "x" * (size - len("".join((before + after).split()))) + after


def stored(event: Event) -> Event:
    """The event as it is read back after it was stored."""
    read = from_stored(type(event).__name__, parse(canonical(event.model_dump(mode="json"))))
    assert read is not None
    return read


def matches(query: Sequence[Match], event: Event) -> bool:
    """Does the event match any item of the query? An item without types takes all of them."""
    tags = set(event.ledger_tags())
    return not query or any(
        (not item.types or type(event).__name__ in item.types) and tags.issuperset(item.tags) for item in query
    )


@dataclass(frozen=True)
class Given:
    """A past, and what the ledger supplies to decisions."""

    events: tuple[Event, ...] = ()
    now: datetime = NOW
    quotas: Quotas = field(default_factory=Quotas)
    draw: int | None = None
    """What new ids are drawn from; None for the number of events."""

    def at(self, now: datetime) -> Given:
        """The same past, seen at another time."""
        return replace(self, now=now)

    def under(self, **quotas: int) -> Given:
        """The same past under other quotas."""
        return replace(self, quotas=Quotas(**quotas))

    def followed_by(self, events: Iterable[Event]) -> Given:
        """The past after more events."""
        return replace(self, draw=None, events=(*self.events, *map(stored, events)))

    def drawing(self, number: int) -> Given:
        """The same past, with another number to draw new ids from."""
        return replace(self, draw=number)

    def when(self, decision: Decision, **arguments: Any) -> When:
        """Make a decision, and see what comes of it."""
        draw = len(self.events) if self.draw is None else self.draw
        past = Past()
        outcome: Refusal | tuple[Event, ...]
        try:
            with patch.object(os, "urandom", lambda size: entropy(draw)[:size]):
                bound = bind(decision, ACCOUNT, arguments)
            outcome = tuple(self._run(bound, past))
        except Refusal as refusal:
            outcome = refusal
        return When(self, decision, arguments, draw, outcome, past.boundary())

    def _run(self, bound: Bound, past: Past) -> list[Event]:
        """What `Ledger.execute` does between reading and appending."""
        past.learn(self._read(past.ask(bound.first_query())))
        bound.resolve_names(past)
        past.learn(self._read(past.ask(bound.second_query())))
        return bound.decide(past, now=self.now, quotas=self.quotas, count=self._count)

    def _read(self, query: Sequence[Match]) -> list[tuple[int, Event]]:
        query_json(query)  # raises for what the store would not take
        if not query:
            return []
        return [(place, event) for place, event in enumerate(self.events, 1) if matches(query, event)]

    def _count(self, wanted: CountOf) -> int:
        types = (type(event).__name__ for event in self.events)
        return rows_begun(projections()[wanted.projection], wanted.where, types)


def _told(outcome: Iterable[Event | Refusal]) -> list[tuple[str, object]]:
    return [(type(one).__name__, one.args if isinstance(one, Refusal) else one.model_dump()) for one in outcome]


@dataclass(frozen=True)
class When:
    """A decision that was made."""

    given: Given
    decision: Decision
    arguments: dict[str, Any]
    draw: int
    outcome: Refusal | tuple[Event, ...]
    boundary: Sequence[Match]

    def then(self, *expected: Event | Refusal) -> When:
        """It yielded just these events, or none, or was refused with just this code and message."""
        told = _told(self.outcome if isinstance(self.outcome, tuple) else (self.outcome,))
        assert told == _told(expected), f"the outcome was {told}, not {_told(expected)}"
        return self

    @property
    def events(self) -> tuple[Event, ...]:
        """What it yielded: nothing, if it was refused."""
        return () if isinstance(self.outcome, Refusal) else self.outcome

    @property
    def after(self) -> Given:
        """The past with what it yielded."""
        return self.given.followed_by(self.events)

    def again(self) -> When:
        """The same command once more, with the same new ids, after what came of it."""
        return self.after.drawing(self.draw).when(self.decision, **self.arguments)


def given(*events: Event) -> Given:
    """A past. Nothing has happened, if no events are given."""
    return Given().followed_by(events)
