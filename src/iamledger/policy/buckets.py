"""Entries whose resources begin alike, told apart by their actions, and by what else stands in their resources.

Few entries are gone through one by one. Of many, those with the same action, or with a pattern of actions that begins the
action, are found first; and of those, if they are many again, the ones whose rarest piece stands in the resource.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from iamledger.policy.entries import Entry, Placed, pattern_test
from iamledger.policy.pieces import FEW, ByPiece, pile
from iamledger.policy.prefixes import Prefixes

SOME = 64
"""So many are not worth a division by actions if each has `MANY_ACTIONS`: it would cost more memory than it saves time."""
MANY_ACTIONS = 32


class ByAction:
    """Entries by their actions, and those of one action by their pieces."""

    __slots__ = ("_beginnings", "_names")

    def __init__(self, names: dict[str, list[Placed]], beginnings: dict[str, list[Placed]]) -> None:
        self._names = {name: pile(placed) for name, placed in names.items()}
        self._beginnings = Prefixes({prefix: pile(placed) for prefix, placed in beginnings.items()})

    def select(self, action: str, resource: str) -> Sequence[Entry]:
        """Those that could match."""
        held = self._names.get(action, ())
        found = held.select(resource) if isinstance(held, ByPiece) else held
        for held in self._beginnings.under(action):
            more = held.select(resource) if isinstance(held, ByPiece) else held
            found = (*found, *more) if found else more
        return found


Bucket = tuple[Entry, ...] | ByAction


def bucket(placed: Sequence[Placed]) -> Bucket:
    """What holds the entries."""
    actions = sum(len(entry.source.statement.action) for _, entry in placed)
    if len(placed) <= FEW or (len(placed) <= SOME and actions > MANY_ACTIONS * len(placed)):
        return tuple(entry for _, entry in placed)
    names: dict[str, list[Placed]] = defaultdict(list)
    beginnings: dict[str, list[Placed]] = defaultdict(list)
    for pattern, entry in placed:
        named = entry._replace(action=None)
        for action in entry.source.statement.action:
            if action.literal is not None:
                names[action.literal].append((pattern, named))
            else:
                beginnings[action.prefix].append((pattern, entry._replace(action=pattern_test(action))))
        if not entry.source.statement.action:
            beginnings[""].append((pattern, entry))
    return ByAction(names, beginnings)
