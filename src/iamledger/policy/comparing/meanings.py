"""The actions that patterns mean, by a catalogue, and patterns that mean some actions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from iamledger.policy.comparing.instances import instance
from iamledger.policy.comparing.sides import Placed
from iamledger.policy.patterns import Pattern


class Actions(Protocol):
    """A catalogue of actions."""

    def actions_matching(self, pattern: str) -> Sequence[str]:
        """The actions that a pattern `vendor:Name` or `*` means."""


class Meant:
    """The actions that patterns mean."""

    def __init__(self, catalogue: Actions) -> None:
        self._catalogue = catalogue
        self._known: dict[str, tuple[str, ...]] = {}

    def of(self, pattern: Pattern) -> tuple[str, ...]:
        """The catalogue's actions; if there are none, one that stands for the pattern."""
        if pattern.text not in self._known:
            known = tuple(self._catalogue.actions_matching("*" if pattern.text == "*:*" else pattern.text))
            self._known[pattern.text] = known or (instance(pattern),)
        return self._known[pattern.text]

    def actions(self, placed: Sequence[Placed], wanted: Sequence[Placed]) -> list[str]:
        """Every action that one of the wanted statements is about."""
        every: dict[str, None] = {}
        for one in placed:
            for pattern in (*one.statement.action, *one.statement.not_action):
                every.update(dict.fromkeys(self.of(pattern)))
        if any(one.statement.not_action for one in wanted):
            every.update(dict.fromkeys(self._catalogue.actions_matching("*")))
        return [
            action for action in every if any(one.on_action is None or one.on_action(action.lower()) for one in wanted)
        ]

    def told(
        self, actions: Sequence[str], patterns: Sequence[Pattern], *, within: Sequence[str] | None = None
    ) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Actions, those together that a pattern means; of what it means, only what is `within` some actions counts."""
        every, left = frozenset(actions), dict.fromkeys(actions)
        kept = None if within is None else frozenset(within)
        found: list[tuple[str, tuple[str, ...]]] = []
        wide = [pattern for pattern in dict.fromkeys(patterns) if pattern.literal is None]
        for pattern in sorted(wide, key=lambda pattern: -len(self.of(pattern))):
            meant = tuple(action for action in self.of(pattern) if kept is None or action in kept)
            if every.issuperset(meant) and any(action in left for action in meant):
                found.append((pattern.text, meant))
                for action in meant:
                    left.pop(action, None)
        return (*found, *((action, (action,)) for action in left))
