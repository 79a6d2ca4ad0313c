"""Entries whose resources begin alike, told apart by their actions, and by what else stands in their resources.

Few entries are gone through one by one. Of many, those with the same action, or with a pattern of actions that begins the
action, are found first; and of those, if they are many again, the ones whose rarest piece stands in the resource.

A statement of many actions and many resources would be there for each action with each resource, far more often than it has
words. It is there for each resource only, under the beginning that its actions share, and tests the action itself.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from iamledger.policy.entries import FEW, Entry, Placed, pattern_test
from iamledger.policy.globs import Test
from iamledger.policy.pieces import ByPiece, pile
from iamledger.policy.prefixes import Prefixes
from iamledger.policy.sources import Source

SOME = 64
"""So many are not worth a division by actions if each has `MANY_ACTIONS`: it would cost more memory than it saves time."""
MANY_ACTIONS = 32
MANIFOLD = 8
"""A statement is divided by its actions if that makes at most so many entries for each action and resource pattern of it."""


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
    often = Counter(entry.source for _, entry in placed)
    divisions = {source: _division(source, count) for source, count in often.items()}
    names: dict[str, list[Placed]] = defaultdict(list)
    beginnings: dict[str, list[Placed]] = defaultdict(list)
    for pattern, entry in placed:
        literals, globs, shared = divisions[entry.source]
        named = entry._replace(action=None)
        for literal in literals:
            names[literal].append((pattern, named))
        for prefix, test in globs:
            beginnings[prefix].append((pattern, entry._replace(action=test)))
        if shared is not None:
            beginnings[shared].append((pattern, entry))
    return ByAction(names, beginnings)


class _Division(NamedTuple):
    """How a statement's entries are held: under whole actions; under beginnings, with what is left to test of the action;
    or all under one beginning, with the statement's own test.
    """

    literals: Sequence[str] = ()
    globs: Sequence[tuple[str, Test | None]] = ()
    shared: str | None = None


def _division(source: Source, count: int) -> _Division:
    """The division of a statement that has so many entries."""
    actions = source.statement.action
    if count * len(actions) > MANIFOLD * (count + len(actions)) or not actions:
        return _Division(shared=_common([action.prefix for action in actions]))
    return _Division(
        [action.literal for action in actions if action.literal is not None],
        [(action.prefix, pattern_test(action)) for action in actions if action.literal is None],
    )


def _common(texts: Sequence[str]) -> str:
    """What all of some texts begin with: as far as the first and the last of them, in order, are alike."""
    if not texts:
        return ""
    first, last = min(texts), max(texts)
    return next((first[:at] for at, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), first)
