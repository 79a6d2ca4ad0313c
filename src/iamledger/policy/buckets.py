"""Entries whose resources begin alike, told apart by their actions and by the words of their resources.

Few entries are gone through one by one. Of many, those with the same action, or with a pattern of actions that begins the
action, are found first; and of those, if they are many again, the ones that have a word which the resource has. A word is a
run of letters and digits with something else, or nothing, on both sides, so that it stands in whatever the pattern matches.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from iamledger.policy.entries import Entry, pattern_test
from iamledger.policy.patterns import Pattern
from iamledger.policy.prefixes import Prefixes

FEW = 6
"""So many entries are gone through one by one."""
SOME = 64
"""So many are not worth a division by actions if each has `MANY_ACTIONS`: it would cost more memory than it saves time."""
MANY_ACTIONS = 32

Placed = tuple[Pattern | None, Entry]
_WORD = re.compile("[0-9A-Za-z]+")


class ByWord:
    """Entries by the rarest word of their resource."""

    __slots__ = ("_by_word", "_rest")

    def __init__(self, by_word: dict[str, list[Entry]], rest: list[Entry]) -> None:
        self._by_word, self._rest = by_word, rest

    def select(self, resource: str) -> Sequence[Entry]:
        """Those that could match."""
        found = self._rest
        for word in set(_WORD.findall(resource)):
            if word in self._by_word:
                found = [*found, *self._by_word[word]]
        return found


class ByAction:
    """Entries by their actions, and those of one action by word."""

    __slots__ = ("_beginnings", "_names")

    def __init__(self, names: dict[str, list[Placed]], beginnings: dict[str, list[Placed]]) -> None:
        self._names = {name: by_word(placed) for name, placed in names.items()}
        self._beginnings = Prefixes({prefix: by_word(placed) for prefix, placed in beginnings.items()})

    def select(self, action: str, resource: str) -> Sequence[Entry]:
        """Those that could match."""
        held = self._names.get(action, ())
        found = held.select(resource) if isinstance(held, ByWord) else held
        for held in self._beginnings.under(action):
            more = held.select(resource) if isinstance(held, ByWord) else held
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


def by_word(placed: Sequence[Placed]) -> tuple[Entry, ...] | ByWord:
    """Entries by word, if that divides them."""
    if len(placed) > FEW:
        words = [set(_words(pattern)) if pattern else set() for pattern, _ in placed]
        often = Counter(word for some in words for word in some)
        divided: dict[str, list[Entry]] = defaultdict(list)
        rest: list[Entry] = []
        for (_, entry), some in zip(placed, words, strict=True):
            rarest = min(some, key=lambda word: (often[word], word), default=None)
            (divided[rarest] if rarest and often[rarest] * 2 <= len(placed) else rest).append(entry)
        if len(rest) * 2 <= len(placed):
            return ByWord(dict(divided), rest)
    return tuple(entry for _, entry in placed)


def _words(pattern: Pattern) -> Iterator[str]:
    """The words that stand in all that a pattern matches."""
    for index, part in enumerate(pattern.parts):
        if isinstance(part, str):
            for found in _WORD.finditer(part):
                begins = found.start() > 0 or index == 0
                ends = found.end() < len(part) or index == len(pattern.parts) - 1
                if begins and ends:
                    yield found.group()
