"""Differences in few rows: actions that differ alike are told together, with the exceptions that some of them have."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from iamledger.policy.comparing.meanings import Meant
from iamledger.policy.comparing.naming import Name
from iamledger.policy.patterns import Pattern
from iamledger.policy.requests import Request

_MOST_WORDS = 3
"""Actions of an exception are told by those that it is not about, if they are more than so many, and those are fewer."""


class ToldActions(NamedTuple):
    """A pattern of actions, how many actions it means, and the exceptions among them (see `Difference.but_for`)."""

    pattern: str
    actions: int
    but_for: tuple[str, ...]


@dataclass
class Row:
    """Actions that are told together, each with its exceptions, and a request that shows it."""

    name: Name
    witness: Request
    exceptions: dict[str, tuple[str, ...]] = field(default_factory=dict)


class Telling:
    """Gathers differences, and tells them."""

    def __init__(self, meant: Meant, patterns: Sequence[Pattern]) -> None:
        self._meant, self._patterns = meant, patterns
        self._names: dict[Name, dict[tuple[str, ...], list[tuple[tuple[str, ...], Request]]]] = {}

    def add(self, name: Name, actions: Sequence[str], witness: Request) -> None:
        """Note a difference of some actions. All differences of one action are noted with the same actions."""
        by_actions = self._names.setdefault(name._replace(but_for=()), {})
        by_actions.setdefault(tuple(actions), []).append((name.but_for, witness))

    def rows(self) -> Iterator[Row]:
        """The rows. An action that differs with these exceptions and also with those is in two of them."""
        for name, by_actions in self._names.items():
            rows: list[Row] = []
            for actions, found in by_actions.items():
                for number, (but_for, witness) in enumerate(_fewest(found)):
                    if number == len(rows):
                        rows.append(Row(name, witness))
                    rows[number].exceptions.update(dict.fromkeys(actions, but_for))
            yield from rows

    def told(self, row: Row, patterns: Sequence[Pattern]) -> tuple[tuple[ToldActions, ...], tuple[str, ...]]:
        """The actions of a row by these patterns, and the exceptions of all of them."""
        excepted: dict[str, set[str]] = defaultdict(set)
        for action, texts in row.exceptions.items():
            for text in texts:
                excepted[text].add(action)
        actions = tuple(row.exceptions)
        told = tuple(
            ToldActions(text, len(meant), tuple(self._but_for(meant, excepted)))
            for text, meant in self._meant.told(actions, patterns)
        )
        return told, tuple(self._but_for(actions, excepted))

    def _but_for(self, actions: Sequence[str], excepted: Mapping[str, set[str]]) -> Iterator[str]:
        """The exceptions among some actions; those that are not about all of them with the actions."""
        for text, some in excepted.items():
            here = [action for action in actions if action in some]
            if len(here) == len(actions):
                yield text
            elif here:
                yield from (f"{words} on {text}" for words in self._words(here, actions))

    def _words(self, some: Sequence[str], actions: Sequence[str]) -> list[str]:
        """Some of these actions, by patterns that mean no others of them."""
        words = [text for text, _ in self._meant.told(some, self._patterns, within=actions)]
        if len(words) <= _MOST_WORDS:
            return words
        others = [action for action in actions if action not in set(some)]
        left = [text for text, _ in self._meant.told(others, self._patterns, within=actions)]
        return words if len(words) <= len(left) else [f"all actions but {' and '.join(left)}"]


def _fewest(found: Sequence[tuple[tuple[str, ...], Request]]) -> Iterator[tuple[tuple[str, ...], Request]]:
    """Without those that have all exceptions of another one, and so tell no more than it does."""
    sets = list(dict.fromkeys(frozenset(but_for) for but_for, _ in found))
    firsts = {frozenset(but_for): (but_for, witness) for but_for, witness in reversed(found)}
    yield from (firsts[one] for one in sets if not any(other < one for other in sets))
