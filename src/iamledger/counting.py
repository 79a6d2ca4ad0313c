"""How many rows projections have, as quotas over an account ask."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from iamledger.engine.view import rows_begun
from iamledger.iam.events import Event
from iamledger.iam.nouns import CountOf
from iamledger.read_models import all_projections


class Counts:
    """How many rows projections have, those included that the commands before have begun."""

    def __init__(self, ask: Callable[[CountOf], int]) -> None:
        self._ask = ask
        self._known: dict[CountOf, int] = {}
        self._decided: list[Event] = []

    def __call__(self, wanted: CountOf) -> int:
        if wanted not in self._known:
            self._known[wanted] = self._ask(wanted) + self._begun(wanted, self._decided)
        return self._known[wanted]

    def learn(self, decided: Sequence[Event]) -> None:
        """Events that a command yielded."""
        self._decided += decided
        for wanted in self._known:
            self._known[wanted] += self._begun(wanted, decided)

    def _begun(self, wanted: CountOf, events: Sequence[Event]) -> int:
        return rows_begun(all_projections()[wanted.projection], wanted.where, (type(e).__name__ for e in events))
