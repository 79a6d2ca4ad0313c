"""The past that commands look at: what was asked for, the events that were found, and nouns folded from them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from iamledger.iam.events import Event
from iamledger.iam.nouns import Noun
from iamledger.store.events import Match

N = TypeVar("N", bound=Noun)


class Past:
    """Events of the consistency boundary, found by their tags, in the order of their positions."""

    def __init__(self, events: Iterable[tuple[int, Event]] = ()) -> None:
        self._asked: dict[str, dict[str, None]] = {}
        self._found: dict[tuple[str, type[Event]], dict[int, Event]] = {}
        self.learn(events)

    def ask(self, query: Iterable[Match]) -> list[Match]:
        """Widen the boundary by items with one tag each. Returns the part that was not asked for before."""
        new = []
        for (tag,), types in ((match.tags, match.types) for match in query):
            asked = self._asked.setdefault(tag, {})
            missing = [type_ for type_ in types if type_ not in asked]
            if missing:
                asked.update(dict.fromkeys(missing))
                new.append(Match([tag], missing))
        return new

    def boundary(self) -> list[Match]:
        """All that was asked for."""
        return [Match([tag], list(types)) for tag, types in self._asked.items()]

    def learn(self, events: Iterable[tuple[int, Event]]) -> None:
        """More events, in any order, with their positions. One that is known already is passed over."""
        for position, event in events:
            for tag in event.ledger_tags():
                self._found.setdefault((tag, type(event)), {}).setdefault(position, event)

    def fold(self, noun: type[N], subject: str) -> N:
        """What became of a noun. Costs what events of its own types do, whatever else carries its tag."""
        tag = noun.tag.of(subject)
        found = {at: event for type_ in noun.evolves_on for at, event in self._found.get((tag, type_), {}).items()}
        return noun(subject).fold(found[at] for at in sorted(found))
